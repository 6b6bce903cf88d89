"""Dataclasses from JSON and back: ``ready_replicas`` is ``readyReplicas`` in JSON.

>>> from dataclasses import dataclass
>>> @dataclass
... class Spec:
...     theme: str
...     max_size: int | None = None
>>> decode(Spec, {"theme": "dark", "maxSize": 3})
Spec(theme='dark', max_size=3)
>>> encode(Spec("dark"))
{'theme': 'dark'}

A field may name itself otherwise by ``field(metadata={"json": "$ref"})``. Known types: dataclasses, ``str``,
``int``, ``float``, ``bool``, ``list[…]``, ``dict[str, …]``, ``X | None``, ``Literal[…]`` and ``Any``.
Encoding leaves out fields that are ``None``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import lru_cache
from typing import Any, TypeVar

from .errors import DecodeError

T = TypeVar("T")

#: Programs have few types of their own; this bounds the cache all the same.
_MAX_TYPES = 512

_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


def decode(kind: type[T], value: Any, path: str = "", *, strict: bool = False) -> T:
    """A value of this type; with ``strict``, fields that it does not know are faults.

    :raises DecodeError: ``spec.replicas: expected an integer, found "three"``.
    """
    return typing.cast(T, _decode(kind, value, path, strict))


def encode(value: Any) -> Any:
    """Plain JSON values for what may hold dataclasses."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((name, getattr(value, field)) for field, name, *_ in _fields(type(value)))
        return {name: encode(held) for name, held in fields if held is not None}
    if isinstance(value, dict):
        return {key: encode(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(held) for held in value]
    return value


def known(value: Any, held: Any) -> Any:
    """Of what is held, the part that the dataclasses in ``value`` have fields for."""
    if not dataclasses.is_dataclass(value) or not isinstance(held, dict):
        return held
    fields = ((name, getattr(value, field)) for field, name, *_ in _fields(type(value)))  # type: ignore[arg-type]
    return {name: known(inner, held[name]) for name, inner in fields if name in held}


def _decode(kind: Any, value: Any, path: str, strict: bool) -> Any:
    if kind is Any or kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), value, path, strict)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _optional(kind, arguments, value, path, strict)
    if origin is typing.Literal:
        _expect(value in arguments, " or ".join(map(repr, arguments)), value, path)
        return value
    if (origin or kind) is list:
        _expect(isinstance(value, list), "a list", value, path)
        item = arguments[0] if arguments else Any
        return [_decode(item, held, f"{path}[{index}]", strict) for index, held in enumerate(value)]
    if (origin or kind) is dict:
        _expect(isinstance(value, dict), "an object", value, path)
        item = arguments[1] if arguments else Any
        return {key: _decode(item, held, _join(path, key), strict) for key, held in value.items()}
    return _scalar(kind, value, path)


def _scalar(kind: Any, value: Any, path: str) -> Any:
    if kind not in _NAMES:
        raise TypeError(f"{path or 'the whole'}: {kind!r} cannot be decoded; see polyreme.codec for what can")
    # In Python True is an int; in JSON it is no number.
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _expect(fits, _NAMES[kind], value, path)
    return value


def _optional(kind: Any, arguments: tuple[Any, ...], value: Any, path: str, strict: bool) -> Any:
    some = [one for one in arguments if one is not type(None)]
    if len(some) != 1:
        raise TypeError(f"{path or 'the whole'}: {kind!r} cannot be decoded: JSON does not say which it is")
    return None if value is None else _decode(some[0], value, path, strict)


def _dataclass(kind: type, value: Any, path: str, strict: bool) -> Any:
    _expect(isinstance(value, dict), "an object", value, path)
    known: dict[str, Any] = {}
    fields = _fields(kind)
    for field, name, hint, required in fields:
        # As everywhere in Kubernetes, null is absent.
        if value.get(name) is not None:
            known[field] = _decode(hint, value[name], _join(path, name), strict)
        elif required:
            raise DecodeError(f"{_join(path, name)}: missing")
    unknown = set(value) - {name for _, name, *_ in fields} if strict else ()
    for name in sorted(unknown):
        raise DecodeError(f"{_join(path, name)}: unknown; known are {', '.join(name for _, name, *_ in fields)}")
    return kind(**known)


@lru_cache(maxsize=_MAX_TYPES)
def _fields(kind: type) -> tuple[tuple[str, str, Any, bool], ...]:
    """Name, name in JSON, type, and whether it must be there."""
    hints = typing.get_type_hints(kind)
    return tuple(
        (field.name, field.metadata.get("json") or _camel(field.name), hints[field.name], _is_required(field))
        for field in dataclasses.fields(kind)
        if field.init
    )


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _expect(fits: bool, what: str, value: Any, path: str) -> None:
    if not fits:
        raise DecodeError(f"{path or 'the whole'}: expected {what}, found {value!r:.80}")
