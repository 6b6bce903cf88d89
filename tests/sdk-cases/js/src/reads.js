/** `get` and `list`: from the cache and live, one object and many, by label, by index and by page. */
import { Retry, kinds } from "@polyreme/sdk";

import { Case, owned, reason, refusal } from "./case.js";

const ROUNDS = 10;
/** The label that the controller selects its primaries by. */
const SELECTED = "cases.polyreme.dev/run";

const names = (objects) => objects.map((one) => one.metadata.name);
const here = (obj, query) => ({ namespace: obj.metadata.namespace, ...query });

/** A cache may learn of an object later than of the Case. */
function counted(count, found) {
  if (found.length < count) throw new Retry(`only ${found.length} yet`);
  return { names: names(found) };
}

function value(ctx, name) {
  const source = ctx.getOpt(kinds.ConfigMap, name);
  return { value: source === null ? "nothing" : source.data.value };
}

export const cases = {
  get: (ctx) => ({ colour: ctx.get(kinds.ConfigMap, "get-source").data.colour }),

  "get-live": (ctx) => ({ colour: ctx.live.get(kinds.ConfigMap, "get-live-source").data.colour }),

  "get-cluster-scoped"(ctx, obj) {
    const { metadata, status } = ctx.get(kinds.Namespace, obj.metadata.namespace);
    return { name: metadata.name, phase: status.phase };
  },

  "get-missing": (ctx) => refusal(() => ctx.get(kinds.ConfigMap, "nobody")),

  "read-own-write"(ctx, obj) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ctx.apply(owned(obj, "read-own-write-child", { round: String(round) }));
      rounds.push(ctx.get(kinds.ConfigMap, "read-own-write-child").data.round);
    }
    return { rounds };
  },

  list: (ctx, obj, { count }) => counted(count, ctx.list(kinds.ConfigMap, here(obj, { labels: "part=list" }))),

  "list-pages"(ctx, obj, { count }) {
    return counted(count, ctx.list(kinds.ConfigMap, here(obj, { labels: "part=pages", pageSize: 2 })));
  },

  "list-index"(ctx, obj, { count }) {
    const query = here(obj, { labels: SELECTED, fields: "spec.input.group=violet" });
    return counted(count, ctx.list(Case, query));
  },

  "list-live"(ctx, obj) {
    const query = here(obj, { labels: SELECTED, fields: "spec.case=list-live" });
    return { cached: reason(() => ctx.list(Case, query)), live: names(ctx.live.list(Case, query)) };
  },

  "watch-label": (ctx) => value(ctx, "watch-label-source"),
  "watch-field": (ctx, obj, input) => value(ctx, input.source),
};
