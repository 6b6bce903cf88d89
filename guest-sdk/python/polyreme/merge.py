"""JSON merge patches (RFC 7396): how a status is written without what did not change."""

from __future__ import annotations

from typing import Any

#: There is nothing to patch; ``None`` would be a patch that removes.
SAME = object()


def difference(before: Any, after: Any) -> Any:
    """The merge patch that turns one value into the other; :data:`SAME` when they are equal.

    ``1`` and ``1.0`` and ``True`` are not equal here, though Python says so.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        patch = {key: None for key in before if key not in after and before[key] is not None}
        for key, value in after.items():
            change = difference(before.get(key), value)
            if change is not SAME:
                patch[key] = change
        return patch or SAME
    return SAME if _equal(before, after) else after


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def patch(target: Any, change: Any) -> Any:
    """The target after a merge patch; the target itself is left as it is."""
    if not isinstance(change, dict):
        return change
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = patch(merged.get(key), value)
    return merged
