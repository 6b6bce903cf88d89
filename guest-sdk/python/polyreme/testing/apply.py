"""Server-side apply on JSON trees."""

from __future__ import annotations

from typing import Any

#: What names an item of a list, tried in this order. Kubernetes' schemas say which it is; in the kinds that
#: controllers write, these are they.
_ITEM_KEYS = ("uid", "type", "name", "containerPort", "port")

_NOTHING = object()


def apply(held: Any, before: Any, applied: Any) -> Any:
    """What is held with ``applied`` laid over it, without what ``before``, the last apply of the same manager,
    had and this one has not.
    """
    if isinstance(held, dict) and isinstance(applied, dict):
        return _apply_object(held, before if isinstance(before, dict) else {}, applied)
    if isinstance(held, list) and isinstance(applied, list):
        return _apply_list(held, before if isinstance(before, list) else [], applied)
    return applied


def _apply_object(held: dict[str, Any], before: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in held.items():
        left = value if key in applied or key not in before else _without_own(value, before[key])
        if left is not _NOTHING:
            kept[key] = left
    for key, value in applied.items():
        kept[key] = apply(kept[key], before.get(key), value) if key in kept else value
    return kept


def _without_own(held: Any, before: Any) -> Any:
    """What others have in a field that is not named any more."""
    if isinstance(held, dict) and isinstance(before, dict):
        return _apply_object(held, before, {}) or _NOTHING
    if isinstance(held, list) and isinstance(before, list):
        return _apply_list(held, before, []) or _NOTHING
    return _NOTHING


def _apply_list(held: list[Any], before: list[Any], applied: list[Any]) -> list[Any]:
    key = _item_key([*held, *applied])
    if key is None:
        return applied
    new = {str(item[key]): item for item in applied}
    old = {str(item.get(key)): item for item in before if isinstance(item, dict)}
    merged = []
    for item in held:
        name = str(item[key])
        if name in new:
            merged.append(apply(item, old.get(name), new.pop(name)))
        elif name not in old:
            merged.append(item)
    return [*merged, *new.values()]


def _item_key(items: list[Any]) -> str | None:
    """The key that every item has."""
    have = (key for key in _ITEM_KEYS if all(isinstance(item, dict) and key in item for item in items))
    return next(have, None)
