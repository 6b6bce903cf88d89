"""The objects of a fake cluster, and what an API server does to them."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable, Iterator

from .. import merge
from ..errors import Reason, Refusal
from ..host import ObjectRef, RawWritten, WriteOptions
from .apply import apply

_SERVER_SETS = ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation")

JSON = dict[str, Any]


def not_found(target: ObjectRef) -> Refusal:
    """The refusal of what asks for an object that is not there."""
    return Refusal(Reason.NOT_FOUND, f"{target} not found")


class Store:
    """Objects by reference. What goes in and out is copied."""

    def __init__(self) -> None:
        self._objects: dict[ObjectRef, JSON] = {}
        self._applied: dict[tuple[ObjectRef, str], JSON] = {}
        self._version = 0

    def find(self, target: ObjectRef) -> JSON | None:
        held = self._objects.get(target)
        return copy.deepcopy(held)

    def get(self, target: ObjectRef) -> JSON:
        held = self.find(target)
        if held is None:
            raise not_found(target)
        return held

    def all(self, api_version: str, kind: str) -> Iterator[JSON]:
        """By namespace and name."""
        of_kind = [ref for ref in self._objects if (ref.api_version, ref.kind) == (api_version, kind)]
        for ref in sorted(of_kind, key=lambda ref: (ref.namespace or "", ref.name)):
            yield copy.deepcopy(self._objects[ref])

    def seed(self, target: ObjectRef, obj: JSON, now: str) -> None:
        """Puts an object in as it is, with what the API server would add."""
        obj, version = copy.deepcopy(obj), self._version + 1
        metadata = obj.setdefault("metadata", {})
        metadata.setdefault("uid", f"00000000-0000-0000-0000-{version:012x}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", now)
        self._keep(target, obj)

    def edit(self, target: ObjectRef, obj: JSON) -> None:
        """Changes an object as no controller would: any part of it at once."""
        held, obj = self.get(target), copy.deepcopy(obj)
        _raise_generation(held, obj)
        self._keep(target, obj)
        self._drop_if_released(target)

    def create(self, target: ObjectRef, obj: JSON, options: WriteOptions, now: str) -> RawWritten:
        if target in self._objects:
            raise Refusal(Reason.ALREADY_EXISTS, f"{target} exists")
        obj = {key: value for key, value in obj.items() if key != "status"}
        if options.dry_run:
            return _written(True, {**obj, "metadata": {"generation": 1, **obj["metadata"]}})
        self.seed(target, obj, now)
        return _written(True, self.get(target))

    def update(self, target: ObjectRef, obj: JSON, options: WriteOptions) -> RawWritten:
        self.get(target)
        if not obj["metadata"].get("resourceVersion"):
            raise Refusal(Reason.INVALID, "metadata.resourceVersion must be specified for an update")
        return self._change(target, obj, options, lambda held: copy.deepcopy(obj))

    def merge_patch(self, target: ObjectRef, patch: JSON, options: WriteOptions) -> RawWritten:
        return self._change(target, patch, options, lambda held: merge.patch(held, copy.deepcopy(patch)))

    def apply(self, target: ObjectRef, obj: JSON, manager: str, options: WriteOptions, now: str) -> RawWritten:
        if obj["metadata"].get("managedFields"):
            raise Refusal(Reason.BAD_REQUEST, "metadata.managedFields must be nil")
        place = (target, manager)
        before = self._applied.get(place)
        if target not in self._objects:
            written = self.create(target, obj, options, now)
        else:
            sent = copy.deepcopy(obj)
            written = self._change(target, obj, options, lambda held: apply(held, before, sent))
        if not options.dry_run:
            self._applied[place] = copy.deepcopy(obj)
        return written

    def delete(self, target: ObjectRef, uid: str | None, now: str) -> None:
        """Deletes an object, or marks it when a finalizer holds it."""
        held = self.get(target)
        if uid is not None and held["metadata"]["uid"] != uid:
            raise Refusal(Reason.CONFLICT, "another object has this name now")
        held["metadata"].setdefault("deletionTimestamp", now)
        self._keep(target, held)
        self._drop_if_released(target)

    def _change(
        self, target: ObjectRef, sent: JSON, options: WriteOptions, change: Callable[[JSON], JSON]
    ) -> RawWritten:
        """A change under the rules that every write keeps to; what was sent may name a version or uid."""
        held = self.get(target)
        for field in ("resourceVersion", "uid"):
            named = (sent.get("metadata") or {}).get(field)
            if named is not None and named != held["metadata"].get(field):
                raise Refusal(Reason.CONFLICT, f"{target} has another {field}")
        after = _settle(held, change(copy.deepcopy(held)), options.subresource)
        if merge.difference(held, after) is merge.SAME:
            return _written(False, held)
        if options.dry_run:
            return _written(True, after)
        self._keep(target, after)
        written = _written(True, self.get(target))
        self._drop_if_released(target)
        return written

    def _keep(self, target: ObjectRef, obj: JSON) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._objects[target] = obj

    def _drop_if_released(self, target: ObjectRef) -> None:
        """Removes a deleted object without finalizers, and then what it owned."""
        metadata = self._objects[target]["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self._objects[target]
            self._applied = {place: sent for place, sent in self._applied.items() if place[0] != target}
            self._collect_garbage()

    def _collect_garbage(self) -> None:
        """Removes objects whose owners are all gone, until there are none."""
        while True:
            uids = {obj["metadata"]["uid"] for obj in self._objects.values()}
            orphans = [ref for ref, obj in self._objects.items() if _is_orphan(obj, uids)]
            if not orphans:
                return
            for ref in orphans:
                del self._objects[ref]


def _is_orphan(obj: JSON, uids: set[str]) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return bool(owners) and not any(owner.get("uid") in uids for owner in owners)


def _settle(held: JSON, after: JSON, subresource: str | None) -> JSON:
    """Keeps what a write may not change: status without its subresource, everything else with it, and what
    the server alone sets. Raises the generation when wishes changed.
    """
    status = after.get("status") if subresource == "status" else held.get("status")
    settled = copy.deepcopy(held) if subresource == "status" else after
    _set(settled, "status", status)
    for field in _SERVER_SETS:
        _set(settled["metadata"], field, held["metadata"].get(field))
    _raise_generation(held, settled)
    return settled


def _raise_generation(held: JSON, after: JSON) -> None:
    if merge.difference(_wishes(held), _wishes(after)) is not merge.SAME:
        after["metadata"]["generation"] = held["metadata"].get("generation", 0) + 1


def _wishes(obj: JSON) -> JSON:
    """Everything outside metadata and status."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _set(fields: JSON, name: str, value: Any) -> None:
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value


def _written(changed: bool, obj: JSON) -> RawWritten:
    metadata = obj["metadata"]
    return RawWritten(
        changed,
        metadata.get("uid", ""),
        metadata.get("resourceVersion", ""),
        metadata.get("generation", 0),
        json.dumps(obj),
    )
