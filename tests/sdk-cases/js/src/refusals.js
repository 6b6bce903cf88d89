/** Requests that are not carried out. */
import { kinds, object } from "@polyreme/sdk";

import { owned, refusal, refused } from "./case.js";

/** More than `limits.payload` by default. */
const TOO_MUCH_BYTES = 4 << 20;

export const cases = {
  invalid(ctx, obj) {
    const error = refused(() => ctx.apply(owned(obj, "invalid-child", { "not/valid": "" })));
    return { reason: error?.reason ?? "none", cause: error?.causes[0] };
  },

  forbidden: (ctx, obj, { namespace }) =>
    refusal(() => ctx.create(object(kinds.ConfigMap, { name: "late", namespace }))),

  "not-granted": (ctx) => refusal(() => ctx.get(kinds.Secret, "anything")),

  "limit-exceeded"(ctx, obj) {
    const text = "x".repeat(TOO_MUCH_BYTES);
    return refusal(() => ctx.apply(owned(obj, "limit-exceeded-child", { text })));
  },

  "bad-request": (ctx) => refusal(() => ctx.create({ apiVersion: "v1", kind: "ConfigMap", metadata: {} })),
};
