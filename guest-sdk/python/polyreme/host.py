"""What the SDK asks of its host: inside a component the imports of the contract, in a test a fake.

The types are the contract's records under their own names, so that bindings can take them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Callable, NamedTuple, Protocol, Sequence, Union

from .errors import Refusal

Pairs = Sequence[tuple[str, str]]


class ObjectRef(NamedTuple):
    """One object; ``namespace`` is ``None`` for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


#: An :class:`ObjectRef` of its fields, in a fraction of the time that the constructor of a named tuple takes.
reference_of: Callable[[tuple[str, str, str | None, str]], ObjectRef] = partial(tuple.__new__, ObjectRef)


@dataclass
class ListQuery:
    """What a list selects."""

    namespace: str | None
    label_selector: str
    field_selector: str
    limit: int
    continue_: str | None


@dataclass
class Page:
    """Some of the selected objects, as JSON."""

    items: list[str]
    continue_: str | None


@dataclass
class WriteOptions:
    """How to write."""

    subresource: str | None = None
    field_manager: str | None = None
    force: bool = False
    dry_run: bool = False
    want_object: bool = False


@dataclass
class RawWritten:
    """The contract's ``written``: the object is still JSON."""

    changed: bool
    uid: str
    resource_version: str
    generation: int
    object: str | None


@dataclass
class Request:
    """One object to make right."""

    object: ObjectRef
    current: str | None
    id: str
    attempt: int
    idempotency_key: str
    epoch: int


Outcome = Union[RawWritten, Refusal]


@dataclass
class HttpRequest:
    """A request to a server outside of Kubernetes."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None
    timeout_ms: int | None


@dataclass
class HttpResponse:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Host(Protocol):
    """The imports. Those that can be refused raise :class:`Refusal`. Objects are JSON text."""

    def get(self, target: ObjectRef, live: bool) -> str: ...

    def list(self, api_version: str, kind: str, query: ListQuery, live: bool) -> Page: ...

    def create(self, text: str, options: WriteOptions) -> RawWritten: ...

    def update(self, text: str, options: WriteOptions) -> RawWritten: ...

    def merge_patch(self, target: ObjectRef, patch: str, options: WriteOptions) -> RawWritten: ...

    def apply(self, text: str, options: WriteOptions) -> RawWritten: ...

    def apply_all(self, texts: Sequence[str], options: WriteOptions) -> Sequence[Outcome]: ...

    def delete(self, target: ObjectRef, uid: str | None) -> None: ...

    def emit(self, regarding: ObjectRef, severity: str, reason: str, action: str, note: str) -> None: ...

    def log(self, level: str, message: str, fields: Pairs) -> None: ...

    def log_enabled(self, level: str) -> bool: ...

    def add_counter(self, name: str, value: float, labels: Pairs) -> None: ...

    def set_gauge(self, name: str, value: float, labels: Pairs) -> None: ...

    def observe(self, name: str, value: float, labels: Pairs) -> None: ...

    def settings(self) -> str: ...

    def now(self) -> int: ...

    def monotonic(self) -> int: ...

    def random_bytes(self, length: int) -> bytes: ...

    def random_number(self) -> int: ...

    def send(self, request: HttpRequest) -> HttpResponse: ...
