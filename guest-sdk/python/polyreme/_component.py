"""The exports of a component, and the host behind its imports. Exists inside a component only.

`polyreme build` generates a module of a few lines that names the controller's module:

    import sys
    sys.modules["_datetime"] = None  # see _sandbox.py; must come before any import
    from polyreme import _component
    Reconciler = _component.load("hello")
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Sequence

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.exports import reconciler as contract
from wit_world.imports import clock, events, http, kubernetes, log, metrics, random, settings, types

from . import _sandbox
from .controller import DONE, Action, Controller, Failure, Watch, answer
from .errors import Reason, Refusal
from .host import (
    HttpRequest,
    HttpResponse,
    ListQuery,
    ObjectRef,
    Outcome,
    Page,
    Pairs,
    RawWritten,
    WriteOptions,
    reference_of,
)
from .logs import TRACE, HostHandler

_REASONS = {one: Reason(one.name.lower().replace("_", "-")) for one in types.Reason}
_HTTP_REASONS = {one: Reason(one.name.lower().replace("_", "-")) for one in http.Reason}
_LEVELS = {one.name.lower(): one for one in log.Level}
_SEVERITIES = {one.name.lower(): one for one in events.Severity}
_DONE = contract.Action_Done()
_SOURCES = {False: kubernetes.Source.CACHE, True: kubernetes.Source.LIVE}


class Imports:
    """The host that runs this component. Records pass as they are: they have the contract's fields."""

    def get(self, target: ObjectRef, live: bool) -> str:
        try:
            return kubernetes.get(target, _SOURCES[live])
        except Err as error:
            raise _refusal(error.value) from None

    def list(self, api_version: str, kind: str, query: ListQuery, live: bool) -> Page:
        selected = kubernetes.ListQuery(
            query.namespace,
            query.label_selector,
            query.field_selector,
            query.limit,
            query.continue_,
            _SOURCES[live],
        )
        try:
            return kubernetes.list(types.Kind(api_version, kind), selected)
        except Err as error:
            raise _refusal(error.value) from None

    def create(self, text: str, options: WriteOptions) -> RawWritten:
        return _write(kubernetes.create, text, options)

    def update(self, text: str, options: WriteOptions) -> RawWritten:
        return _write(kubernetes.update, text, options)

    def merge_patch(self, target: ObjectRef, patch: str, options: WriteOptions) -> RawWritten:
        return _write(kubernetes.patch, target, kubernetes.PatchType.MERGE, patch, options)

    def apply(self, text: str, options: WriteOptions) -> RawWritten:
        return _write(kubernetes.apply, text, options)

    def apply_all(self, texts: Sequence[str], options: WriteOptions) -> Sequence[Outcome]:
        results = kubernetes.apply_all(list(texts), options)
        return [_raw(one.value) if isinstance(one, Ok) else _refusal(one.value) for one in results]

    def delete(self, target: ObjectRef, uid: str | None) -> None:
        options = kubernetes.DeleteOptions(kubernetes.Propagation.BACKGROUND, uid, None)
        try:
            kubernetes.delete(target, options)
        except Err as error:
            raise _refusal(error.value) from None

    def emit(self, regarding: ObjectRef, severity: str, reason: str, action: str, note: str) -> None:
        events.emit(regarding, _SEVERITIES[severity], reason, action, note)

    def log(self, level: str, message: str, fields: Pairs) -> None:
        log.log(_LEVELS[level], message, list(fields))

    def log_enabled(self, level: str) -> bool:
        return log.enabled(_LEVELS[level])

    def add_counter(self, name: str, value: float, labels: Pairs) -> None:
        metrics.add_counter(name, value, list(labels))

    def set_gauge(self, name: str, value: float, labels: Pairs) -> None:
        metrics.set_gauge(name, value, list(labels))

    def observe(self, name: str, value: float, labels: Pairs) -> None:
        metrics.observe(name, value, list(labels))

    def settings(self) -> str:
        return settings.get()

    def now(self) -> int:
        return clock.now()

    def monotonic(self) -> int:
        return clock.monotonic()

    def random_bytes(self, length: int) -> bytes:
        return random.bytes(length)

    def random_number(self) -> int:
        return random.number()

    def send(self, request: HttpRequest) -> HttpResponse:
        headers = [http.Header(name, value) for name, value in request.headers]
        sent = http.Request(request.method, request.url, headers, request.body, request.timeout_ms)
        try:
            answer = http.send(sent)
        except Err as error:
            raise Refusal(_HTTP_REASONS[error.value.reason], error.value.message) from None
        return HttpResponse(answer.status, [(one.name, one.value) for one in answer.headers], answer.body)


def load(module: str) -> type:
    """Imports the controller and makes the class that the component exports. Runs at build time."""
    host = Imports()
    source = _sandbox.prepare()
    controller = _find(importlib.import_module(module))
    root = logging.getLogger()
    root.addHandler(HostHandler(host))
    # The host decides what is written.
    root.setLevel(TRACE)
    flush = _sandbox.seal(host, source)

    class Reconciler(exports.Reconciler):
        def describe(self) -> contract.Manifest:
            return _manifest(controller)

        def reconcile(self, request: contract.Request) -> contract.Action:
            # The contract's record has the same fields, but prints and compares otherwise.
            named = request.object
            request.object = reference_of((named.api_version, named.kind, named.namespace, named.name))
            outcome = answer(controller, host, request)
            flush()
            if outcome is DONE:
                return _DONE
            if isinstance(outcome, Failure):
                failure = contract.Failure_Terminal if outcome.terminal else contract.Failure_Retry
                raise Err(failure(outcome.message))
            return _action(outcome)

    return Reconciler


def _find(module: Any) -> Controller:
    found = {id(one): one for one in vars(module).values() if isinstance(one, Controller)}
    if len(found) != 1:
        raise SystemExit(
            f"{module.__name__} must have one polyreme.Controller, it has {len(found)}: "
            'controller = Controller("name", primary=Kind("group/v1", "Kind"))'
        )
    return next(iter(found.values()))


def _write(call: Any, *arguments: Any) -> RawWritten:
    try:
        return _raw(call(*arguments))
    except Err as error:
        raise _refusal(error.value) from None


def _raw(written: Any) -> RawWritten:
    return RawWritten(
        written.changed, written.uid, written.resource_version, written.generation, written.object
    )


def _refusal(error: types.Error) -> Refusal:
    return Refusal(_REASONS[error.reason], error.message, error.retry_after_ms, error.causes)


def _action(action: Action) -> contract.Action:
    if action.requeue_after_ms is None:
        return _DONE
    return contract.Action_RequeueAfter(action.requeue_after_ms)


def _manifest(controller: Controller) -> contract.Manifest:
    return contract.Manifest(
        name=controller.name,
        version=controller.version,
        primary=_kind(controller.primary),
        label_selector=controller.label_selector,
        owns=[_kind(one) for one in controller.owns],
        watches=[_watch(one) for one in controller.watches],
        indexes=list(controller.indexes),
        permissions=[
            contract.Permission(one.kind.api_version, [one.kind.kind], list(one.verbs))
            for one in controller.permissions()
        ],
        settings_schema=controller.schema_text(),
    )


def _kind(kind: Any) -> types.Kind:
    return types.Kind(kind.api_version, kind.kind)


def _watch(watch: Watch) -> contract.Watch:
    mappings: dict[str, contract.Mapping] = {
        "owner": contract.Mapping_Owner(),
        "label": contract.Mapping_Label(watch.argument),
        "field": contract.Mapping_Field(watch.argument),
    }
    return contract.Watch(_kind(watch.kind), mappings[watch.mapping], watch.label_selector)
