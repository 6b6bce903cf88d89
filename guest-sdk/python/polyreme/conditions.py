"""Standard conditions: ``status.conditions`` as ``kubectl wait --for=condition=Ready`` reads them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Iterable, Literal

from .objects import Object

Status = Literal["True", "False", "Unknown"]
Condition = dict[str, Any]


def set_condition(
    conditions: Iterable[Condition] | None,
    of: Object,
    type: str,
    status: bool | None,
    reason: str,
    message: str,
    now: datetime,
) -> list[Condition]:
    """The list with this condition, and the others as they were. ``status=None`` means Unknown.

    ``reason`` is CamelCase and must not be empty, or the API server refuses it. ``lastTransitionTime`` moves
    only when the status does, so a list that says what it said is equal to the one before.

    >>> web = Object(metadata={"name": "web", "generation": 2})
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    >>> set_condition([], web, "Ready", False, "Waiting", "0 of 1 replicas", noon)[0]["lastTransitionTime"]
    '2026-01-01T12:00:00Z'
    """
    held = [dict(one) for one in conditions or ()]
    text: Status = "Unknown" if status is None else "True" if status else "False"
    before = next((one for one in held if one.get("type") == type), None)
    moved = before is None or before.get("status") != text
    wanted: Condition = {
        "type": type,
        "status": text,
        "reason": reason,
        "message": message,
        "observedGeneration": of.generation,
        "lastTransitionTime": timestamp(now) if before is None or moved else before.get("lastTransitionTime"),
    }
    if before is None:
        return [*held, wanted]
    return [wanted if one is before else one for one in held]


def is_true(conditions: Iterable[Condition] | None, type: str) -> bool:
    """Whether this condition is True."""
    return any(one.get("type") == type and one.get("status") == "True" for one in conditions or ())


def timestamp(now: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
