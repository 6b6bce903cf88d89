import type { Action, Controller, Kind, KubeObject, Level, ObjectRef, Reason, Response, Severity, Stored, Verb } from "../index.js";

export interface Write {
  verb: "create" | "update" | "patch" | "apply" | "delete";
  target: ObjectRef;
  subresource: string | null;
  /** The object or the patch that was sent; null for a delete. */
  body: any;
  /** `apply Deployment shop/web`, `patch Website/status shop/page`. */
  toString(): string;
}

export interface Event {
  regarding: ObjectRef;
  severity: Severity;
  reason: string;
  action: string;
  note: string;
  /** `Warning ThemeNotFound: no theme "x"`. */
  toString(): string;
}

export interface LogLine {
  level: Level;
  message: string;
  fields: Record<string, string>;
}

export interface Sample {
  name: string;
  value: number;
  labels: Record<string, string>;
}

export interface HttpRequest {
  method: string;
  url: string;
  headers: { name: string; value: string }[];
  body: Uint8Array | null;
  timeoutMs: number | null;
}

/** A cluster in memory with one controller. Objects are named by key: `namespace/name`, or `name`. */
export class Fake {
  constructor(controller: Controller<any>, options?: { settings?: object });
  readonly controller: Controller<any>;
  settings: object;
  now: Date;
  /** What stands for the servers outside of Kubernetes; without one nothing is granted. */
  server: ((request: HttpRequest) => Response | Reason) | null;
  /** Adds an object as it is, status included. */
  add(obj: KubeObject): this;
  /** Changes an object in place as a user would. */
  edit<T extends KubeObject = KubeObject>(kind: Kind, key: string, change: (obj: Stored<T>) => void): void;
  /** Deletes an object as a user would. */
  remove(kind: Kind, key: string): void;
  /** Reconciles an object once; what the controller throws passes. */
  reconcile(key: string, options?: { attempt?: number }): Action;
  /** Reconciles an object until a reconcile writes nothing. */
  settle(key: string): Action;
  /** An object that must be there. */
  get<T extends KubeObject = KubeObject>(kind: Kind, key: string): Stored<T>;
  find<T extends KubeObject = KubeObject>(kind: Kind, key: string): Stored<T> | null;
  list<T extends KubeObject = KubeObject>(kind: Kind): Stored<T>[];
  takeWrites(): Write[];
  takeEvents(): Event[];
  takeLogs(): LogLine[];
  takeSamples(): Sample[];
  takeRequests(): HttpRequest[];
  /** Makes the next request of this verb to this kind fail. */
  failNext(verb: Verb, kind: Kind, reason: Reason): void;
  /** Lets time pass. */
  advance(milliseconds: number): void;
}
