"""Write Kubernetes controllers in Python as WebAssembly components for Polyreme.

You write one function, ``reconcile``; the host does the rest: watches, cache, work queue, retries,
credentials, and sharing the objects out among its replicas. See README.md for a walk through the smallest
controller, and :mod:`polyreme.testing` for its test.

* read: :meth:`Context.get`, :meth:`Context.get_opt`, :meth:`Context.list`, :attr:`Context.live`
* write: :meth:`Context.apply`, :meth:`Context.apply_all`, :meth:`Context.patch_status`, :meth:`Context.delete`
* make children: :meth:`Object.child`, :meth:`Object.controller_reference`
* clean up before an object goes: :meth:`Context.finalizer`, :meth:`Context.finalized`
* report conditions: :func:`set_condition`
* tell people: :meth:`Context.event`, ``logging``, :meth:`Context.count`
* read ``settings:``: :meth:`Context.settings`
* ask a server outside of Kubernetes: :meth:`Context.http`
* come back later: :func:`requeue_after`; give up: :class:`Terminal`, :class:`Retry`
* watch other kinds: :func:`by_field`, :func:`by_label`, :func:`by_owner`
"""

from . import kinds
from .codec import decode, encode
from .conditions import is_true, set_condition
from .context import Context, Phase, Written
from .controller import DONE, Action, Controller, Permission, Watch, by_field, by_label, by_owner, requeue_after
from .errors import (
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    BrokenError,
    ConflictError,
    ConnectError,
    DecodeError,
    DnsError,
    EncodeError,
    Error,
    ForbiddenError,
    GoneError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    NotGrantedError,
    NotOwnerError,
    OtherError,
    Reason,
    Retry,
    SettingsError,
    Terminal,
    TimedOutError,
    TlsError,
    TooLargeError,
    TooManyRequestsError,
    UnavailableError,
)
from .host import ObjectRef
from .http import Response
from .logs import TRACE
from .objects import Kind, Object

__all__ = [
    "DONE",
    "TRACE",
    "Action",
    "AlreadyExistsError",
    "ApiError",
    "BadRequestError",
    "BrokenError",
    "ConflictError",
    "ConnectError",
    "Context",
    "Controller",
    "DecodeError",
    "DnsError",
    "EncodeError",
    "Error",
    "ForbiddenError",
    "GoneError",
    "InvalidError",
    "Kind",
    "LimitExceededError",
    "NotFoundError",
    "NotGrantedError",
    "NotOwnerError",
    "Object",
    "ObjectRef",
    "OtherError",
    "Permission",
    "Phase",
    "Reason",
    "Response",
    "Retry",
    "SettingsError",
    "Terminal",
    "TimedOutError",
    "TlsError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnavailableError",
    "Watch",
    "Written",
    "by_field",
    "by_label",
    "by_owner",
    "decode",
    "encode",
    "is_true",
    "kinds",
    "requeue_after",
    "set_condition",
]
