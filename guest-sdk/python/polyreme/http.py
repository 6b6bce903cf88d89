"""Requests to servers outside of Kubernetes: what comes back. They are sent by :meth:`polyreme.Context.http`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .codec import decode
from .errors import DecodeError, Retry

T = TypeVar("T")

#: Characters of an unexpected response that an error repeats.
_SHOWN = 200


@dataclass(frozen=True)
class Response:
    """What an outside server answered, whatever the status. Redirects are not followed."""

    status: int
    body: bytes = b""
    #: Names in lower case; one may be there several times.
    headers: list[tuple[str, str]] = field(default_factory=list)
    #: Method and URL without the query, for messages.
    asked: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def success(self) -> Response:
        """The response, when its status is 2xx.

        :raises Retry: with status and the beginning of the body.
        """
        if not self.is_success:
            raise Retry(f"{self.asked} answered {self.status}: {self.text()[:_SHOWN]}")
        return self

    def header(self, name: str) -> str | None:
        """The first header of a name, in whatever case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self, kind: type[T] | None = None) -> Any:
        """The body, as plain values or as a dataclass.

        :raises Retry: when it is no JSON, or does not fit; servers change.
        """
        try:
            held = json.loads(self.text())
            return held if kind is None else decode(kind, held)
        except (ValueError, DecodeError) as error:
            raise Retry(f"failed to read the response to {self.asked}: {error}") from None
