"""Label and field selectors, as the API server reads them."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from ..errors import Reason, Refusal

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^!=\s]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^!=\s]*)$")
_EXISTENCE = re.compile(r"^(?P<not>!?)\s*(?P<key>[^!=\s]+)$")

Test = Callable[[Mapping[str, str]], bool]


def labels(selector: str) -> Test:
    """A test of an object's labels."""
    # A comma inside parentheses separates values, not terms.
    terms = [_term(term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    return lambda held: all(term(held) for term in terms)


def _term(text: str) -> Test:
    if match := _SET.match(text):
        key, values = match["key"], {one.strip() for one in match["values"].split(",")}
        wanted = match["op"] == "in"
        return lambda held: (held.get(key) in values) == wanted
    if match := _EQUALITY.match(text):
        key, value, equal = match["key"], match["value"], match["op"] != "!="
        return lambda held: (held.get(key) == value) == equal
    if match := _EXISTENCE.match(text):
        key, present = match["key"], not match["not"]
        return lambda held: (key in held) == present
    raise Refusal(Reason.BAD_REQUEST, f"label selector: {text!r} is no term")


def fields(selector: str) -> Callable[[Mapping[str, Any]], bool]:
    """A test of an object: equality terms, all of which must hold. An absent field is empty."""
    terms = _field_terms(selector)
    return lambda obj: all((_field(obj, path) == value) == equal for path, value, equal in terms)


def field_paths(selector: str) -> list[str]:
    """The fields that a selector selects by."""
    return [path for path, _, _ in _field_terms(selector)]


def _field_terms(selector: str) -> list[tuple[str, str, bool]]:
    return [_field_term(term) for term in re.split(r"(?<!\\),", selector) if term]


def _field_term(text: str) -> tuple[str, str, bool]:
    match = re.match(r"^(?P<path>[^!=]+)(?P<op>==|=|!=)(?P<value>.*)$", text)
    if match is None:
        raise Refusal(Reason.BAD_REQUEST, f"field selector: {text!r} is no term")
    return match["path"].removeprefix("."), re.sub(r"\\(.)", r"\1", match["value"]), match["op"] != "!="


def _field(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
