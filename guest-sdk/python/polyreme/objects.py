"""Kinds and objects. An object is a ``dict`` as it came from the API server, with what controllers ask of
metadata as properties; nothing that a program does not know is lost when it is written back.

Integers of any size survive. Numbers with a fraction are 64-bit floats, and ``1.0`` stays ``1.0``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, TypeVar

from .codec import decode, encode
from .errors import DecodeError, EncodeError
from .host import ObjectRef, reference_of

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """A kind: ``Kind("apps/v1", "Deployment")``; the core group is just ``v1``."""

    api_version: str
    kind: str
    #: Whether its objects live in namespaces.
    namespaced: bool = True

    def object(self, name: str, namespace: str | None = None, **fields: Any) -> Object:
        """An object with these top-level fields: ``spec=…``, ``data=…``."""
        metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        return Object(
            {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **encode_fields(fields)}
        )

    def ref(self, namespace: str | None, name: str) -> ObjectRef:
        """The reference to one object; the namespace is dropped for cluster-scoped kinds."""
        return reference_of((self.api_version, self.kind, namespace if self.namespaced else None, name))


class Object(dict[str, Any]):
    """A Kubernetes object: a ``dict`` with helpers.

    >>> theme = Kind("example.com/v1", "Theme").object("dark", "web", spec={"color": "black"})
    >>> theme.name, theme["spec"]["color"], theme.get_path("spec.font", "serif")
    ('dark', 'black', 'serif')
    """

    @property
    def api_version(self) -> str:
        """``apiVersion``."""
        return str(self.get("apiVersion", ""))

    @property
    def kind(self) -> str:
        """``kind``."""
        return str(self.get("kind", ""))

    @property
    def metadata(self) -> dict[str, Any]:
        """``metadata``; made when it is missing."""
        return self.setdefault("metadata", {})  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """``metadata.name``; empty when it has none yet."""
        return self.metadata.get("name") or ""

    @property
    def namespace(self) -> str | None:
        """``metadata.namespace``."""
        return self.metadata.get("namespace") or None

    @property
    def uid(self) -> str:
        """``metadata.uid``; empty when the API server has not given one yet."""
        return self.metadata.get("uid") or ""

    @property
    def generation(self) -> int:
        """``metadata.generation``: counts changes of what users wish for; 0 when unset."""
        return self.metadata.get("generation") or 0

    @property
    def labels(self) -> Mapping[str, str]:
        """``metadata.labels``; empty when there are none."""
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """``metadata.annotations``; empty when there are none."""
        return self.metadata.get("annotations") or {}

    @property
    def finalizers(self) -> list[str]:
        """``metadata.finalizers``."""
        return list(self.metadata.get("finalizers") or ())

    @property
    def is_deleting(self) -> bool:
        """Whether the object waits for its finalizers."""
        return self.metadata.get("deletionTimestamp") is not None

    @property
    def ref(self) -> ObjectRef:
        """Kind, namespace and name, as the contract names objects."""
        return ObjectRef(self.api_version, self.kind, self.namespace, self.name)

    def get_path(self, path: str, default: Any = None) -> Any:
        """The value at a path, ``spec.theme``, or the default where there is none."""
        value: Any = self
        for part in path.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def decode(self, field: str, kind: type[T]) -> T:
        """A top-level field as a dataclass: ``hello.decode("spec", HelloSpec)``.

        :raises DecodeError: with the path of what does not fit. A missing field counts as ``{}``.
        """
        value = self.get(field)
        try:
            return decode(kind, {} if value is None else value, field)
        except DecodeError as error:
            raise DecodeError(f"failed to decode {self.ref} at {error}") from None

    def controller_reference(self) -> dict[str, Any]:
        """An owner reference that makes this object the controller of another: that one is garbage
        collected with this one, and its changes lead back here. Needs ``metadata.uid``, so only objects
        that came from the API server can own.
        """
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def child(
        self,
        kind: Kind,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Object:
        """An object that this one controls, in the same namespace, with these top-level fields."""
        child = kind.object(name, self.namespace, **fields)
        child.metadata["ownerReferences"] = [self.controller_reference()]
        if labels is not None:
            child.metadata["labels"] = dict(labels)
        if annotations is not None:
            child.metadata["annotations"] = dict(annotations)
        return child

    def is_controlled_by(self, owner: Object) -> bool:
        """Whether ``owner`` is the controller of this object, by uid."""
        references = self.metadata.get("ownerReferences") or ()
        return any(one.get("controller") is True and one.get("uid") == owner.uid for one in references)


def encode_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dataclasses among the fields as plain values."""
    return {name: encode(value) for name, value in fields.items()}


def parse(text: str, target: object) -> Object:
    """The object in what the host sent."""
    # As `json.loads`, without its search for space around the value, which the host never sends.
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError):
        end = -1
    if end != len(text):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DecodeError(f"failed to decode {target}: {error}") from error
    return Object(value)


def dump(value: Any, target: object) -> str:
    """JSON as compact as it can be; non-ASCII as it is. NaN and infinities do not exist in JSON, nor do halves of
    surrogate pairs in its UTF-8.
    """
    try:
        text = _ENCODER.encode(value)
        if not text.isascii():
            text.encode()
        return text
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"failed to encode {target}: {error}") from error


_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
