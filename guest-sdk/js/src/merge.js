/** JSON merge patches (RFC 7396): how a status is written without what did not change. */

/** The merge patch that turns one value into the other; `undefined` when they are equal. */
export function difference(before, after) {
  if (!isObject(before) || !isObject(after)) return equal(before, after) ? undefined : after;
  const patch = {};
  for (const key of Object.keys(before)) {
    // What is undefined is not in JSON.
    if (after[key] === undefined && before[key] !== null) patch[key] = null;
  }
  for (const key of Object.keys(after)) {
    if (after[key] === undefined) continue;
    const change = difference(before[key] ?? null, after[key]);
    if (change !== undefined) patch[key] = change;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** The target after a merge patch; the target itself is left as it is. */
export function patch(target, change) {
  if (!isObject(change)) return change;
  const merged = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete merged[key];
    else merged[key] = patch(merged[key], value);
  }
  return merged;
}

/** Whether two JSON values are the same. */
export function equal(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((held, index) => equal(held, other[index]));
  }
  if (isObject(one) && isObject(other)) return difference(one, other) === undefined;
  return one === other;
}

/** Whether it is a JSON object. */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
