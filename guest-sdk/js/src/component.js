/**
 * The exports of a component, and the host behind its imports. Exists inside a component only: `polyreme build`
 * generates an entry of a few lines that imports this, then the controller's module, and exports
 * `component(controller)` as `reconciler`.
 */
// First: what is imported after it is evaluated with the host's time and console.
import { start, takePrinted } from "./sandbox.js";

import clock from "polyreme:controller/clock@0.1.0";
import events from "polyreme:controller/events@0.1.0";
import http from "polyreme:controller/http@0.1.0";
import kubernetes from "polyreme:controller/kubernetes@0.1.0";
import log from "polyreme:controller/log@0.1.0";
import metrics from "polyreme:controller/metrics@0.1.0";
import random from "polyreme:controller/random@0.1.0";
import settings from "polyreme:controller/settings@0.1.0";

import { answer, manifest } from "./controller.js";
import { Refusal } from "./errors.js";

const SOURCES = { true: "live", false: "cache" };

/** The host that runs this component. */
const imports = {
  get: (target, live) => asked(() => kubernetes.get(target, SOURCES[live])),
  list: ({ apiVersion, kind }, query, live) =>
    asked(() => kubernetes.list({ apiVersion, kind }, { ...query, source: SOURCES[live] })),
  create: (text, options) => asked(() => kubernetes.create(text, options)),
  update: (text, options) => asked(() => kubernetes.update(text, options)),
  mergePatch: (target, patch, options) => asked(() => kubernetes.patch(target, "merge", patch, options)),
  apply: (text, options) => asked(() => kubernetes.apply(text, options)),
  applyAll: (texts, options) =>
    kubernetes.applyAll(texts, options).map(({ tag, val }) => (tag === "ok" ? val : refusal(val))),
  delete: (target, uid) =>
    asked(() => kubernetes.delete(target, { propagation: "background", uid, resourceVersion: null })),
  emit: events.emit,
  log: log.log,
  logEnabled: log.enabled,
  addCounter: metrics.addCounter,
  setGauge: metrics.setGauge,
  observe: metrics.observe,
  settings: settings.get,
  now: clock.now,
  monotonic: clock.monotonic,
  randomBytes: random.bytes,
  send: (request) => asked(() => http.send(request)),
};

/** The interface that the component exports. */
export function component(controller) {
  if (typeof controller?.reconcile !== "function") {
    throw new TypeError("the main module must `export default defineController({…})`");
  }
  return {
    describe() {
      start();
      takePrinted().forEach(([level, line]) => log.log(level, line, []));
      return manifest(controller);
    },
    reconcile(request) {
      start();
      const { ok, failure } = answer(controller, imports, request);
      if (failure) throw { tag: failure.terminal ? "terminal" : "retry", val: failure.message };
      return ok.requeueAfterMs === null ? { tag: "done" } : { tag: "requeue-after", val: ok.requeueAfterMs };
    },
  };
}

/** The engine throws an Error that carries the contract's error. */
function asked(call) {
  try {
    return call();
  } catch (error) {
    throw error?.payload?.reason ? refusal(error.payload) : error;
  }
}

function refusal({ reason, message, retryAfterMs, causes }) {
  return new Refusal(reason, message, retryAfterMs, causes);
}
