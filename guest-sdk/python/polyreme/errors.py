"""What can go wrong in a reconcile, and what the host does about it.

Let exceptions pass: the host tries again with growing delays. An error whose ``terminal`` is true waits
until the object changes instead. What no code expected (any other exception) is tried again as well, and
its traceback goes to the log.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Sequence

__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "BadRequestError",
    "BrokenError",
    "ConflictError",
    "ConnectError",
    "DnsError",
    "DecodeError",
    "EncodeError",
    "Error",
    "ForbiddenError",
    "GoneError",
    "InvalidError",
    "LimitExceededError",
    "NotFoundError",
    "NotGrantedError",
    "NotOwnerError",
    "OtherError",
    "Reason",
    "Retry",
    "SettingsError",
    "Terminal",
    "TimedOutError",
    "TlsError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnavailableError",
]


class Reason(str, Enum):
    """Why a request was not carried out, as the contract names it. The values are the contract's names."""

    NOT_FOUND = "not-found"
    ALREADY_EXISTS = "already-exists"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    TOO_MANY_REQUESTS = "too-many-requests"
    GONE = "gone"
    NOT_GRANTED = "not-granted"
    NOT_OWNER = "not-owner"
    LIMIT_EXCEEDED = "limit-exceeded"
    BAD_REQUEST = "bad-request"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    OTHER = "other"
    # Of `Context.http` only. Of the first three nothing was sent; of the others something may have been carried out.
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TOO_LARGE = "too-large"
    BROKEN = "broken"


class Error(Exception):
    """Everything that the SDK raises."""

    #: Whether the host waits for a change instead of trying again.
    terminal: ClassVar[bool] = False


class Retry(Error):
    """The controller gives up for now: try again with backoff."""


class Terminal(Error):
    """The controller gives up until the object changes: trying again cannot help before somebody edits it."""

    terminal = True


class SettingsError(Error):
    """``settings:`` of this controller does not fit its type. Terminal."""

    terminal = True


class DecodeError(Error):
    """A part of an object does not have the form of its type; the message has the path. Terminal."""

    terminal = True


class EncodeError(Error):
    """An object could not be written as JSON. Terminal."""

    terminal = True


class Refusal(Exception):
    """The answer of a host, before it is known what it was the answer to. Never reaches a controller."""

    def __init__(
        self, reason: Reason, message: str, retry_after_ms: int | None = None, causes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.retry_after_ms, self.causes = retry_after_ms, tuple(causes)


class ApiError(Error):
    """The API server, an outside server or the host did not carry out a request. There is a subclass for each
    reason.

    A missing grant is terminal, since every object is reconciled again when the configuration changes; so is
    a request that is malformed.
    """

    reason: ClassVar[Reason] = Reason.OTHER

    def __init__(self, verb: str, target: str, refusal: Refusal) -> None:
        super().__init__(f"failed to {verb} {target}: {_words(refusal)}")
        #: get, list, apply, …; of a request to an outside server its method.
        self.verb = verb
        #: Kind, namespace and name; of a request to an outside server its URL without the query.
        self.target = target
        #: The server's or the host's own words.
        self.message = refusal.message
        #: Seconds, when the server asked to wait.
        self.retry_after = None if refusal.retry_after_ms is None else refusal.retry_after_ms / 1000
        #: Field paths and messages of an invalid object.
        self.causes = refusal.causes


class NotFoundError(ApiError):
    """There is no such object, or the server does not know the kind."""

    reason = Reason.NOT_FOUND


class AlreadyExistsError(ApiError):
    """The name is taken."""

    reason = Reason.ALREADY_EXISTS


class ConflictError(ApiError):
    """Somebody else changed the object, or owns a field of it."""

    reason = Reason.CONFLICT


class InvalidError(ApiError):
    """The object breaks its schema or a validation rule: see ``causes``."""

    reason = Reason.INVALID


class ForbiddenError(ApiError):
    """The API server's own access control, or an admission plugin, refused."""

    reason = Reason.FORBIDDEN


class TooManyRequestsError(ApiError):
    """The server asks for patience: see ``retry_after``."""

    reason = Reason.TOO_MANY_REQUESTS


class GoneError(ApiError):
    """The page of a list is too old."""

    reason = Reason.GONE


class NotGrantedError(ApiError):
    """The host's configuration does not grant this; the message names the grant to add. Terminal."""

    reason = Reason.NOT_GRANTED
    terminal = True


class NotOwnerError(ApiError):
    """This host no longer owns the object under reconcile: return without another write."""

    reason = Reason.NOT_OWNER


class LimitExceededError(ApiError):
    """A payload, rate or time limit of this module was reached."""

    reason = Reason.LIMIT_EXCEEDED


class BadRequestError(ApiError):
    """The request is malformed. Terminal."""

    reason = Reason.BAD_REQUEST
    terminal = True


class TimedOutError(ApiError):
    """No answer in time. A write may still have been carried out."""

    reason = Reason.TIMEOUT


class UnavailableError(ApiError):
    """The API server cannot be reached or is starting."""

    reason = Reason.UNAVAILABLE


class OtherError(ApiError):
    """None of the others; the message tells."""


class DnsError(ApiError):
    """The host name of an outside server leads nowhere: nothing was sent."""

    reason = Reason.DNS


class ConnectError(ApiError):
    """No connection to any address of an outside server: nothing was sent."""

    reason = Reason.CONNECT


class TlsError(ApiError):
    """No trust in an outside server, or it speaks no TLS: nothing was sent."""

    reason = Reason.TLS


class TooLargeError(ApiError):
    """The response of an outside server is larger than ``limits.payload``; the request was carried out."""

    reason = Reason.TOO_LARGE


class BrokenError(ApiError):
    """The connection to an outside server ended before the response was complete. The request may have been
    carried out.
    """

    reason = Reason.BROKEN


_BY_REASON: dict[Reason, type[ApiError]] = {kind.reason: kind for kind in ApiError.__subclasses__()}

_TEXTS = {
    Reason.NOT_OWNER: "not the owner any more",
    Reason.TIMEOUT: "timed out",
    Reason.OTHER: "failed",
    Reason.DNS: "no such host",
    Reason.CONNECT: "no connection",
    Reason.TLS: "no TLS",
}


def api_error(verb: str, target: str, refusal: Refusal) -> ApiError:
    """The exception for what a host answered."""
    return _BY_REASON[refusal.reason](verb, target, refusal)


def _words(refusal: Refusal) -> str:
    reason = _TEXTS.get(refusal.reason, refusal.reason.value.replace("-", " "))
    # A server's message usually has the reason in it, and its causes.
    said = refusal.message
    text = said if reason in said else f"{reason}: {said}" if said else reason
    return "; ".join([text, *(cause for cause in refusal.causes if cause not in said)])


def chain(error: BaseException) -> str:
    """The message with the causes that it was raised from, as the host's log shows it."""
    texts = [str(error) or type(error).__name__]
    while (cause := error.__cause__) is not None:
        texts.append(str(cause) or type(cause).__name__)
        error = cause
    return ": ".join(texts)
