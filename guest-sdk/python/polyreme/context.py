"""What a reconcile is given: the request, and the cluster as far as it is granted.

Reads come from the host's cache when the kind is watched and never go back behind this controller's own
writes; :attr:`Context.live` asks the API server. Writes that change nothing are not sent. Every method is
synchronous, and none waits for other objects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Callable, Iterator, Literal, Mapping, Sequence, TypeVar, overload

from . import arguments, merge
from .codec import decode, encode, known
from .errors import DecodeError, NotFoundError, Refusal, SettingsError, api_error
from .host import Host, HttpRequest, ListQuery, ObjectRef, RawWritten, Request, WriteOptions
from .http import Response
from .logs import level_of
from .objects import Kind, Object, dump, parse

T = TypeVar("T")

#: Objects per page of a list: one page of 2 KiB objects stays near 1 MiB.
_PAGE_SIZE = 500
#: The ``action`` of events that name none.
_ACTION = "Reconcile"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Severity = Literal["normal", "warning"]
_SEVERITIES = ("normal", "warning")


@dataclass(frozen=True)
class Written:
    """An object after a write."""

    #: False when it already was as asked.
    changed: bool
    uid: str
    resource_version: str
    generation: int
    #: The whole object, when the write asked for it by ``want_object=True``.
    object: Object | None


class Phase(Enum):
    """What a reconcile has to do for an object that needs clean-up; see :meth:`Context.finalizer`."""

    #: The object is wanted, and the finalizer is in place: bring about what it asks for.
    APPLY = "apply"
    #: The object waits to be deleted: undo. When that succeeded, call :meth:`Context.finalized`.
    CLEANUP = "cleanup"
    #: The object waits for somebody else's finalizer: nothing to do.
    GONE = "gone"


class Context:
    """The world of one reconcile."""

    # All by place and without a default: so the interpreter makes a context without a detour.
    def __init__(self, host: Host, request: Request, controller: str, live: bool) -> None:
        self._host, self._request, self._live = host, request, live
        #: The name that this controller gives itself, for people and logs. Its field managers begin with its name
        #: in the host's configuration, which may be another.
        self.controller = controller

    @property
    def object(self) -> ObjectRef:
        """The object under reconcile."""
        return self._request.object

    @property
    def current(self) -> str | None:
        """Its JSON text as cached when the reconcile began; ``None`` when it is gone."""
        return self._request.current

    @property
    def id(self) -> str:
        """The id of this reconcile, as in the host's logs and traces."""
        return self._request.id

    @property
    def attempt(self) -> int:
        """0 for the first try since the last success."""
        return self._request.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every try at the same generation of the object, whichever host makes it: send it
        with side effects outside the cluster.
        """
        return self._request.idempotency_key

    @property
    def epoch(self) -> int:
        """Grows whenever the object changes hands between hosts: an outside system that refuses a lower one
        than it has seen is safe from late requests.
        """
        return self._request.epoch

    @property
    def live(self) -> Context:
        """The same world, read from the API server instead of the cache."""
        return Context(self._host, self._request, self.controller, True)

    # Reading

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """Reads an object, in the namespace of the object under reconcile unless another is named.

        :raises NotFoundError: when there is none; :meth:`get_opt` returns ``None`` instead.
        """
        target = self._named(kind, name, namespace)
        try:
            text = self._host.get(target, self._live)
        except Refusal as refusal:
            raise api_error("get", str(target), refusal) from None
        return parse(text, target)

    def get_opt(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """As :meth:`get`; ``None`` when there is no such object."""
        try:
            return self.get(kind, name, namespace)
        except NotFoundError:
            return None

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        page_size: int = _PAGE_SIZE,
    ) -> list[Object]:
        """All objects that the selectors select, of all namespaces unless one is named; follows pages.

        ``fields`` selects by ``metadata.name=x``, what the kind's server supports, and, from the cache, every
        field that the controller ``indexes``.
        """
        query = ListQuery(
            arguments.name_or_none("namespace", namespace),
            arguments.name("labels", labels or ""),
            arguments.name("fields", fields or ""),
            arguments.amount("page_size", page_size),
            None,
        )
        return list(self._items(kind, query))

    # Writing

    def create(self, obj: Mapping[str, Any], **options: Any) -> Written:
        """Creates an object. It needs a name; that it exists is an error, so prefer :meth:`apply`."""
        return self._write("create", obj, self._host.create, options)

    def update(self, obj: Mapping[str, Any], **options: Any) -> Written:
        """Replaces an object that was read before.

        :raises ConflictError: when it has changed since.
        """
        return self._write("update", obj, self._host.update, options)

    def apply(self, obj: Mapping[str, Any], *, force: bool = True, **options: Any) -> Written:
        """Server-side apply: name every field this controller cares about and no other. What was applied
        before and is not named now is removed. Takes fields over from other managers, unless ``force`` is
        false. Options: ``subresource``, ``field_manager``, ``dry_run``, ``want_object``.

        Build the object afresh: one that was read names the fields of everybody, which this would take over.
        """
        return self._write("apply", obj, self._host.apply, {"force": force, **options})

    def apply_all(self, objects: Sequence[Mapping[str, Any]]) -> Sequence[Written]:
        """Several applies at once, in no particular order. All are tried; the first failure is raised."""
        named = [(Object(obj).ref, obj) for obj in objects]
        texts = [dump(obj, target) for target, obj in named]
        outcomes = self._host.apply_all(texts, WriteOptions(force=True))
        for (target, _), outcome in zip(named, outcomes):
            if isinstance(outcome, Refusal):
                raise api_error("apply", str(target), outcome)
        return [_written(one, target) for (target, _), one in zip(named, outcomes) if isinstance(one, RawWritten)]

    def merge_patch(self, obj: Object | ObjectRef, patch: Mapping[str, Any], **options: Any) -> Written:
        """Changes the fields that ``patch`` names (JSON merge patch; ``None`` removes). With
        ``metadata.resourceVersion`` in the patch it is a conflict when the object has changed since.
        """
        target = arguments.reference(obj if isinstance(obj, ObjectRef) else obj.ref)
        text, how = dump(patch, target), arguments.write_options(options)
        return _written(_ask("patch", target, lambda: self._host.merge_patch(target, text, how)), target)

    def patch_status(self, obj: Object, status: Any) -> bool:
        """Writes ``status`` (a ``dict``, or a dataclass) where it differs from the status in ``obj``, and
        returns whether anything did. What a ``dict`` no longer has is removed; fields that a dataclass does
        not know stay. The status in ``obj`` is then what was written.
        """
        change = merge.difference(known(status, obj.get("status") or {}), encode(status))
        if change is merge.SAME:
            return False
        self.merge_patch(obj, {"status": change}, subresource="status")
        obj["status"] = merge.patch(obj.get("status"), change)
        return True

    def delete(self, obj: Object) -> bool:
        """Deletes exactly this incarnation of an object, its children in the background. Returns false when
        it was gone already.
        """
        return self._delete(arguments.reference(obj.ref), arguments.name_or_none("metadata.uid", obj.uid or None))

    def delete_named(self, kind: Kind, name: str, namespace: str | None = None) -> bool:
        """Deletes whatever object has this name. Returns false when there is none."""
        return self._delete(self._named(kind, name, namespace), None)

    # Clean-up before an object goes. Children with owner references need none of this.

    def finalizer(self, obj: Object, finalizer: str) -> Phase:
        """Where an object stands with a finalizer, which is put in place first when the object is wanted and
        does not have it: nothing outside exists before the finalizer does.

        :raises ConflictError: when somebody changed the object meanwhile; the host tries again.
        """
        held = obj.finalizers
        if obj.is_deleting:
            return Phase.CLEANUP if finalizer in held else Phase.GONE
        if finalizer not in held:
            self._set_finalizers(obj, [*held, finalizer])
        return Phase.APPLY

    def finalized(self, obj: Object, finalizer: str) -> None:
        """Clean-up is done: takes the finalizer off, and lets the object go."""
        try:
            self._set_finalizers(obj, [one for one in obj.finalizers if one != finalizer])
        except NotFoundError:
            pass

    # Telling people and dashboards. Logs go through `logging`.

    def event(self, severity: Severity, reason: str, note: Any) -> None:
        """An event on the object under reconcile, as ``kubectl describe`` shows it. ``reason`` is CamelCase;
        ``note`` is a text, or anything that has one, such as an exception. The host cuts it at 1 KiB and counts
        repeated events.
        """
        self._emit(self.object, severity, reason, note)

    def event_on(self, obj: Object, severity: Severity, reason: str, note: Any) -> None:
        """An event on another object."""
        self._emit(arguments.reference(obj.ref), severity, reason, note)

    def log_enabled(self, level: int) -> bool:
        """Whether anybody reads logs of this level of ``logging``: lets a program skip building a message."""
        return self._host.log_enabled(level_of(level))

    # Name and value are positional only, so that labels may be called so.

    def count(self, name: str, value: float = 1, /, **labels: Any) -> None:
        """Adds to the counter ``polyreme_module_<name>``. Labels must have few values: there is a quota."""
        self._host.add_counter(*_sample(name, value, labels))

    def gauge(self, name: str, value: float, /, **labels: Any) -> None:
        """Sets the gauge ``polyreme_module_<name>``."""
        self._host.set_gauge(*_sample(name, value, labels))

    def observe(self, name: str, value: float, /, **labels: Any) -> None:
        """Adds an observation to the histogram ``polyreme_module_<name>``."""
        self._host.observe(*_sample(name, value, labels))

    # Servers outside of Kubernetes.

    def http(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Any] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        timeout: float | None = None,
    ) -> Response:
        """Sends a request to a server outside of Kubernetes and waits for the whole response. The configuration of
        the host grants servers and methods (``http`` of the controller).

        ``json`` is encoded as the body, with the header that says so unless ``headers`` have a Content-Type.
        ``timeout`` is in seconds: at most ``limits.httpTimeout`` of the configuration, which is also the default.
        Whatever the status, a response is returned: see :meth:`Response.success`. The host never sends a request
        twice, but a server may act on one whose time is over: give what must happen only once a key made of what
        does not change, such as the object's uid. (:attr:`idempotency_key` changes with every generation.)

        :raises ApiError: when there is no response; a subclass for each reason.
        """
        method, url = arguments.name("method", method), arguments.name("url", url)
        # A query may hold secrets.
        place = url.split("?", 1)[0]
        sent = arguments.pairs(headers or {})
        if json is not None:
            body = dump(encode(json), place)
            if not any(key.lower() == "content-type" for key, _ in sent):
                sent.append(("content-type", "application/json"))
        millis = None if timeout is None else arguments.milliseconds("timeout", timeout)
        request = HttpRequest(method, url, sent, _bytes(body), millis)
        answer = _ask(method, place, lambda: self._host.send(request))
        return Response(answer.status, bytes(answer.body), answer.headers, f"{method} {place}")

    # What a reconcile may know besides: all from the host, so that it can be replayed.

    @overload
    def settings(self) -> dict[str, Any]: ...

    @overload
    def settings(self, kind: type[T]) -> T: ...

    def settings(self, kind: type[Any] | None = None) -> Any:
        """``settings:`` of this controller in the host's configuration, as a ``dict`` or as a dataclass.

        :raises SettingsError: with the path of what does not fit or is not known.
        """
        held = json.loads(self._host.settings())
        try:
            return held if kind is None else decode(kind, held, strict=True)
        except DecodeError as error:
            raise SettingsError(f"failed to read `settings` of this controller at {error}") from None

    def now(self) -> datetime:
        """The host's wall clock, in UTC."""
        return _EPOCH + timedelta(microseconds=self._host.now() // 1000)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start, never going back: for measuring durations."""
        return self._host.monotonic() / 1e9

    def random_bytes(self, length: int) -> bytes:
        """Random bytes; not for keys, since they are recorded."""
        return self._host.random_bytes(arguments.amount("length", length))

    def random_number(self) -> int:
        """A random number of 64 bits."""
        return self._host.random_number()

    # Helpers

    def _named(self, kind: Kind, name: str, namespace: str | None) -> ObjectRef:
        # Every read comes by here, and what names an object is ASCII: no more than a look.
        if namespace is None and isinstance(name, str) and name.isascii():
            return kind.ref(self._request.object.namespace, name)
        return arguments.reference(kind.ref(namespace or self._request.object.namespace, name))

    def _emit(self, target: ObjectRef, severity: str, reason: str, note: Any) -> None:
        word = arguments.one_of("severity", _SEVERITIES, severity)
        self._host.emit(target, word, arguments.name("reason", reason), _ACTION, arguments.text(note))

    def _items(self, kind: Kind, query: ListQuery) -> Iterator[Object]:
        whole = f"{kind.kind} list"
        while True:
            page = _ask("list", whole, lambda: self._host.list(kind.api_version, kind.kind, query, self._live))
            for item in page.items:
                yield parse(item, whole)
            query.continue_ = page.continue_ or None
            if query.continue_ is None:
                return

    def _write(
        self,
        verb: str,
        obj: Mapping[str, Any],
        write: Callable[[str, WriteOptions], RawWritten],
        options: Mapping[str, Any],
    ) -> Written:
        target = Object(obj).ref
        text, how = dump(obj, target), arguments.write_options(options)
        return _written(_ask(verb, target, lambda: write(text, how)), target)

    def _delete(self, target: ObjectRef, uid: str | None) -> bool:
        try:
            _ask("delete", target, lambda: self._host.delete(target, uid))
        except NotFoundError:
            return False
        return True

    def _set_finalizers(self, obj: Object, finalizers: Sequence[str]) -> None:
        # A merge patch replaces the whole list, so it names the version it was made from.
        version = obj.metadata.get("resourceVersion")
        self.merge_patch(obj, {"metadata": {"resourceVersion": version, "finalizers": finalizers}})


def _ask(verb: str, target: object, call: Callable[[], T]) -> T:
    try:
        return call()
    except Refusal as refusal:
        raise api_error(verb, str(target), refusal) from None


def _sample(name: str, value: float, labels: Mapping[str, object]) -> tuple[str, float, list[tuple[str, str]]]:
    named = arguments.name("name", name)
    return named, arguments.finite(f"the value of {named}", value), arguments.pairs(labels)


def _bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return arguments.whole(body).encode()
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"body must be bytes or a str, not {body!r:.80}")


def _written(raw: RawWritten, target: ObjectRef) -> Written:
    obj = None if raw.object is None else parse(raw.object, target)
    return Written(raw.changed, raw.uid, raw.resource_version, raw.generation, obj)
