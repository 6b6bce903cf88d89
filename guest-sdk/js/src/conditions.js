/** Standard conditions: `status.conditions` as `kubectl wait --for=condition=Ready` reads them. */

/**
 * The list with this condition, and the others as they were. `status` is true, false or null for Unknown.
 *
 * `reason` is CamelCase and must not be empty, or the API server refuses it. `lastTransitionTime` moves only
 * when the status does, so a list that says what it said is equal to the one before.
 */
export function setCondition(conditions, obj, { type, status, reason, message = "", now }) {
  const held = conditions ?? [];
  const text = status === null ? "Unknown" : status ? "True" : "False";
  const before = held.find((one) => one.type === type);
  const wanted = {
    type,
    status: text,
    reason,
    message,
    observedGeneration: obj.metadata?.generation ?? 0,
    lastTransitionTime: before?.status === text ? before.lastTransitionTime : timestamp(now),
  };
  return before ? held.map((one) => (one === before ? wanted : one)) : [...held, wanted];
}

/** Whether this condition is True. */
export function isTrue(conditions, type) {
  return (conditions ?? []).some((one) => one.type === type && one.status === "True");
}

/** A time as Kubernetes writes it: UTC, whole seconds. */
export function timestamp(now) {
  return now.toISOString().replace(/\.\d+Z$/, "Z");
}
