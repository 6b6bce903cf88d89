/** Every way of writing, with its options. */
import { Retry, kinds, refOf } from "@polyreme/sdk";
import kubernetes from "polyreme:controller/kubernetes@0.1.0";

import { Case, owned, plain, reason } from "./case.js";

const NO_UID = "00000000-0000-0000-0000-000000000000";

function changed(ctx, name) {
  const target = ctx.get(kinds.ConfigMap, name);
  target.data = { ...target.data, changed: "after" };
  return target;
}

/** By the raw binding: controllers have little use for patches other than merge patches. */
function patch(obj, name, type, body) {
  const options = { subresource: null, fieldManager: null, force: false, dryRun: false, wantObject: false };
  try {
    return kubernetes.patch(refOf(plain(obj, name)), type, JSON.stringify(body), options);
  } catch (error) {
    return { refused: error.payload };
  }
}

function patched(...given) {
  const written = patch(...given);
  if (written.refused) throw new Retry(written.refused.message);
  return written.changed;
}

export const cases = {
  create(ctx, obj) {
    const { object, ...written } = ctx.create(owned(obj, "create-child", { made: "yes" }));
    return written;
  },

  "create-existing": (ctx, obj) => ({
    reason: reason(() => ctx.create(plain(obj, "create-existing-target", { made: "again" }))),
  }),

  update: (ctx) => ({ changed: ctx.update(changed(ctx, "update-target")).changed }),

  "update-conflict"(ctx) {
    const target = changed(ctx, "update-conflict-target");
    target.metadata.resourceVersion = "1";
    return { reason: reason(() => ctx.update(target)) };
  },

  apply(ctx, obj) {
    const both = owned(obj, "apply-child", { kept: "1", left: "1" });
    const one = owned(obj, "apply-child", { kept: "1" });
    return { changed: [both, one, one].map((wanted) => ctx.apply(wanted).changed) };
  },

  "apply-force"(ctx, obj) {
    const target = plain(obj, "apply-force-target", { owner: "guest" });
    return { reason: reason(() => ctx.apply(target, { force: false })), forced: ctx.apply(target).changed };
  },

  "apply-all"(ctx, obj) {
    const children = [0, 1, 2, 3, 4, 5, 6, 7].map((index) =>
      owned(obj, `apply-all-${index}`, index === 4 ? { "not/valid": "" } : { index: String(index) }),
    );
    return { reason: reason(() => ctx.applyAll(children)) };
  },

  "write-options"(ctx, obj) {
    const dry = reason(() => ctx.apply(owned(obj, "write-options-dry", {}), { dryRun: true }));
    const options = { force: false, fieldManager: "sdk-cases/another", wantObject: true };
    const written = ctx.apply(owned(obj, "write-options-child", { returned: "1" }), options);
    return { dryRun: dry === "none", returned: written.object?.data.returned };
  },

  "patch-merge"(ctx) {
    const target = ctx.get(kinds.ConfigMap, "patch-merge-target");
    return { changed: ctx.mergePatch(target, { data: { gone: null, changed: "after" } }).changed };
  },

  "patch-json"(ctx, obj) {
    const first = [
      { op: "test", path: "/data/from", value: "1" },
      { op: "move", from: "/data/from", path: "/data/to" },
      { op: "replace", path: "/metadata/annotations/example.com~1note", value: "after" },
    ];
    const moved = patched(obj, "patch-json-target", "json-patch", first);
    const second = [{ op: "test", path: "/data/to", value: "2" }];
    const { refused } = patch(obj, "patch-json-target", "json-patch", second);
    return { changed: moved, refused: refused?.reason ?? "none" };
  },

  "patch-strategic"(ctx, obj) {
    const added = { metadata: { finalizers: ["example.com/second"] } };
    return { changed: patched(obj, "patch-strategic-target", "strategic", added) };
  },

  status(ctx, obj) {
    const output = { list: [{ a: 1 }, { b: [] }], text: "", flag: false, zero: 0 };
    const wanted = { observedGeneration: obj.metadata.generation, output };
    console.log(`changed ${ctx.patchStatus(obj, wanted)}`);
    console.log(`changed ${ctx.patchStatus(ctx.get(Case, obj.metadata.name), wanted)}`);
    return output;
  },

  delete: (ctx) => ({ existed: [1, 2].map(() => ctx.deleteNamed(kinds.ConfigMap, "delete-target")) }),

  "delete-precondition"(ctx, obj) {
    const target = plain(obj, "delete-precondition-target");
    target.metadata.uid = NO_UID;
    return { reason: reason(() => ctx.delete(target)) };
  },

  owned(ctx, obj) {
    ctx.apply(owned(obj, "owned-child", { made: "yes" }));
    return {};
  },
};
