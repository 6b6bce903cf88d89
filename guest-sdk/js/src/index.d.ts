/** A value that JSON can hold; integers that a number cannot hold exactly are bigints. */
export type Json = string | number | bigint | boolean | null | Json[] | { [key: string]: Json | undefined };

export interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespaced?: boolean;
}

/** One object; `namespace` is null for cluster-scoped kinds. */
export interface ObjectRef {
  apiVersion: string;
  kind: string;
  namespace: string | null;
  name: string;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  creationTimestamp?: string;
  deletionTimestamp?: string;
  [field: string]: unknown;
}

/** A Kubernetes object; the types of `kubernetes-types` and of your own interfaces fit as well. */
export interface KubeObject<Spec = any, Status = any> {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  spec?: Spec;
  status?: Status;
  [field: string]: any;
}

/** An object that came from the API server. */
export type Stored<T extends KubeObject = KubeObject> = T & {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string };
};

export interface WriteOptions {
  /** `status`, `scale`, or absent for the object itself. */
  subresource?: string | null;
  /** Default: the controller's name in the host's configuration; any other must begin with it and `/`. */
  fieldManager?: string | null;
  /** Apply only: take over fields that another manager owns. */
  force?: boolean;
  dryRun?: boolean;
  /** Whether the whole object comes back; leaving it out is cheaper. */
  wantObject?: boolean;
}

export interface Written<T extends KubeObject = KubeObject> {
  /** False when the object already was as asked. */
  changed: boolean;
  uid: string;
  resourceVersion: string;
  generation: number;
  /** With `wantObject` only. */
  object: Stored<T> | null;
}

export interface Query {
  /** All namespaces when absent. */
  namespace?: string | null;
  /** A label selector: `app=website,tier!=test`. */
  labels?: string | null;
  /** `metadata.name=x`, what the kind's server supports, and, from the cache, every declared index. */
  fields?: string | null;
  /** Objects per request of a list; 500 when absent. */
  pageSize?: number | null;
}

export type Severity = "normal" | "warning";
export type Level = "trace" | "debug" | "info" | "warn" | "error";
export type Phase = "apply" | "cleanup" | "gone";
export type Labels = Record<string, string | number | boolean>;

export interface HttpOptions {
  /** All but `host`, `content-length` and what concerns the connection. */
  headers?: Record<string, string | number> | null;
  body?: string | Uint8Array | null;
  /** Encoded as the body, with the header that says so unless `headers` have a Content-Type. */
  json?: unknown;
  /** At most `limits.httpTimeout` of the configuration, which is also the default. */
  timeoutMs?: number | null;
}

/** What an outside server answered, whatever the status. Redirects are not followed. */
export class Response {
  constructor(status: number, body?: Uint8Array, headers?: [string, string][], asked?: string);
  readonly status: number;
  readonly body: Uint8Array;
  /** Names in lower case; one may be there several times. */
  readonly headers: [string, string][];
  /** Method and URL without the query. */
  readonly asked: string;
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  /** The response. @throws {Retry} unless its status is 2xx. */
  success(): this;
  /** The first header of a name, in whatever case. */
  header(name: string): string | null;
  text(): string;
  /** @throws {Retry} when it is no JSON. */
  json<T = any>(): T;
}

/**
 * The world of one reconcile. Every method is synchronous. An argument that cannot be meant (a severity that does not
 * exist, a name that is no string, NaN) is a TypeError that names it.
 */
export class Context {
  private constructor();
  /**
   * The name that this controller gives itself, for people and logs. Its field managers begin with its name in the
   * host's configuration, which may be another.
   */
  readonly controller: string;
  /** The object under reconcile. */
  readonly object: ObjectRef;
  /** Its JSON text as cached when the reconcile began; null when it is gone. */
  readonly current: string | null;
  /** The id of this reconcile, as in the host's logs and traces. */
  readonly id: string;
  /** 0 for the first try since the last success. */
  readonly attempt: number;
  /** The same for every try at the same generation of the object: for side effects outside the cluster. */
  readonly idempotencyKey: string;
  /** Grows whenever the object changes hands between hosts: a fencing token for outside systems. */
  readonly epoch: number;
  /** The same world, read from the API server instead of the cache. */
  readonly live: Context;

  /** Reads an object. @throws {NotFoundError} when there is none. */
  get<T extends KubeObject = KubeObject>(kind: Kind, name: string, namespace?: string): Stored<T>;
  /** As `get`; null when there is no such object. */
  getOpt<T extends KubeObject = KubeObject>(kind: Kind, name: string, namespace?: string): Stored<T> | null;
  /** All objects that a query selects; follows pages. */
  list<T extends KubeObject = KubeObject>(kind: Kind, query?: Query): Stored<T>[];
  /** Creates an object; prefer `apply`. @throws {AlreadyExistsError} */
  create<T extends KubeObject>(obj: T, options?: WriteOptions): Written<T>;
  /** Replaces an object that was read before. @throws {ConflictError} when it has changed since. */
  update<T extends KubeObject>(obj: T, options?: WriteOptions): Written<T>;
  /** Server-side apply: name every field this controller cares about and no other. */
  apply<T extends KubeObject>(obj: T, options?: WriteOptions): Written<T>;
  /** Several applies at once, in no particular order; the first failure is thrown. */
  applyAll(objects: readonly KubeObject[]): Written[];
  /** Changes the fields that `patch` names; null removes. */
  mergePatch(obj: KubeObject, patch: object, options?: WriteOptions): Written;
  /** Writes `status` where it differs from the one in `obj`, which is then what was written; whether anything did. */
  patchStatus(obj: KubeObject, status: object): boolean;
  /** Deletes exactly this incarnation of an object; false when it was gone already. */
  delete(obj: KubeObject): boolean;
  /** Deletes whatever object has this name; false when there is none. */
  deleteNamed(kind: Kind, name: string, namespace?: string): boolean;

  /** Where an object stands with a finalizer, which is put in place first. */
  finalizer(obj: KubeObject, finalizer: string): Phase;
  /** Clean-up is done: takes the finalizer off, and lets the object go. */
  finalized(obj: KubeObject, finalizer: string): void;

  /** An event on the object under reconcile; `reason` is CamelCase. */
  event(severity: Severity, reason: string, note: unknown): void;
  /** An event on another object. */
  eventOn(obj: KubeObject, severity: Severity, reason: string, note: unknown): void;
  /** A log line with fields; `console` works as well. */
  log(level: Level, message: unknown, fields?: Record<string, unknown> | null): void;
  logEnabled(level: Level): boolean;
  /** Adds to the counter `polyreme_module_<name>`. */
  count(name: string, value?: number | bigint, labels?: Labels | null): void;
  gauge(name: string, value: number | bigint, labels?: Labels | null): void;
  observe(name: string, value: number | bigint, labels?: Labels | null): void;

  /** Sends a request to a server outside of Kubernetes. @throws {ApiError} when there is no response. */
  http(method: string, url: string, options?: HttpOptions): Response;

  /** `settings:` of this controller in the host's configuration. */
  settings<T = any>(): T;
  /** The host's wall clock. */
  now(): Date;
  /** Milliseconds since an arbitrary start, never going back. */
  monotonic(): number;
  /** Random bytes; not for keys, since they are recorded. */
  randomBytes(length: number): Uint8Array;
  /** A random bigint of 64 bits. */
  randomNumber(): bigint;
}

export interface Action {
  readonly requeueAfterMs: number | null;
}

export interface Watch {
  readonly kind: Kind;
  readonly mapping: { tag: "owner" } | { tag: "label" | "field"; val: string };
  readonly labelSelector: string;
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "apply" | "delete" | "status" | "scale";

export interface Permission {
  kind: Kind;
  verbs: readonly Verb[];
}

export interface Definition<Primary extends KubeObject = KubeObject> {
  /** A DNS label, for people and logs; the field manager is the controller's name in the host's configuration. */
  name: string;
  /** The kind whose objects are reconciled. */
  primary: Kind;
  /** Of the module; for people and logs. */
  version?: string;
  /** Selects which primaries are this controller's. */
  labelSelector?: string;
  /** Kinds created with a controller owner reference to the primary. */
  owns?: readonly Kind[];
  watches?: readonly Watch[];
  /** Fields of the primary (`spec.theme`) that lists may select by. */
  indexes?: readonly string[];
  asks?: readonly Permission[];
  /** JSON Schema that the host checks `settings:` against before it starts the module. */
  settingsSchema?: object | null;
  /** Brings the world in line with an object, as cached when the reconcile began. */
  reconcile(ctx: Context, obj: Stored<Primary>): Action | void;
  /** The object is gone and no finalizer held it. */
  deleted?(ctx: Context, ref: ObjectRef): Action | void;
}

export type Controller<Primary extends KubeObject = KubeObject> = Readonly<Required<Definition<Primary>>>;

/** Makes the controller of this component; export it by default. */
export function defineController<Primary extends KubeObject = KubeObject>(
  definition: Definition<Primary>,
): Controller<Primary>;
/** Come back when something changes. The same as returning nothing. */
export const DONE: Action;
/** Come back after this many milliseconds at the latest, at once when negative. @throws {TypeError} when infinite or NaN. */
export function requeueAfter(milliseconds: number): Action;
/** The controller owner reference of the object leads to the primary. */
export function byOwner(kind: Kind, options?: { labelSelector?: string }): Watch;
/** The label with this key holds the primary's name. */
export function byLabel(kind: Kind, key: string, options?: { labelSelector?: string }): Watch;
/** Every primary whose field at this path equals the object's name is meant. */
export function byField(kind: Kind, path: string, options?: { labelSelector?: string }): Watch;

export function kind(apiVersion: string, name: string, options?: { namespaced?: boolean }): Kind;
export const kinds: Readonly<
  Record<
    | "ConfigMap"
    | "Event"
    | "Namespace"
    | "Node"
    | "PersistentVolumeClaim"
    | "Pod"
    | "Secret"
    | "Service"
    | "ServiceAccount"
    | "DaemonSet"
    | "Deployment"
    | "StatefulSet"
    | "CronJob"
    | "Job"
    | "Ingress"
    | "NetworkPolicy"
    | "Role"
    | "RoleBinding",
    Kind
  >
>;
/** An object of a kind; `metadata` is laid over name and namespace. */
export function object(
  of: Kind,
  fields: { name: string; namespace?: string | null; metadata?: ObjectMeta; [field: string]: any },
): KubeObject;
/** An object that `owner` controls, in the same namespace. */
export function child(
  owner: KubeObject,
  of: Kind,
  name: string,
  fields?: { metadata?: ObjectMeta; [field: string]: any },
): KubeObject;
export function controllerReference(owner: KubeObject): OwnerReference;
export function isControlledBy(obj: KubeObject, owner: KubeObject): boolean;
export function isDeleting(obj: KubeObject): boolean;
export function hasFinalizer(obj: KubeObject, finalizer: string): boolean;
export function refOf(obj: KubeObject): ObjectRef;
/** `Deployment shop/web`. */
export function display(target: ObjectRef): string;

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  observedGeneration?: number;
  lastTransitionTime: string;
}
/** The list with this condition; `lastTransitionTime` moves only when the status does. */
export function setCondition(
  conditions: readonly Condition[] | undefined | null,
  obj: KubeObject,
  condition: { type: string; status: boolean | null; reason: string; message?: string; now: Date },
): Condition[];
export function isTrue(conditions: readonly Condition[] | undefined | null, type: string): boolean;
/** A time as Kubernetes writes it: UTC, whole seconds. */
export function timestamp(now: Date): string;

/** JSON without loss of digits: integers that a number cannot hold exactly become bigints. */
export function parse(text: string, what?: string): any;
/** The JSON text of a value, bigints included. @throws {FormatError} for undefined, NaN and infinities. */
export function stringify(value: unknown, what?: string): string;

export type Reason =
  | "not-found"
  | "already-exists"
  | "conflict"
  | "invalid"
  | "forbidden"
  | "too-many-requests"
  | "gone"
  | "not-granted"
  | "not-owner"
  | "limit-exceeded"
  | "bad-request"
  | "timeout"
  | "unavailable"
  | "other"
  | "dns"
  | "connect"
  | "tls"
  | "too-large"
  | "broken";
export const REASONS: readonly Reason[];

/** Everything that the SDK throws. */
export class PolyremeError extends Error {
  /** Whether the host waits for a change instead of trying again. */
  terminal: boolean;
}
/** Try again with backoff. */
export class Retry extends PolyremeError {}
/** Do not try again until the object changes. */
export class Terminal extends PolyremeError {}
/** An object could not be read or written as JSON. Terminal. */
export class FormatError extends PolyremeError {}
/** The API server, an outside server or the host did not carry out a request. */
export class ApiError extends PolyremeError {
  protected constructor();
  static readonly reason: Reason;
  readonly reason: Reason;
  /** get, list, apply, …; of a request to an outside server its method. */
  readonly verb: string;
  /** Kind, namespace and name; of a request to an outside server its URL without the query. */
  readonly target: string;
  /** The server's or the host's own words. */
  readonly answer: string;
  /** When the server asked to wait. */
  readonly retryAfterMs: number | null;
  /** Field paths and messages of an invalid object. */
  readonly causes: readonly string[];
}
export class NotFoundError extends ApiError {}
export class AlreadyExistsError extends ApiError {}
export class ConflictError extends ApiError {}
export class InvalidError extends ApiError {}
export class ForbiddenError extends ApiError {}
export class TooManyRequestsError extends ApiError {}
export class GoneError extends ApiError {}
export class NotGrantedError extends ApiError {}
export class NotOwnerError extends ApiError {}
export class LimitExceededError extends ApiError {}
export class BadRequestError extends ApiError {}
export class TimedOutError extends ApiError {}
export class UnavailableError extends ApiError {}
export class OtherError extends ApiError {}
/** The host name of an outside server leads nowhere: nothing was sent. */
export class DnsError extends ApiError {}
/** No connection to an outside server: nothing was sent. */
export class ConnectError extends ApiError {}
/** No trust in an outside server, or it speaks no TLS: nothing was sent. */
export class TlsError extends ApiError {}
/** The response is larger than `limits.payload`; the request was carried out. */
export class TooLargeError extends ApiError {}
/** The connection ended too early; the request may have been carried out. */
export class BrokenError extends ApiError {}
