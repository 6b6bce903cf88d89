/**
 * Write Kubernetes controllers in JavaScript as WebAssembly components for Polyreme.
 *
 * You write one function, `reconcile`; the host does the rest: watches, cache, work queue, retries, credentials,
 * and sharing the objects out among its replicas. See README.md for a walk through the smallest controller, and
 * `@polyreme/sdk/testing` for its test.
 */
export { isTrue, setCondition, timestamp } from "./conditions.js";
export { Context } from "./context.js";
export { DONE, byField, byLabel, byOwner, defineController, requeueAfter } from "./controller.js";
export {
  AlreadyExistsError,
  ApiError,
  BadRequestError,
  BrokenError,
  ConflictError,
  ConnectError,
  DnsError,
  ForbiddenError,
  FormatError,
  GoneError,
  InvalidError,
  LimitExceededError,
  NotFoundError,
  NotGrantedError,
  NotOwnerError,
  OtherError,
  PolyremeError,
  REASONS,
  Retry,
  Terminal,
  TimedOutError,
  TlsError,
  TooLargeError,
  TooManyRequestsError,
  UnavailableError,
} from "./errors.js";
export { Response } from "./http.js";
export { parse, stringify } from "./json.js";
export {
  child,
  controllerReference,
  display,
  hasFinalizer,
  isControlledBy,
  isDeleting,
  kind,
  kinds,
  object,
  refOf,
} from "./objects.js";
