/**
 * The cases that every SDK must pass, in JavaScript; ../../README.md says what each does.
 *
 * `spec.case` names the case; each is a function in one of the modules, and returns what goes into
 * `status.output`, or an `Ending` when it ends otherwise than with that.
 */
import { Terminal, byField, byLabel, defineController, kinds } from "@polyreme/sdk";

import { Case, Ending } from "./case.js";
import * as outcomes from "./outcomes.js";
import * as reads from "./reads.js";
import * as refusals from "./refusals.js";
import * as reports from "./reports.js";
import * as requests from "./requests.js";
import * as values from "./values.js";
import * as writes from "./writes.js";

/** Cases that look at the same generation more than once. */
const REPEATED = ["requeue", "finalizer", "owned", "watch-label", "watch-field"];

const CASES = Object.assign(
  {},
  ...[outcomes, reads, refusals, reports, requests, values, writes].map((module) => module.cases),
);

export default defineController({
  name: "sdk-cases",
  primary: Case,
  labelSelector: "cases.polyreme.dev/run",
  owns: [kinds.ConfigMap],
  watches: [
    byLabel(kinds.ConfigMap, "cases.polyreme.dev/wakes", { labelSelector: "cases.polyreme.dev/wakes" }),
    byField(kinds.ConfigMap, "spec.input.source", { labelSelector: "cases.polyreme.dev/source=yes" }),
  ],
  indexes: ["spec.input.group"],
  asks: [
    { kind: kinds.ConfigMap, verbs: ["create", "update", "patch", "apply", "delete"] },
    { kind: kinds.Namespace, verbs: ["get"] },
    { kind: kinds.Secret, verbs: ["get"] },
  ],
  settingsSchema: {
    type: "object",
    required: ["greeting"],
    properties: { greeting: { type: "string" } },
  },

  reconcile(ctx, obj) {
    const name = obj.spec.case;
    const { generation } = obj.metadata;
    if (obj.status?.observedGeneration === generation && !REPEATED.includes(name)) return;
    const run = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
    if (!run) throw new Terminal(`unknown case "${name}"`);
    const outcome = run(ctx, obj, obj.spec.input ?? {});
    const { output, action } = outcome instanceof Ending ? outcome : { output: outcome };
    if (output) ctx.patchStatus(obj, { observedGeneration: generation, output });
    return action;
  },

  deleted() {
    console.log("gone");
  },
});
