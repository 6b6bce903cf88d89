"""Every way of writing, with its options."""

from __future__ import annotations

import json
import logging
from typing import Any

from componentize_py_types import Err
from polyreme import Context, Object, Retry, kinds
from wit_world.imports import kubernetes, types

from .case import CASE, Output, child, named, plain, reason

LOG = logging.getLogger(__name__)


@named("create")
def create(ctx: Context, case: Object) -> Output:
    written = ctx.create(child(case, "create-child", made="yes"))
    return {
        "changed": written.changed,
        "uid": written.uid,
        "resourceVersion": written.resource_version,
        "generation": written.generation,
    }


@named("create-existing")
def create_existing(ctx: Context, case: Object) -> Output:
    return {"reason": reason(lambda: ctx.create(plain(case, "create-existing-target", made="again")))}


@named("update")
def update(ctx: Context, case: Object) -> Output:
    return {"changed": ctx.update(changed(ctx, "update-target")).changed}


@named("update-conflict")
def update_conflict(ctx: Context, case: Object) -> Output:
    target = changed(ctx, "update-conflict-target")
    target.metadata["resourceVersion"] = "1"
    return {"reason": reason(lambda: ctx.update(target))}


def changed(ctx: Context, name: str) -> Object:
    target = ctx.get(kinds.CONFIG_MAP, name)
    target.setdefault("data", {})["changed"] = "after"
    return target


@named("apply")
def apply(ctx: Context, case: Object) -> Output:
    both = child(case, "apply-child", kept="1", left="1")
    one = child(case, "apply-child", kept="1")
    return {"changed": [ctx.apply(obj).changed for obj in (both, one, one)]}


@named("apply-force")
def apply_force(ctx: Context, case: Object) -> Output:
    target = plain(case, "apply-force-target", owner="guest")
    refused = reason(lambda: ctx.apply(target, force=False))
    return {"reason": refused, "forced": ctx.apply(target).changed}


@named("apply-all")
def apply_all(ctx: Context, case: Object) -> Output:
    children = [child(case, f"apply-all-{index}", index=str(index)) for index in range(8)]
    children[4]["data"] = {"not/valid": ""}
    return {"reason": reason(lambda: ctx.apply_all(children))}


@named("write-options")
def write_options(ctx: Context, case: Object) -> Output:
    dry = reason(lambda: ctx.apply(child(case, "write-options-dry"), dry_run=True))
    returned = ctx.apply(
        child(case, "write-options-child", returned="1"),
        force=False,
        field_manager="sdk-cases/another",
        want_object=True,
    )
    return {"dryRun": dry == "none", "returned": returned.object and returned.object["data"]["returned"]}


@named("patch-merge")
def patch_merge(ctx: Context, case: Object) -> Output:
    target = ctx.get(kinds.CONFIG_MAP, "patch-merge-target")
    return {"changed": ctx.merge_patch(target, {"data": {"gone": None, "changed": "after"}}).changed}


@named("patch-json")
def patch_json(ctx: Context, case: Object) -> Output:
    first = [
        {"op": "test", "path": "/data/from", "value": "1"},
        {"op": "move", "from": "/data/from", "path": "/data/to"},
        {"op": "replace", "path": "/metadata/annotations/example.com~1note", "value": "after"},
    ]
    written = patch(case, "patch-json-target", kubernetes.PatchType.JSON_PATCH, first)
    if isinstance(written, types.Error):
        raise Retry(written.message)
    second = [{"op": "test", "path": "/data/to", "value": "2"}]
    refused = patch(case, "patch-json-target", kubernetes.PatchType.JSON_PATCH, second)
    word = refused.reason.name.lower() if isinstance(refused, types.Error) else "none"
    return {"changed": written.changed, "refused": word}


@named("patch-strategic")
def patch_strategic(ctx: Context, case: Object) -> Output:
    added = {"metadata": {"finalizers": ["example.com/second"]}}
    written = patch(case, "patch-strategic-target", kubernetes.PatchType.STRATEGIC, added)
    if isinstance(written, types.Error):
        raise Retry(written.message)
    return {"changed": written.changed}


def patch(case: Object, name: str, patch_type: kubernetes.PatchType, body: Any) -> Any:
    """By the raw binding: controllers have little use for patches other than merge patches."""
    options = kubernetes.WriteOptions(None, None, False, False, False)
    try:
        return kubernetes.patch(plain(case, name).ref, patch_type, json.dumps(body), options)
    except Err as error:
        return error.value


@named("status")
def status(ctx: Context, case: Object) -> Output:
    output = {"list": [{"a": 1}, {"b": []}], "text": "", "flag": False, "zero": 0}
    wanted = {"observedGeneration": case.generation, "output": output}
    LOG.info("changed %s", str(ctx.patch_status(case, wanted)).lower())
    again = ctx.get(CASE, case.name)
    LOG.info("changed %s", str(ctx.patch_status(again, wanted)).lower())
    return output


@named("delete")
def delete(ctx: Context, case: Object) -> Output:
    return {"existed": [ctx.delete_named(kinds.CONFIG_MAP, "delete-target") for _ in range(2)]}


@named("delete-precondition")
def delete_precondition(ctx: Context, case: Object) -> Output:
    target = plain(case, "delete-precondition-target")
    target.metadata["uid"] = "00000000-0000-0000-0000-000000000000"
    return {"reason": reason(lambda: ctx.delete(target))}


@named("owned")
def owned(ctx: Context, case: Object) -> Output:
    ctx.apply(child(case, "owned-child", made="yes"))
    return {}
