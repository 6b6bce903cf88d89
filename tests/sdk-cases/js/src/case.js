/** What the cases share: their kind, and shorthands. */
import { ApiError, child, kind, kinds, object } from "@polyreme/sdk";

export const Case = kind("cases.polyreme.dev/v1alpha1", "Case");

/** An end other than an output alone: without one no status is written. */
export class Ending {
  constructor(output, action) {
    this.output = output;
    this.action = action;
  }
}

/** A ConfigMap that the case controls. */
export function owned(obj, name, data) {
  return child(obj, kinds.ConfigMap, name, { data });
}

/** A ConfigMap that nobody controls, in the namespace of the case. */
export function plain(obj, name, data) {
  return object(kinds.ConfigMap, { name, namespace: obj.metadata.namespace, data });
}

/** The error that is expected, or null. */
export function refused(call) {
  try {
    call();
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/** The contract's word for why something was not done. */
export function reason(call) {
  return refused(call)?.reason ?? "none";
}

/** Reason and message. */
export function refusal(call) {
  const error = refused(call);
  return { reason: error?.reason ?? "none", message: error?.message };
}
