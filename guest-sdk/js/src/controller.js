/** A controller: what it says about itself, and the function that makes one object right. */
import * as given from "./arguments.js";
import { Context } from "./context.js";
import { ApiError, PolyremeError, chain } from "./errors.js";
import { parse, stringify } from "./json.js";
import { display } from "./objects.js";

const KNOWN = [
  "name",
  "version",
  "primary",
  "labelSelector",
  "owns",
  "watches",
  "indexes",
  "asks",
  "settingsSchema",
  "reconcile",
  "deleted",
];

/**
 * Makes the controller of this component; export it by default. Without another word a controller may read its
 * primary kind, patch its status and finalizers, and manage objects of the kinds it `owns` that carry a
 * controller owner reference to the object under reconcile. Everything else must be asked for here *and*
 * granted in the host's configuration.
 */
export function defineController(definition) {
  const unknown = Object.keys(definition).filter((key) => !KNOWN.includes(key));
  if (unknown.length > 0) throw new TypeError(`controller: ${unknown.join(", ")} unknown; known are ${KNOWN.join(", ")}`);
  for (const key of ["name", "primary", "reconcile"]) {
    if (!definition[key]) throw new TypeError(`controller: ${key} is missing`);
  }
  const defaults = { version: "0.1.0", labelSelector: "", owns: [], watches: [], indexes: [], asks: [] };
  return Object.freeze({ ...defaults, settingsSchema: null, deleted: () => DONE, ...definition });
}

/** Come back when something changes. The same as returning nothing. */
export const DONE = Object.freeze({ requeueAfterMs: null });

/**
 * Come back after this many milliseconds at the latest, at once when that time has passed; forgets earlier failures. A
 * time that is infinite or no number is a TypeError.
 */
export function requeueAfter(milliseconds) {
  const left = milliseconds < 0 ? 0 : milliseconds;
  return Object.freeze({ requeueAfterMs: given.milliseconds("requeueAfter", left) });
}

/** The controller owner reference of the object, followed upwards, leads to the primary. */
export function byOwner(kind, { labelSelector = "" } = {}) {
  return { kind, mapping: { tag: "owner" }, labelSelector };
}

/** The label with this key holds the primary's name, in the same namespace. */
export function byLabel(kind, key, { labelSelector = "" } = {}) {
  return { kind, mapping: { tag: "label", val: key }, labelSelector };
}

/** Every primary whose field at this path (`spec.theme`) equals the object's name is meant. */
export function byField(kind, path, { labelSelector = "" } = {}) {
  return { kind, mapping: { tag: "field", val: path }, labelSelector };
}

/** Everything that is asked for: watching a kind asks for reading it. */
export function permissions(controller) {
  const reads = controller.watches.map(({ kind }) => ({ kind, verbs: ["get", "list", "watch"] }));
  return [...reads, ...controller.asks];
}

/** The contract's manifest. */
export function manifest(controller) {
  const { name, version, labelSelector, indexes, settingsSchema } = controller;
  return {
    name,
    version,
    primary: bare(controller.primary),
    labelSelector,
    owns: controller.owns.map(bare),
    watches: controller.watches.map((watch) => ({ ...watch, kind: bare(watch.kind) })),
    indexes: [...indexes],
    permissions: permissions(controller).map(({ kind, verbs }) => ({
      apiVersion: kind.apiVersion,
      kinds: [kind.kind],
      verbs: [...verbs],
    })),
    settingsSchema: settingsSchema ? stringify(settingsSchema, "the settings schema") : null,
  };
}

/** Carries out one request of the host; errors pass. */
export function run(controller, host, request) {
  const ctx = new Context(host, request, controller.name);
  const outcome =
    request.current === null
      ? controller.deleted(ctx, request.object)
      : controller.reconcile(ctx, parse(request.current, display(request.object)));
  return action(outcome);
}

/**
 * What the host is told: an action, or a failure for what was thrown. What no code expected leaves its stack in
 * the log.
 */
export function answer(controller, host, request) {
  try {
    return { ok: run(controller, host, request) };
  } catch (error) {
    return { failure: failure(error, host) };
  }
}

function failure(error, host) {
  const expected = error instanceof PolyremeError;
  const level = expected ? "debug" : "error";
  if ((!expected || error instanceof ApiError) && host.logEnabled(level)) host.log(level, given.text(stackOf(error)), []);
  const text = expected || !(error instanceof Error) ? chain(error) : `${error.name}: ${chain(error)}`;
  return { terminal: expected && error.terminal, message: given.text(text) };
}

/** The message and the stack, with those of its causes. QuickJS keeps the message out of the stack. */
export function stackOf(error) {
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  const head = `${error.name}: ${error.message}`;
  const stack = (error.stack ?? "").trimEnd();
  const text = stack.includes(error.message) && stack.includes(error.name) ? stack : `${head}\n${stack}`;
  return error.cause instanceof Error && error.cause !== error ? `${text}\ncaused by ${stackOf(error.cause)}` : text;
}

function action(outcome) {
  if (outcome === undefined || outcome === null) return DONE;
  if (outcome === DONE) return DONE;
  if (typeof outcome.requeueAfterMs === "number") return requeueAfter(outcome.requeueAfterMs);
  if (typeof outcome.then === "function") {
    outcome.then(undefined, () => {});
    throw new PolyremeError("reconcile is async: every call of the context is synchronous, take `async` away");
  }
  throw new PolyremeError(`reconcile returned ${String(outcome)}: return nothing, DONE or requeueAfter(milliseconds)`);
}

function bare({ apiVersion, kind }) {
  return { apiVersion, kind };
}
