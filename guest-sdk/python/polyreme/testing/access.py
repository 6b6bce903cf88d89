"""The host's default permissions, so that a missing one is found by a test.

Everything the controller asks for counts as granted. Besides, it reads its primary kind, writes status and
finalizers of the object under reconcile, and manages children of that object. The host decides by the same
rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..controller import Controller
from ..errors import Reason, Refusal
from ..host import ObjectRef
from ..objects import Kind

#: Groups that no controller may own kinds of: they must be asked for.
_GUARDED_GROUPS = {
    "coordination.k8s.io",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "authentication.k8s.io",
    "certificates.k8s.io",
}
#: Core kinds that must be asked for as well.
_GUARDED_KINDS = {"Secret", "ServiceAccount"}


@dataclass
class Wish:
    """One thing a reconcile wants to do."""

    verb: str
    target: ObjectRef
    subresource: str | None = None
    sent: Any = None
    held: Any = None

    @property
    def word(self) -> str:
        """The verb a permission must name: a subresource has one of its own."""
        return self.subresource or self.verb


@dataclass
class Access:
    """What one reconcile may do."""

    controller: Controller
    object: ObjectRef
    uid: str | None

    def check(self, wish: Wish) -> None:
        """Raises, with the remedy, unless it is allowed."""
        child = self._owns(wish.target)
        if self._asks(wish) or self._on_primary(wish) or (child and self._on_child(wish)):
            return
        remedy = (
            "it is not a child of the object under reconcile: make it by `obj.child(kind, name)`, or ask for the "
            "permission in the controller"
            if child
            else "ask for it: `Controller(asks=[Permission(kind, [verb])])`"
        )
        message = f"controller {self.controller.name!r} may not {wish.word} {wish.target}: {remedy}"
        raise Refusal(Reason.NOT_GRANTED, message)

    def lists_children_only(self, target: ObjectRef) -> bool:
        """Whether lists of a kind hold children only."""
        wish = Wish("list", target)
        return not self._asks(wish) and not self._on_primary(wish)

    def is_child(self, obj: Mapping[str, Any]) -> bool:
        """Whether the object under reconcile controls this one."""
        owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
        return any(one.get("controller") is True and one.get("uid") == self.uid for one in owners)

    def check_fields(self, target: ObjectRef, paths: Sequence[str]) -> None:
        """Raises for a field that the host has no index on. Of what it does not keep the API server knows the
        fields; children are few, and all are looked at.
        """
        if self.lists_children_only(target) or not self._keeps_all(target):
            return
        known = {"metadata.name", "metadata.namespace"}
        if _is(self.controller.primary, target):
            known |= self._indexes()
        for path in paths:
            if path not in known:
                remedy = "add it to the controller's `indexes` (for the primary kind), or read with `ctx.live`"
                raise Refusal(Reason.BAD_REQUEST, f"there is no index on {path}: {remedy}")

    def _keeps_all(self, target: ObjectRef) -> bool:
        """Whether the host has all objects of a kind in its cache."""
        controller = self.controller
        primary = [] if controller.label_selector else [controller.primary]
        watched = [watch.kind for watch in controller.watches if not watch.label_selector]
        return any(_is(kind, target) for kind in (*primary, *controller.owns, *watched))

    def _indexes(self) -> set[str]:
        """The fields of the primary that are declared, and those of mappings."""
        mapped = (watch.argument for watch in self.controller.watches if watch.mapping == "field")
        return {path.removeprefix(".") for path in (*self.controller.indexes, *mapped)}

    def _asks(self, wish: Wish) -> bool:
        return any(
            _is(one.kind, wish.target) and wish.word in one.verbs for one in self.controller.permissions()
        )

    def _on_primary(self, wish: Wish) -> bool:
        if not _is(self.controller.primary, wish.target):
            return False
        own_part = wish.subresource == "status" or _only_finalizers(wish.sent)
        changes = wish.verb in ("update", "patch", "apply")
        return wish.verb in ("get", "list") or (wish.target == self.object and own_part and changes)

    def _on_child(self, wish: Wish) -> bool:
        elsewhere = (
            self.object.namespace is not None
            and wish.target.namespace != self.object.namespace
            and wish.verb != "list"
        )
        whole = wish.verb in ("create", "update", "apply")
        stays_child = not whole or self.is_child(wish.sent)
        is_child = wish.held is None or self.is_child(wish.held)
        return not elsewhere and wish.subresource is None and stays_child and is_child

    def _owns(self, target: ObjectRef) -> bool:
        group, slash, _ = target.api_version.partition("/")
        guarded = group in _GUARDED_GROUPS if slash else target.kind in _GUARDED_KINDS
        return not guarded and any(_is(kind, target) for kind in self.controller.owns)


def _is(kind: Kind, target: ObjectRef) -> bool:
    return (kind.api_version, kind.kind) == (target.api_version, target.kind)


def _only_finalizers(sent: Any) -> bool:
    metadata = sent.get("metadata") if isinstance(sent, dict) else None
    return (
        isinstance(metadata, dict)
        and set(sent) <= {"apiVersion", "kind", "metadata"}
        and "finalizers" in metadata
        and set(metadata) <= {"finalizers", "name", "namespace", "uid", "resourceVersion"}
    )
