/** The request, settings, numbers and texts, as they come and go. */
import { owned } from "./case.js";

/** Just below what a ConfigMap holds. */
const COPIED_BYTES = 917504;
const ENDS_BYTES = 16;

export const cases = {
  idle: () => ({}),
  gone: () => ({}),

  request(ctx) {
    console.log(`reconcile ${ctx.id}`);
    const { attempt, id, idempotencyKey } = ctx;
    return { ...ctx.object, attempt, id, idempotencyKey, epoch: String(ctx.epoch) };
  },

  settings: (ctx) => ({ settings: ctx.settings() }),

  numbers: (ctx, obj, input) => ({ numbers: input, next: BigInt(input.beyond) + 1n }),

  unicode(ctx, obj, input) {
    ctx.log("info", input.text);
    return {
      text: input.text,
      characters: [...input.text].length,
      // The engine has no TextEncoder; each escape of an encoded text is one byte.
      bytes: encodeURIComponent(input.text).replace(/%../g, ".").length,
      key: input["naïve🔑"],
    };
  },

  deep(ctx, obj, input) {
    let [place, depth] = [input, 0];
    for (; place.nested; depth += 1) place = place.nested;
    return { depth, leaf: place.leaf };
  },

  large(ctx, obj, { text }) {
    ctx.apply(owned(obj, "large-copy", { text: text.slice(0, COPIED_BYTES) }));
    return { bytes: text.length, first: text.slice(0, ENDS_BYTES), last: text.slice(-ENDS_BYTES) };
  },
};
