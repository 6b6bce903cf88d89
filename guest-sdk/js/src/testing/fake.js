/** The cluster that a test talks to. */
import { timestamp } from "../conditions.js";
import { run } from "../controller.js";
import { Refusal } from "../errors.js";
import { parse, stringify } from "../json.js";
import { display, ref, refOf } from "../objects.js";
import { Access } from "./access.js";
import * as selectors from "./selectors.js";
import { Store } from "./store.js";

/** How often `settle` reconciles before it gives up. */
const MAX_ROUNDS = 16;

const EVERY_64_BITS = (1n << 64n) - 1n;

/** A cluster in memory with one controller. Objects are named by key: `namespace/name`, or `name`. */
export class Fake {
  #store = new Store();
  #access = null;
  #faults = [];
  #drawn = 0n;
  #reconciles = 0;
  #writes = [];
  #events = [];
  #logs = [];
  #samples = [];
  #requests = [];

  constructor(controller, { settings = {} } = {}) {
    this.controller = controller;
    /** `settings:` of the controller; may be changed between reconciles. */
    this.settings = settings;
    /** The time of the cluster. */
    this.now = new Date("2026-01-01T00:00:00Z");
    /**
     * What stands for the servers outside of Kubernetes: a Response, or the reason why there is none. Without one
     * every request is refused as not granted.
     */
    this.server = null;
  }

  /** Adds an object as it is, status included; uid, generation and timestamps are filled in where missing. */
  add(obj) {
    this.#store.seed(refOf(obj), obj, timestamp(this.now));
    return this;
  }

  /**
   * Changes an object in place as a user, or another controller, would: the generation rises when more than
   * metadata and status changed. Not recorded as a write of the controller.
   */
  edit(kind, key, change) {
    const obj = this.get(kind, key);
    change(obj);
    this.#store.edit(target(kind, key), obj);
  }

  /** Deletes an object as a user would: finalizers hold it, children go with it. */
  remove(kind, key) {
    this.get(kind, key);
    this.#store.delete(target(kind, key), null, timestamp(this.now));
  }

  /**
   * Reconciles an object once, with the permissions of the controller; an object that is not there is reconciled
   * as a deleted one. What the controller throws passes.
   */
  reconcile(key, { attempt = 0 } = {}) {
    const at = target(this.controller.primary, key);
    const held = this.#store.find(at);
    this.#reconciles += 1;
    this.#access = new Access(this.controller, at, held?.metadata.uid ?? null);
    try {
      return run(this.controller, this.#imports(), {
        object: at,
        current: held && stringify(held, key),
        id: `test-${this.#reconciles}`,
        attempt,
        idempotencyKey: held ? `${held.metadata.uid}/${held.metadata.generation}` : "",
        epoch: 1,
      });
    } finally {
      this.#access = null;
    }
  }

  /**
   * Reconciles an object until a reconcile writes nothing, as the host would while the writes of one reconcile
   * lead to the next.
   */
  settle(key) {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const before = this.#writes.length;
      const action = this.reconcile(key);
      if (this.#writes.length === before) return action;
    }
    throw new Error(`${key} still changes after ${MAX_ROUNDS} reconciles`);
  }

  /** An object that must be there. */
  get(kind, key) {
    const found = this.find(kind, key);
    if (found === null) throw new Error(`there is no ${kind.kind} ${key}`);
    return found;
  }

  /** An object, or null. */
  find(kind, key) {
    return this.#store.find(target(kind, key));
  }

  /** All objects of a kind, by namespace and name. */
  list(kind) {
    return this.#store.all(kind);
  }

  /** What was written since the last call, apart from writes that changed nothing. `String(write)` is its text. */
  takeWrites() {
    return this.#writes.splice(0);
  }

  /** The events since the last call. `String(event)` is `Warning ThemeNotFound: no theme "x"`. */
  takeEvents() {
    return this.#events.splice(0);
  }

  /** The lines of `ctx.log` since the last call. */
  takeLogs() {
    return this.#logs.splice(0);
  }

  /** The metric values since the last call. */
  takeSamples() {
    return this.#samples.splice(0);
  }

  /** The requests to outside servers since the last call. */
  takeRequests() {
    return this.#requests.splice(0);
  }

  /** Makes the next request of this verb to this kind fail. An `applyAll` asks for each of its objects. */
  failNext(verb, kind, reason) {
    this.#faults.push({ verb, kind, reason });
  }

  /** Lets time pass. */
  advance(milliseconds) {
    this.now = new Date(this.now.getTime() + milliseconds);
  }

  /** The fake, as a context sees it. */
  #imports() {
    const store = this.#store;
    const stamp = () => timestamp(this.now);
    const sample = (name, value, labels) => {
      this.#samples.push({ name, value, labels: Object.fromEntries(labels) });
    };
    const apply = (text, options) =>
      this.#write("apply", text, options, (at, obj) =>
        store.apply(at, obj, options.fieldManager ?? this.controller.name, options, stamp()),
      );
    return {
      get: (at) => {
        this.#admit({ verb: "get", target: at });
        return stringify(store.get(at), display(at));
      },
      list: (kind, query, live) => this.#select(kind, query, live),
      create: (text, options) =>
        this.#write("create", text, options, (at, obj) => store.create(at, obj, options, stamp())),
      update: (text, options) => this.#write("update", text, options, (at, obj) => store.update(at, obj, options)),
      mergePatch: (at, text, options) => {
        const body = parse(text, "a patch");
        this.#admit({ verb: "patch", target: at, subresource: options.subresource, sent: body });
        return this.#record("patch", at, body, options, store.mergePatch(at, body, options));
      },
      apply,
      applyAll: (texts, options) => texts.map((text) => caught(() => apply(text, options))),
      delete: (at, uid) => {
        this.#admit({ verb: "delete", target: at });
        store.delete(at, uid, stamp());
        this.#writes.push(new Write("delete", at, null, null));
      },
      emit: (regarding, severity, reason, action, note) => {
        this.#events.push(new Event(regarding, severity, reason, action, note));
      },
      log: (level, message, fields) => this.#logs.push({ level, message, fields: Object.fromEntries(fields) }),
      logEnabled: () => true,
      addCounter: sample,
      setGauge: sample,
      observe: sample,
      settings: () => stringify(this.settings, "settings"),
      now: () => this.now.getTime() * 1e6,
      monotonic: () => this.now.getTime() * 1e6,
      randomBytes: (length) => this.#randomBytes(length),
      send: (request) => this.#send(request),
    };
  }

  #send(request) {
    this.#requests.push(request);
    if (!this.server) throw new Refusal("not-granted", "the test has no server: set Fake.server");
    const answer = this.server(request);
    if (typeof answer === "string") throw new Refusal(answer, "the test's server did not answer");
    const headers = answer.headers.map(([name, value]) => ({ name: name.toLowerCase(), value }));
    return { status: answer.status, headers, body: answer.body };
  }

  /** An injected fault, else the permissions. */
  #admit(wish) {
    const { verb, target: at } = wish;
    if (!at.name) throw nameless(at.kind);
    const index = this.#faults.findIndex(
      (fault) => fault.verb === verb && fault.kind.apiVersion === at.apiVersion && fault.kind.kind === at.kind,
    );
    if (index >= 0) {
      const [{ reason }] = this.#faults.splice(index, 1);
      throw new Refusal(reason, "injected by the test");
    }
    this.#access?.check({ ...wish, held: this.#store.find(at) });
  }

  #select(kind, { namespace, labelSelector, fieldSelector }, live) {
    const every = { ...kind, namespace, name: "*" };
    this.#admit({ verb: "list", target: every });
    const childrenOnly = this.#access?.listsChildrenOnly(every);
    const byLabels = selectors.labels(labelSelector);
    const byFields = selectors.fields(fieldSelector);
    if (!live) this.#access?.checkFields(every, selectors.fieldPaths(fieldSelector));
    const selected = this.#store.all(kind).filter(
      (obj) =>
        (namespace === null || obj.metadata.namespace === namespace) &&
        (!childrenOnly || this.#access.isChild(obj)) &&
        byLabels(obj.metadata.labels ?? {}) &&
        byFields(obj),
    );
    return { items: selected.map((obj) => stringify(obj, kind.kind)), continue: null };
  }

  #write(verb, text, options, carryOut) {
    const obj = parse(text, "an object");
    const at = named(obj);
    this.#admit({ verb, target: at, subresource: options.subresource, sent: obj });
    return this.#record(verb, at, obj, options, carryOut(at, obj));
  }

  #record(verb, at, body, options, result) {
    if (result.changed && !options.dryRun) this.#writes.push(new Write(verb, at, options.subresource, body));
    return options.wantObject ? result : { ...result, object: null };
  }

  /** SplitMix64: the same numbers in every run. */
  #randomBytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 8) {
      this.#drawn = (this.#drawn + 0x9e3779b97f4a7c15n) & EVERY_64_BITS;
      let mixed = ((this.#drawn ^ (this.#drawn >> 30n)) * 0xbf58476d1ce4e5b9n) & EVERY_64_BITS;
      mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & EVERY_64_BITS;
      mixed ^= mixed >> 31n;
      for (let byte = 0; byte < 8 && at + byte < length; byte += 1) {
        bytes[at + byte] = Number((mixed >> BigInt(8 * byte)) & 0xffn);
      }
    }
    return bytes;
  }
}

/** A write that changed something: `apply Deployment shop/web`, `patch Website/status shop/page`. */
class Write {
  constructor(verb, at, subresource, body) {
    this.verb = verb;
    this.target = at;
    this.subresource = subresource;
    this.body = body;
  }

  toString() {
    const kind = this.subresource ? `${this.target.kind}/${this.subresource}` : this.target.kind;
    return `${this.verb} ${display({ ...this.target, kind })}`;
  }
}

class Event {
  constructor(regarding, severity, reason, action, note) {
    this.regarding = regarding;
    this.severity = severity;
    this.reason = reason;
    this.action = action;
    this.note = note;
  }

  toString() {
    return `${this.severity[0].toUpperCase()}${this.severity.slice(1)} ${this.reason}: ${this.note}`;
  }
}

function caught(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function named(obj) {
  const at = refOf(obj);
  for (const [what, value] of [["apiVersion", at.apiVersion], ["kind", at.kind]]) {
    if (!value) throw new Refusal("bad-request", `object has no ${what}`);
  }
  if (!at.name) throw nameless(at.kind);
  return at;
}

/** How the host refuses what names no object, in its words. */
function nameless(kind) {
  const why = "names must be set by the module, a generated one could not be retried safely";
  return new Refusal("bad-request", `${kind} has no metadata.name: ${why}`);
}

function target(kind, key) {
  const slash = key.indexOf("/");
  return slash < 0 ? ref(kind, null, key) : ref(kind, key.slice(0, slash), key.slice(slash + 1));
}
