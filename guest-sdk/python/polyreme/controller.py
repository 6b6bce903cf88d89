"""A controller: what it says about itself, and the function that makes one object right."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Callable, Literal, Optional, Sequence, Union

from . import arguments
from .context import Context
from .errors import ApiError, Error, chain
from .host import Host, ObjectRef, Request
from .objects import Kind, Object, dump, parse

_LOG = logging.getLogger("polyreme")


@dataclass(frozen=True)
class Action:
    """When to come back, after a reconcile that succeeded."""

    #: Milliseconds after which to come back at the latest; ``None`` when something changes.
    requeue_after_ms: int | None = None

    def __post_init__(self) -> None:
        if self.requeue_after_ms is not None:
            arguments.whole_milliseconds("requeue_after_ms", self.requeue_after_ms)


#: Come back when something changes. The same as returning nothing.
DONE = Action()


def requeue_after(delay: timedelta | float) -> Action:
    """Come back after this time (seconds, or a ``timedelta``) at the latest; forgets earlier failures."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    return Action(max(0, round(seconds * 1000)))


@dataclass(frozen=True)
class Watch:
    """A kind whose changes lead to reconciles of the primary. Reading it is asked for by watching it.

    Make one by :func:`by_owner`, :func:`by_label` or :func:`by_field`.
    """

    kind: Kind
    mapping: Literal["owner", "label", "field"]
    argument: str = ""
    label_selector: str = ""


def by_owner(kind: Kind, label_selector: str = "") -> Watch:
    """The controller owner reference of the object, followed upwards, leads to the primary."""
    return Watch(kind, "owner", "", label_selector)


def by_label(kind: Kind, key: str, label_selector: str = "") -> Watch:
    """The label with this key holds the primary's name, in the same namespace."""
    return Watch(kind, "label", key, label_selector)


def by_field(kind: Kind, path: str, label_selector: str = "") -> Watch:
    """Every primary whose field at this path (``spec.theme``) equals the object's name is meant."""
    return Watch(kind, "field", path, label_selector)


@dataclass(frozen=True)
class Permission:
    """What a controller asks for besides what it gets anyway: see :class:`Controller`."""

    kind: Kind
    #: get, list, watch, create, update, patch, apply, delete, status.
    verbs: Sequence[str]


Reconcile = Callable[[Context, Object], Optional[Action]]
Deleted = Callable[[Context, ObjectRef], Optional[Action]]


@dataclass
class Controller:
    """Name, kinds and permissions, and by its decorators the functions.

    Without another word a controller may read its primary kind, patch its status and finalizers, and manage
    objects of the kinds it ``owns`` that carry a controller owner reference to the object under reconcile.
    Everything else must be asked for here *and* granted in the host's configuration.

    >>> from polyreme import Context, Controller, Kind, Object, kinds
    >>> controller = Controller(
    ...     "hello", primary=Kind("example.polyreme.dev/v1", "Hello"), owns=[kinds.CONFIG_MAP]
    ... )
    >>> @controller.reconcile
    ... def reconcile(ctx: Context, hello: Object) -> None:
    ...     greeting = f"Hello, {hello['spec']['who']}!"
    ...     ctx.apply(hello.child(kinds.CONFIG_MAP, hello.name, data={"greeting": greeting}))
    """

    #: A DNS label, for people and logs. The field manager and the ``controller`` label of metrics are the
    #: controller's name in the host's configuration.
    name: str
    primary: Kind
    #: Of the module; for people and logs.
    version: str = "0.1.0"
    #: Selects which primaries are this controller's; empty means all.
    label_selector: str = ""
    #: Kinds created with a controller owner reference to the primary: their changes reconcile it.
    owns: Sequence[Kind] = ()
    watches: Sequence[Watch] = ()
    #: Fields of the primary (``spec.theme``) that lists may select by.
    indexes: Sequence[str] = ()
    asks: Sequence[Permission] = ()
    #: JSON Schema that the host checks ``settings:`` against before it starts the module.
    settings_schema: dict[str, Any] | None = None
    _reconcile: Reconcile | None = field(default=None, repr=False)
    _deleted: Deleted | None = field(default=None, repr=False)

    def reconcile(self, function: Reconcile) -> Reconcile:
        """Decorates the function that brings the world in line with an object, as cached when the reconcile
        began. Called when the object, a child or a watched object changed; never twice at once for one
        object, and in a fresh instance by default: globals do not survive. Look at what is, not at what
        happened; do what is missing; return.
        """
        self._reconcile = function
        return function

    def deleted(self, function: Deleted) -> Deleted:
        """Decorates the function for an object that is gone and that no finalizer held. Its children are
        garbage collected by the cluster; this is for what owner references cannot reach.
        """
        self._deleted = function
        return function

    def permissions(self) -> list[Permission]:
        """Everything that is asked for: watching a kind asks for reading it."""
        reads = [Permission(watch.kind, ("get", "list", "watch")) for watch in self.watches]
        return [*reads, *self.asks]

    def schema_text(self) -> str | None:
        """The settings' schema as JSON."""
        return None if self.settings_schema is None else dump(self.settings_schema, "the settings schema")

    def run(self, host: Host, request: Request) -> Action:
        """Carries out one request of the host; exceptions pass."""
        if self._reconcile is None:
            raise Error(f"controller {self.name!r} has no reconcile: decorate one with @controller.reconcile")
        ctx = Context(host, request, self.name, False)
        if request.current is not None:
            outcome = self._reconcile(ctx, parse(request.current, request.object))
        elif self._deleted is not None:
            outcome = self._deleted(ctx, request.object)
        else:
            outcome = None
        return DONE if outcome is None else _action(outcome)


@dataclass(frozen=True)
class Failure:
    """The contract's ``failure``: what the host is told when a reconcile raised."""

    terminal: bool
    message: str


def answer(controller: Controller, host: Host, request: Request) -> Union[Action, Failure]:
    """Runs a request; an exception becomes a failure. What no code expected leaves its traceback in the log."""
    try:
        return controller.run(host, request)
    # A sys.exit() must not end the instance with no word about why.
    except BaseException as error:
        return _failure(error)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, Error):
        level = logging.DEBUG if isinstance(error, ApiError) else None
        text, terminal = chain(error), error.terminal
    else:
        name, words = type(error).__name__, chain(error)
        level, text, terminal = logging.ERROR, name if words == name else f"{name}: {words}", False
    if level is not None and _LOG.isEnabledFor(level):
        lines = "".join(traceback.format_exception(type(error), error, _outside(error.__traceback__)))
        _LOG.log(level, "%s", lines.rstrip())
    return Failure(terminal, arguments.whole(text))


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not in this file."""
    at = trace
    while at is not None and at.tb_frame.f_code.co_filename == __file__:
        at = at.tb_next
    return at or trace


def _action(outcome: Any) -> Action:
    if isinstance(outcome, Action):
        return outcome
    if hasattr(outcome, "__await__"):
        outcome.close()
        raise Error("reconcile is `async def`: every call of the context is synchronous, make it `def`")
    raise Error(f"reconcile returned {outcome!r:.80}: return nothing, DONE or requeue_after(seconds)")
