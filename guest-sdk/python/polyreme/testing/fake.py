"""The cluster that a test talks to."""

from __future__ import annotations

import copy
import json
import logging
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Iterator, Mapping, Sequence

from ..codec import encode
from ..conditions import timestamp
from ..controller import Action, Controller
from ..errors import Reason, Refusal
from ..host import HttpRequest, HttpResponse, ListQuery, ObjectRef, Outcome, Page, Pairs, RawWritten, Request, WriteOptions
from ..http import Response
from ..logs import TRACE, HostHandler
from ..objects import Kind, Object
from . import selectors
from .access import Access, Wish
from .record import Event, LogLine, Sample, Write
from .store import Store

#: How often :meth:`Fake.settle` reconciles before it gives up.
_MAX_ROUNDS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Fake:
    """A cluster in memory with one controller. Objects are named by key: ``namespace/name``, or ``name``."""

    def __init__(self, controller: Controller, settings: Mapping[str, Any] | None = None) -> None:
        self.controller = controller
        #: ``settings:`` of the controller; may be changed between reconciles.
        self.settings: Mapping[str, Any] = settings or {}
        #: The time of the cluster.
        self.now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        self._store = Store()
        self._access: Access | None = None
        self._faults: list[tuple[str, Kind, Reason]] = []
        self._drawn = self._reconciles = 0
        self._writes: list[Write] = []
        self._events: list[Event] = []
        self._logs: list[LogLine] = []
        self._samples: list[Sample] = []
        #: What stands for the servers outside of Kubernetes: a response, or the :class:`Reason` why there is none.
        #: Without one every request is refused as not granted.
        self.server: Callable[[HttpRequest], Response | Reason] | None = None
        self._requests: list[HttpRequest] = []

    def add(self, obj: Mapping[str, Any]) -> Fake:
        """Adds an object as it is, status included; uid, generation and timestamps are filled in where they
        are missing.
        """
        self._store.seed(Object(obj).ref, encode(dict(obj)), timestamp(self.now))
        return self

    def edit(self, kind: Kind, key: str, change: Callable[[Object], None]) -> None:
        """Changes an object in place as a user, or another controller, would: the generation rises when more
        than metadata and status changed. Not recorded as a write of the controller.
        """
        obj = self.get(kind, key)
        change(obj)
        self._store.edit(_target(kind, key), encode(dict(obj)))

    def remove(self, kind: Kind, key: str) -> None:
        """Deletes an object as a user would: finalizers hold it, children go with it."""
        self.get(kind, key)
        self._store.delete(_target(kind, key), None, timestamp(self.now))

    def reconcile(self, key: str, *, attempt: int = 0) -> Action:
        """Reconciles an object once, with the permissions of the controller; an object that is not there is
        reconciled as a deleted one. What the controller raises passes.
        """
        target = _target(self.controller.primary, key)
        held = self._store.find(target)
        metadata: Mapping[str, Any] = {} if held is None else held["metadata"]
        self._reconciles += 1
        request = Request(
            object=target,
            current=None if held is None else json.dumps(held),
            id=f"test-{self._reconciles}",
            attempt=attempt,
            idempotency_key="" if held is None else f"{metadata['uid']}/{metadata['generation']}",
            epoch=1,
        )
        host = _Imports(self)
        self._access = Access(self.controller, target, metadata.get("uid"))
        try:
            with _logging_to(host):
                return self.controller.run(host, request)
        finally:
            self._access = None

    def settle(self, key: str) -> Action:
        """Reconciles an object until a reconcile writes nothing, as the host would while the writes of one
        reconcile lead to the next.
        """
        for _ in range(_MAX_ROUNDS):
            before = len(self._writes)
            action = self.reconcile(key)
            if len(self._writes) == before:
                return action
        raise AssertionError(f"{key} still changes after {_MAX_ROUNDS} reconciles")

    def get(self, kind: Kind, key: str) -> Object:
        """An object that must be there."""
        found = self.find(kind, key)
        if found is None:
            raise AssertionError(f"there is no {kind.kind} {key}")
        return found

    def find(self, kind: Kind, key: str) -> Object | None:
        """An object, if it is there."""
        held = self._store.find(_target(kind, key))
        return None if held is None else Object(held)

    def list(self, kind: Kind) -> list[Object]:
        """All objects of a kind, by namespace and name."""
        return [Object(obj) for obj in self._store.all(kind.api_version, kind.kind)]

    def take_writes(self) -> Sequence[Write]:
        """What was written since the last call, apart from writes that changed nothing."""
        taken, self._writes = self._writes, []
        return taken

    def take_events(self) -> Sequence[Event]:
        """The events since the last call."""
        taken, self._events = self._events, []
        return taken

    def take_logs(self) -> Sequence[LogLine]:
        """The log lines since the last call."""
        taken, self._logs = self._logs, []
        return taken

    def take_samples(self) -> Sequence[Sample]:
        """The metric values since the last call."""
        taken, self._samples = self._samples, []
        return taken

    def take_requests(self) -> Sequence[HttpRequest]:
        """The requests to outside servers since the last call."""
        taken, self._requests = self._requests, []
        return taken

    def fail_next(self, verb: str, kind: Kind, reason: Reason) -> None:
        """Makes the next request of this verb to this kind fail. An ``apply_all`` asks for each of its objects."""
        self._faults.append((verb, kind, reason))

    def advance(self, by: timedelta | float) -> None:
        """Lets time pass: seconds, or a ``timedelta``."""
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def _admit(self, wish: Wish) -> None:
        """An injected fault, else the permissions."""
        if not wish.target.name:
            raise _nameless(wish.target.kind)
        for fault in self._faults:
            verb, kind, reason = fault
            if (verb, kind.api_version, kind.kind) == (wish.verb, wish.target.api_version, wish.target.kind):
                self._faults.remove(fault)
                raise Refusal(reason, "injected by the test")
        if self._access is not None:
            wish.held = self._store.find(wish.target)
            self._access.check(wish)


class _Imports:
    """The fake, as a context sees it."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    def get(self, target: ObjectRef, live: bool) -> str:
        self._fake._admit(Wish("get", target))
        return json.dumps(self._fake._store.get(target))

    def list(self, api_version: str, kind: str, query: ListQuery, live: bool) -> Page:
        every = ObjectRef(api_version, kind, query.namespace, "*")
        self._fake._admit(Wish("list", every))
        access = self._fake._access
        children_only = access is not None and access.lists_children_only(every)
        labels, fields = selectors.labels(query.label_selector), selectors.fields(query.field_selector)
        if access is not None and not live:
            access.check_fields(every, selectors.field_paths(query.field_selector))
        selected = [
            json.dumps(obj)
            for obj in self._fake._store.all(api_version, kind)
            if query.namespace in (None, obj["metadata"].get("namespace"))
            and (not children_only or (access is not None and access.is_child(obj)))
            and labels(obj["metadata"].get("labels") or {})
            and fields(obj)
        ]
        return Page(selected, None)

    def create(self, text: str, options: WriteOptions) -> RawWritten:
        store = self._fake._store
        return self._write("create", text, options, lambda at, obj: store.create(at, obj, options, self._stamp()))

    def update(self, text: str, options: WriteOptions) -> RawWritten:
        return self._write("update", text, options, lambda at, obj: self._fake._store.update(at, obj, options))

    def apply(self, text: str, options: WriteOptions) -> RawWritten:
        manager = options.field_manager or self._fake.controller.name
        store = self._fake._store
        return self._write(
            "apply", text, options, lambda at, obj: store.apply(at, obj, manager, options, self._stamp())
        )

    def apply_all(self, texts: Sequence[str], options: WriteOptions) -> Sequence[Outcome]:
        return [self._apply_one(text, options) for text in texts]

    def _apply_one(self, text: str, options: WriteOptions) -> Outcome:
        try:
            return self.apply(text, options)
        except Refusal as refusal:
            return refusal

    def merge_patch(self, target: ObjectRef, patch: str, options: WriteOptions) -> RawWritten:
        body = json.loads(patch)
        self._fake._admit(Wish("patch", target, options.subresource, body))
        written = self._fake._store.merge_patch(target, body, options)
        return self._record("patch", target, body, options, written)

    def delete(self, target: ObjectRef, uid: str | None) -> None:
        self._fake._admit(Wish("delete", target))
        self._fake._store.delete(target, uid, self._stamp())
        self._fake._writes.append(Write("delete", target, None, None))

    def emit(self, regarding: ObjectRef, severity: str, reason: str, action: str, note: str) -> None:
        self._fake._events.append(Event(regarding, severity, reason, action, note))

    def log(self, level: str, message: str, fields: Pairs) -> None:
        self._fake._logs.append(LogLine(level, message, dict(fields)))

    def log_enabled(self, level: str) -> bool:
        return True

    def add_counter(self, name: str, value: float, labels: Pairs) -> None:
        self._fake._samples.append(Sample(name, value, dict(labels)))

    set_gauge = observe = add_counter

    def settings(self) -> str:
        return json.dumps(encode(self._fake.settings))

    def now(self) -> int:
        return (self._fake.now - _EPOCH) // timedelta(microseconds=1) * 1000

    monotonic = now

    def random_bytes(self, length: int) -> bytes:
        words = (self.random_number().to_bytes(8, "little") for _ in range(-(-length // 8)))
        return b"".join(words)[:length]

    def random_number(self) -> int:
        """SplitMix64: the same numbers in every run."""
        every = (1 << 64) - 1
        self._fake._drawn = mixed = (self._fake._drawn + 0x9E3779B97F4A7C15) & every
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & every
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & every
        return mixed ^ (mixed >> 31)

    def send(self, request: HttpRequest) -> HttpResponse:
        self._fake._requests.append(request)
        if self._fake.server is None:
            raise Refusal(Reason.NOT_GRANTED, "the test has no server: see Fake.server")
        answer = self._fake.server(request)
        if isinstance(answer, Reason):
            raise Refusal(answer, "the test's server did not answer")
        return HttpResponse(answer.status, [(name.lower(), value) for name, value in answer.headers], answer.body)

    def _stamp(self) -> str:
        return timestamp(self._fake.now)

    def _write(
        self,
        verb: str,
        text: str,
        options: WriteOptions,
        carry_out: Callable[[ObjectRef, dict[str, Any]], RawWritten],
    ) -> RawWritten:
        obj = json.loads(text)
        target = _named(Object(obj))
        self._fake._admit(Wish(verb, target, options.subresource, obj))
        return self._record(verb, target, obj, options, carry_out(target, obj))

    def _record(
        self, verb: str, target: ObjectRef, body: Any, options: WriteOptions, written: RawWritten
    ) -> RawWritten:
        if written.changed and not options.dry_run:
            self._fake._writes.append(Write(verb, target, options.subresource, copy.deepcopy(body)))
        if not options.want_object:
            written.object = None
        return written


def _named(obj: Object) -> ObjectRef:
    for what, value in (("apiVersion", obj.api_version), ("kind", obj.kind)):
        if not value:
            raise Refusal(Reason.BAD_REQUEST, f"object has no {what}")
    if not obj.name:
        raise _nameless(obj.kind)
    return obj.ref


def _nameless(kind: str) -> Refusal:
    """How the host refuses what names no object, in its words."""
    message = "names must be set by the module, a generated one could not be retried safely"
    return Refusal(Reason.BAD_REQUEST, f"{kind} has no metadata.name: {message}")


def _target(kind: Kind, key: str) -> ObjectRef:
    namespace, slash, name = key.rpartition("/")
    return kind.ref(namespace if slash else None, name)


@contextmanager
def _logging_to(host: _Imports) -> Iterator[None]:
    root, handler = logging.getLogger(), HostHandler(host)
    level = root.level
    root.addHandler(handler)
    root.setLevel(TRACE)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
