/**
 * What a reconcile is given: the request, and the cluster as far as it is granted.
 *
 * Reads come from the host's cache when the kind is watched and never go back behind this controller's own
 * writes; `ctx.live` asks the API server. Writes that change nothing are not sent. Every method is
 * synchronous, and none waits for other objects.
 */
import * as given from "./arguments.js";
import { apiError, NotFoundError, Refusal } from "./errors.js";
import { Response } from "./http.js";
import { parse, stringify } from "./json.js";
import { difference, patch } from "./merge.js";
import { display, hasFinalizer, isDeleting, ref, refOf } from "./objects.js";
import { toUtf8 } from "./utf8.js";

/** Objects per page of a list: one page of 2 KiB objects stays near 1 MiB. */
const PAGE_SIZE = 500;
/** The `action` of events that name none. */
const ACTION = "Reconcile";
const SEVERITIES = ["normal", "warning"];
const LEVELS = ["trace", "debug", "info", "warn", "error"];

const NO_OPTIONS = Object.freeze({
  subresource: null,
  fieldManager: null,
  force: false,
  dryRun: false,
  wantObject: false,
});
const FORCED = Object.freeze({ ...NO_OPTIONS, force: true });

/** The world of one reconcile. */
export class Context {
  #host;
  #request;
  #live;

  constructor(host, request, controller, live = false) {
    this.#host = host;
    this.#request = request;
    this.#live = live;
    /**
     * The name that this controller gives itself, for people and logs. Its field managers begin with its name in the
     * host's configuration, which may be another.
     */
    this.controller = controller;
  }

  /** The object under reconcile: `{apiVersion, kind, namespace, name}`. */
  get object() {
    return this.#request.object;
  }

  /** Its JSON text as cached when the reconcile began; null when it is gone. */
  get current() {
    return this.#request.current;
  }

  /** The id of this reconcile, as in the host's logs and traces. */
  get id() {
    return this.#request.id;
  }

  /** 0 for the first try since the last success. */
  get attempt() {
    return this.#request.attempt;
  }

  /** The same for every try at the same generation of the object: for side effects outside the cluster. */
  get idempotencyKey() {
    return this.#request.idempotencyKey;
  }

  /** Grows whenever the object changes hands between hosts: a fencing token for outside systems. */
  get epoch() {
    return this.#request.epoch;
  }

  /** The same world, read from the API server instead of the cache. */
  get live() {
    return new Context(this.#host, this.#request, this.controller, true);
  }

  /** Reads an object, in the namespace of the object under reconcile unless another is named. */
  get(kind, name, namespace = this.object.namespace) {
    const target = given.reference(ref(kind, namespace, name));
    return parse(
      ask("get", target, () => this.#host.get(target, this.#live)),
      target.name,
    );
  }

  /** As `get`; null when there is no such object. */
  getOpt(kind, name, namespace) {
    return unlessMissing(null, () => this.get(kind, name, namespace));
  }

  /** All objects that a query selects, of all namespaces unless one is named; follows pages. */
  list(kind, query) {
    const { namespace, labels = "", fields = "", pageSize = PAGE_SIZE } = given.present(query);
    // A reference to nothing in particular.
    const every = given.reference(ref(kind, namespace, "list"));
    const wanted = {
      namespace: namespace === undefined ? null : given.name("namespace", namespace),
      labelSelector: given.name("labels", labels),
      fieldSelector: given.name("fields", fields),
      limit: given.amount("pageSize", pageSize),
      continue: null,
    };
    const objects = [];
    do {
      const page = asking("list", `${every.kind} list`, () => this.#host.list(kind, wanted, this.#live));
      objects.push(...page.items.map((item) => parse(item, `${every.kind} list`)));
      wanted.continue = page.continue || null;
    } while (wanted.continue !== null);
    return objects;
  }

  /** Creates an object. It needs a name; that it exists is an error, so prefer `apply`. */
  create(obj, options) {
    return this.#write("create", obj, options, NO_OPTIONS);
  }

  /** Replaces an object that was read before; a ConflictError when it has changed since. */
  update(obj, options) {
    return this.#write("update", obj, options, NO_OPTIONS);
  }

  /**
   * Server-side apply: name every field this controller cares about and no other. What was applied before and
   * is not named now is removed. Takes fields over from other managers, unless `force` is false.
   *
   * Build the object afresh: one that was read names the fields of everybody, which this would take over.
   */
  apply(obj, options) {
    return this.#write("apply", obj, options, FORCED);
  }

  /** Several applies at once, in no particular order. All are tried; the first failure is thrown. */
  applyAll(objects) {
    const targets = objects.map(refOf);
    const texts = objects.map((obj, index) => stringify(obj, display(targets[index])));
    const outcomes = this.#host.applyAll(texts, FORCED);
    return outcomes.map((outcome, index) => {
      if (outcome instanceof Refusal) throw apiError("apply", display(targets[index]), outcome);
      return written(outcome);
    });
  }

  /**
   * Changes the fields that `patch` names (JSON merge patch; null removes). With `metadata.resourceVersion` in
   * the patch it is a ConflictError when the object has changed since.
   */
  mergePatch(obj, patch, options) {
    const target = given.reference(refOf(obj));
    const text = stringify(patch, display(target));
    const how = given.writeOptions(options, NO_OPTIONS);
    return written(ask("patch", target, () => this.#host.mergePatch(target, text, how)));
  }

  /**
   * Writes `status` where it differs from the status in `obj`, and returns whether anything did. Fields that it
   * no longer has are removed. The status in `obj` is then what was written.
   */
  patchStatus(obj, status) {
    const change = difference(obj.status ?? {}, status);
    if (change === undefined) return false;
    this.mergePatch(obj, { status: change }, { subresource: "status" });
    obj.status = patch(obj.status, change);
    return true;
  }

  /** Deletes exactly this incarnation of an object; false when it was gone already. */
  delete(obj) {
    const uid = obj.metadata?.uid ?? null;
    return this.#delete(refOf(obj), uid === null ? null : given.name("metadata.uid", uid));
  }

  /** Deletes whatever object has this name; false when there is none. */
  deleteNamed(kind, name, namespace = this.object.namespace) {
    return this.#delete(ref(kind, namespace, name), null);
  }

  /**
   * Where an object stands with a finalizer, which is put in place first when the object is wanted and does not
   * have it: nothing outside exists before the finalizer does. `"apply"`: bring about what the object asks for.
   * `"cleanup"`: undo, then call `finalized`. `"gone"`: it waits for somebody else's finalizer.
   */
  finalizer(obj, finalizer) {
    const held = hasFinalizer(obj, finalizer);
    if (isDeleting(obj)) return held ? "cleanup" : "gone";
    if (!held) this.#setFinalizers(obj, [...(obj.metadata.finalizers ?? []), finalizer]);
    return "apply";
  }

  /** Clean-up is done: takes the finalizer off, and lets the object go. */
  finalized(obj, finalizer) {
    const rest = (obj.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    unlessMissing(undefined, () => this.#setFinalizers(obj, rest));
  }

  /** An event on the object under reconcile, as `kubectl describe` shows it. `reason` is CamelCase. */
  event(severity, reason, note) {
    this.#emit(this.object, severity, reason, note);
  }

  /** An event on another object. */
  eventOn(obj, severity, reason, note) {
    this.#emit(given.reference(refOf(obj)), severity, reason, note);
  }

  /** A log line with fields: `ctx.log("info", "scaled", { replicas: 3 })`. `console` works as well. */
  log(level, message, fields = {}) {
    if (this.logEnabled(level)) this.#host.log(level, given.text(message), given.pairs(fields));
  }

  /** Whether anybody reads logs of this level. */
  logEnabled(level) {
    return this.#host.logEnabled(given.oneOf("level", LEVELS, level));
  }

  /** Adds to the counter `polyreme_module_<name>`. Labels must have few values: there is a quota. */
  count(name, value = 1, labels = {}) {
    this.#host.addCounter(...sample(name, value, labels));
  }

  /** Sets the gauge `polyreme_module_<name>`. */
  gauge(name, value, labels = {}) {
    this.#host.setGauge(...sample(name, value, labels));
  }

  /** Adds an observation to the histogram `polyreme_module_<name>`. */
  observe(name, value, labels = {}) {
    this.#host.observe(...sample(name, value, labels));
  }

  /**
   * Sends a request to a server outside of Kubernetes and waits for the whole response. The configuration of the
   * host grants servers and methods (`http` of the controller), else it is a NotGrantedError; there is an ApiError
   * for each reason why there is no response. Whatever the status, a response is returned: see `success()`.
   *
   * `json` is encoded as the body, with the header that says so unless `headers` have a Content-Type; `body` is text
   * or a Uint8Array. `timeoutMs` is at most `limits.httpTimeout` of the configuration, which is also the default. The
   * host never sends a request twice, but a server may act on one whose time is over: give what must happen only once
   * a key made of what does not change, such as the object's uid. (`idempotencyKey` changes with every generation.)
   */
  http(method, url, options) {
    const { headers, body = null, timeoutMs = null } = given.present(options);
    const json = options?.json;
    const request = {
      method: given.name("method", method),
      url: given.name("url", url),
      headers: given.pairs(headers).map(([name, value]) => ({ name, value })),
      body,
      timeoutMs: timeoutMs === null ? null : given.milliseconds("timeoutMs", timeoutMs),
    };
    // A query may hold secrets.
    const place = request.url.split("?", 1)[0];
    if (json !== undefined) {
      request.body = stringify(json, place);
      const typed = request.headers.some(({ name }) => name.toLowerCase() === "content-type");
      if (!typed) request.headers.push({ name: "content-type", value: "application/json" });
    }
    request.body = bytes(request.body);
    const answer = asking(method, place, () => this.#host.send(request));
    const received = answer.headers.map(({ name, value }) => [name, value]);
    return new Response(answer.status, answer.body, received, `${method} ${place}`);
  }

  /** `settings:` of this controller in the host's configuration; check it by `settingsSchema`. */
  settings() {
    return parse(this.#host.settings(), "`settings` of this controller");
  }

  /** The host's wall clock. */
  now() {
    return new Date(this.#host.now() / 1e6);
  }

  /** Milliseconds since an arbitrary start, never going back: for measuring durations. */
  monotonic() {
    return this.#host.monotonic() / 1e6;
  }

  /** Random bytes; not for keys, since they are recorded. */
  randomBytes(length) {
    return this.#host.randomBytes(given.amount("length", length));
  }

  /** A random bigint of 64 bits. */
  randomNumber() {
    return this.#host.randomBytes(8).reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
  }

  #write(verb, obj, options, defaults) {
    const target = refOf(obj);
    const text = stringify(obj, display(target));
    const how = given.writeOptions(options, defaults);
    return written(ask(verb, target, () => this.#host[verb](text, how)));
  }

  #emit(target, severity, reason, note) {
    const word = given.oneOf("severity", SEVERITIES, severity);
    this.#host.emit(target, word, given.name("reason", reason), ACTION, given.text(note));
  }

  #delete(whose, uid) {
    const target = given.reference(whose);
    return unlessMissing(false, () => {
      ask("delete", target, () => this.#host.delete(target, uid));
      return true;
    });
  }

  #setFinalizers(obj, finalizers) {
    // A merge patch replaces the whole list, so it names the version it was made from.
    const { resourceVersion } = obj.metadata;
    this.mergePatch(obj, { metadata: { resourceVersion, finalizers } });
  }
}

function ask(verb, target, call) {
  return asking(verb, () => display(target), call);
}

function asking(verb, place, call) {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw apiError(verb, typeof place === "string" ? place : place(), error);
  }
}

function unlessMissing(otherwise, call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof NotFoundError) return otherwise;
    throw error;
  }
}

function written(raw) {
  return raw.object ? { ...raw, object: parse(raw.object, "the written object") } : raw;
}

function sample(name, value, labels) {
  return [given.name("name", name), given.finite(`the value of ${name}`, value), given.pairs(labels)];
}

function bytes(body) {
  if (typeof body === "string") return toUtf8(body);
  if (body === null || body instanceof Uint8Array) return body;
  throw given.mistake("body", body, "must be a string or a Uint8Array");
}
