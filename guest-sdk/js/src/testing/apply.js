/** Server-side apply on JSON trees. */
import { isObject } from "../merge.js";

/**
 * What names an item of a list, tried in this order. Kubernetes' schemas say which it is; in the kinds that
 * controllers write, these are they.
 */
const ITEM_KEYS = ["uid", "type", "name", "containerPort", "port"];

/**
 * What is held with `applied` laid over it, without what `before`, the last apply of the same manager, had and
 * this one has not.
 */
export function apply(held, before, applied) {
  if (isObject(held) && isObject(applied)) return applyObject(held, isObject(before) ? before : {}, applied);
  if (Array.isArray(held) && Array.isArray(applied)) {
    return applyList(held, Array.isArray(before) ? before : [], applied);
  }
  return applied;
}

function applyObject(held, before, applied) {
  const merged = {};
  for (const [key, value] of Object.entries(held)) {
    const left = key in applied || !(key in before) ? value : withoutOwn(value, before[key]);
    if (left !== undefined) merged[key] = left;
  }
  for (const [key, value] of Object.entries(applied)) {
    merged[key] = key in merged ? apply(merged[key], before[key], value) : value;
  }
  return merged;
}

/** What others have in a field that is not named any more; `undefined` when there is nothing. */
function withoutOwn(held, before) {
  if (isObject(held) && isObject(before)) {
    const left = applyObject(held, before, {});
    return Object.keys(left).length > 0 ? left : undefined;
  }
  if (Array.isArray(held) && Array.isArray(before)) {
    const left = applyList(held, before, []);
    return left.length > 0 ? left : undefined;
  }
  return undefined;
}

function applyList(held, before, applied) {
  const key = ITEM_KEYS.find((name) => [...held, ...applied].every((item) => isObject(item) && name in item));
  if (key === undefined) return applied;
  const fresh = new Map(applied.map((item) => [String(item[key]), item]));
  const old = new Map(before.map((item) => [String(item?.[key]), item]));
  const merged = [];
  for (const item of held) {
    const name = String(item[key]);
    if (fresh.has(name)) merged.push(apply(item, old.get(name), fresh.get(name)));
    else if (!old.has(name)) merged.push(item);
    fresh.delete(name);
  }
  return [...merged, ...fresh.values()];
}
