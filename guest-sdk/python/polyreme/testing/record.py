"""What a reconcile did, as the fake remembers it. Writes and events are equal to their texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ..host import ObjectRef


class _Text:
    """Compares with, and looks like, its text."""

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return str(self) == other if isinstance(other, str) else vars(self) == getattr(other, "__dict__", None)

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False, repr=False)
class Write(_Text):
    """A write that changed something: ``apply Deployment shop/web``, ``patch Website/status shop/page``."""

    #: create, update, patch, apply or delete.
    verb: str
    target: ObjectRef
    subresource: str | None
    #: The object or the patch that was sent; ``None`` for a delete.
    body: Any

    def __str__(self) -> str:
        kind = f"{self.target.kind}/{self.subresource}" if self.subresource else self.target.kind
        place = f"{self.target.namespace}/" if self.target.namespace else ""
        return f"{self.verb} {kind} {place}{self.target.name}"


@dataclass(eq=False, repr=False)
class Event(_Text):
    """An event: ``Warning ThemeNotFound: no theme "x"``."""

    regarding: ObjectRef
    severity: str
    reason: str
    action: str
    note: str

    def __str__(self) -> str:
        return f"{self.severity.capitalize()} {self.reason}: {self.note}"


@dataclass(frozen=True)
class LogLine:
    """A line of log."""

    level: str
    message: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A value given to a metric."""

    name: str
    value: float
    labels: Mapping[str, str]
