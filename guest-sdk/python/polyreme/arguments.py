"""What a controller passes to its context, as the contract has it.

A value of another type would end the instance at the border to the host, without a word about which: so texts are
made of what is given, and what cannot be meant raises an exception that names it, in a component and on the fake
alike.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

from .host import ObjectRef, WriteOptions

_MAX_U32 = 2**32 - 1
_MAX_U64 = 2**64 - 1


def whole(text: str) -> str:
    """A text without halves of surrogate pairs: two that belong together become their character, others U+FFFD. The
    contract's texts are UTF-8, which cannot hold one, so that it would end the instance.
    """
    if text.isascii():
        return text
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text(value: object) -> str:
    """The text of any value."""
    return whole(value if isinstance(value, str) else str(value))


def name(what: str, value: Any) -> str:
    """What names something: no other value can be meant."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {value!r:.80}")
    return whole(value)


def name_or_none(what: str, value: Any) -> str | None:
    """As :func:`name`, of what may be absent."""
    return None if value is None else name(what, value)


def one_of(what: str, words: Sequence[str], value: Any) -> str:
    """One of a few words."""
    if value not in words:
        raise ValueError(f"{what} must be one of {', '.join(words)}, not {value!r:.80}")
    return words[words.index(value)]


def finite(what: str, value: Any) -> float:
    """A number with a value."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{what} must be a number, not {value!r:.80}") from None
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a finite number, not {value!r:.80}")
    return number


def amount(what: str, value: Any) -> int:
    """How many."""
    return _whole_number(what, value, _MAX_U32)


def whole_milliseconds(what: str, value: Any) -> int:
    """A duration in milliseconds already."""
    return _whole_number(what, value, _MAX_U64)


def milliseconds(what: str, seconds: Any) -> int:
    """A duration in seconds, rounded to whole milliseconds."""
    millis = finite(what, seconds) * 1000
    if not 0 <= millis <= _MAX_U64:
        raise ValueError(f"{what} must be a number of seconds, neither negative nor too large, not {seconds!r:.80}")
    return round(millis)


def pairs(fields: Mapping[Any, object]) -> list[tuple[str, str]]:
    """Labels, fields and headers."""
    return [(text(key), text(value)) for key, value in fields.items()]


def reference(target: ObjectRef) -> ObjectRef:
    """A reference of texts only."""
    api_version, kind, namespace, called = target
    return ObjectRef(
        name("api_version", api_version), name("kind", kind), name_or_none("namespace", namespace), name("name", called)
    )


def write_options(options: Mapping[str, Any]) -> WriteOptions:
    """How to write; what is ``None`` is as good as absent."""
    how = WriteOptions(**options)
    if how.subresource is not None:
        how.subresource = name("subresource", how.subresource)
    if how.field_manager is not None:
        how.field_manager = name("field_manager", how.field_manager)
    how.force, how.dry_run, how.want_object = bool(how.force), bool(how.dry_run), bool(how.want_object)
    return how


def _whole_number(what: str, value: Any, most: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {value!r:.80}")
    if not 0 <= value <= most:
        raise ValueError(f"{what} must be from 0 to {most}, not {value}")
    return int(value)
