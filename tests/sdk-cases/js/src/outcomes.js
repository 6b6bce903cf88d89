/** How a reconcile can end, and the finalizer flow. */
import { Retry, Terminal, kinds, requeueAfter } from "@polyreme/sdk";

import { Ending, plain } from "./case.js";

const FINALIZER = "cases.polyreme.dev/cleanup";
const OUTSIDE = "finalizer-outside";
const COUNTS = 3;
const DELAY_MS = 20;
const FAILURES = 2;

export const cases = {
  requeue(ctx, obj) {
    const count = obj.status?.output?.count ?? 0;
    if (count === COUNTS) return new Ending();
    const output = { count: count + 1 };
    return count + 1 === COUNTS ? output : new Ending(output, requeueAfter(DELAY_MS));
  },

  retry({ attempt, idempotencyKey: key }) {
    if (attempt < FAILURES) throw new Retry(`not yet: attempt ${attempt}, key ${key}`);
    return { attempt, key };
  },

  terminal(ctx, obj, { fixed }) {
    if (fixed !== true) throw new Terminal("never again");
    return { fixed };
  },

  panic({ attempt }) {
    if (attempt === 0) throw new Error("the guest gave up");
    return { attempt };
  },

  finalizer(ctx, obj) {
    const phase = ctx.finalizer(obj, FINALIZER);
    if (phase === "apply") {
      ctx.apply(plain(obj, OUTSIDE, { for: "finalizer" }));
      return { phase };
    }
    if (phase === "cleanup") {
      ctx.deleteNamed(kinds.ConfigMap, OUTSIDE);
      console.log("cleaned up");
      ctx.finalized(obj, FINALIZER);
    }
    return new Ending();
  },
};
