/**
 * What can go wrong in a reconcile, and what the host does about it.
 *
 * Let errors pass: the host tries again with growing delays. An error whose `terminal` is true waits until
 * the object changes instead. What no code expected (any other error) is tried again as well, and its stack
 * goes to the log.
 */

/** Everything that the SDK throws. */
export class PolyremeError extends Error {
  /** Whether the host waits for a change instead of trying again. */
  terminal = false;

  get name() {
    return this.constructor.name;
  }
}

/** The controller gives up for now: try again with backoff. */
export class Retry extends PolyremeError {}

/** The controller gives up until the object changes: trying again cannot help before somebody edits it. */
export class Terminal extends PolyremeError {
  terminal = true;
}

/** An object could not be read or written as JSON. Terminal. */
export class FormatError extends PolyremeError {
  terminal = true;
}

/**
 * The API server, an outside server or the host did not carry out a request. There is a subclass for each reason.
 *
 * A missing grant is terminal, since every object is reconciled again when the configuration changes; so is
 * a request that is malformed.
 */
export class ApiError extends PolyremeError {
  /** The contract's word for the reason. */
  static reason = "other";

  constructor(verb, target, refusal) {
    super(`failed to ${verb} ${target}: ${words(refusal)}`);
    this.reason = refusal.reason;
    this.verb = verb;
    this.target = target;
    this.answer = refusal.message;
    this.retryAfterMs = refusal.retryAfterMs;
    this.causes = refusal.causes;
  }
}

/** There is no such object, or the server does not know the kind. */
export class NotFoundError extends ApiError {
  static reason = "not-found";
}

/** The name is taken. */
export class AlreadyExistsError extends ApiError {
  static reason = "already-exists";
}

/** Somebody else changed the object, or owns a field of it. */
export class ConflictError extends ApiError {
  static reason = "conflict";
}

/** The object breaks its schema or a validation rule: see `causes`. */
export class InvalidError extends ApiError {
  static reason = "invalid";
}

/** The API server's own access control, or an admission plugin, refused. */
export class ForbiddenError extends ApiError {
  static reason = "forbidden";
}

/** The server asks for patience: see `retryAfterMs`. */
export class TooManyRequestsError extends ApiError {
  static reason = "too-many-requests";
}

/** The page of a list is too old. */
export class GoneError extends ApiError {
  static reason = "gone";
}

/** The host's configuration does not grant this; the message names the grant to add. Terminal. */
export class NotGrantedError extends ApiError {
  static reason = "not-granted";
  terminal = true;
}

/** This host no longer owns the object under reconcile: return without another write. */
export class NotOwnerError extends ApiError {
  static reason = "not-owner";
}

/** A payload, rate or time limit of this module was reached. */
export class LimitExceededError extends ApiError {
  static reason = "limit-exceeded";
}

/** The request is malformed. Terminal. */
export class BadRequestError extends ApiError {
  static reason = "bad-request";
  terminal = true;
}

/** No answer in time. A write may still have been carried out. */
export class TimedOutError extends ApiError {
  static reason = "timeout";
}

/** The API server cannot be reached or is starting. */
export class UnavailableError extends ApiError {
  static reason = "unavailable";
}

/** None of the others; the message tells. */
export class OtherError extends ApiError {}

/** The host name of an outside server leads nowhere: nothing was sent. */
export class DnsError extends ApiError {
  static reason = "dns";
}

/** No connection to any address of an outside server: nothing was sent. */
export class ConnectError extends ApiError {
  static reason = "connect";
}

/** No trust in an outside server, or it speaks no TLS: nothing was sent. */
export class TlsError extends ApiError {
  static reason = "tls";
}

/** The response of an outside server is larger than `limits.payload`; the request was carried out. */
export class TooLargeError extends ApiError {
  static reason = "too-large";
}

/** The connection to an outside server ended too early. The request may have been carried out. */
export class BrokenError extends ApiError {
  static reason = "broken";
}

const BY_REASON = new Map(
  [
    NotFoundError,
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    ForbiddenError,
    TooManyRequestsError,
    GoneError,
    NotGrantedError,
    NotOwnerError,
    LimitExceededError,
    BadRequestError,
    TimedOutError,
    UnavailableError,
    OtherError,
    DnsError,
    ConnectError,
    TlsError,
    TooLargeError,
    BrokenError,
  ].map((kind) => [kind.reason, kind]),
);

/** Every reason that the contract knows. */
export const REASONS = Object.freeze([...BY_REASON.keys()]);

/** The answer of a host, before it is known what it was the answer to. Never reaches a controller. */
export class Refusal extends Error {
  constructor(reason, message, retryAfterMs = null, causes = []) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.causes = causes;
  }
}

/** The error for what a host answered. */
export function apiError(verb, target, refusal) {
  const Kind = BY_REASON.get(refusal.reason) ?? OtherError;
  return new Kind(verb, target, refusal);
}

const TEXTS = {
  "not-owner": "not the owner any more",
  timeout: "timed out",
  other: "failed",
  dns: "no such host",
  connect: "no connection",
  tls: "no TLS",
};

function words({ reason, message, causes }) {
  const text = TEXTS[reason] ?? reason.replaceAll("-", " ");
  // A server's message usually has the reason in it, and its causes.
  const said = message.includes(text) ? message : message ? `${text}: ${message}` : text;
  return [said, ...causes.filter((cause) => !message.includes(cause))].join("; ");
}

/** The message with the causes that it was thrown with, as the host's log shows it. */
export function chain(error) {
  const texts = [];
  // A cause may lead back to its error; nobody nests deeper on purpose.
  for (let at = error; at !== undefined && at !== null && texts.length < 16; at = at.cause) {
    texts.push(at instanceof Error ? at.message || at.name : String(at));
  }
  return texts.join(": ");
}
