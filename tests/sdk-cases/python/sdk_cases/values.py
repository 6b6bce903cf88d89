"""The request, settings, numbers and texts, as they come and go."""

from __future__ import annotations

import logging

from polyreme import Context, Object

from .case import Output, child, given, named

LOG = logging.getLogger(__name__)

#: Just below what a ConfigMap holds.
COPIED_BYTES = 917_504
ENDS_BYTES = 16


@named("idle")
@named("gone")
def idle(ctx: Context, case: Object) -> Output:
    return {}


@named("request")
def request(ctx: Context, case: Object) -> Output:
    LOG.info("reconcile %s", ctx.id)
    ref = ctx.object
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "attempt": ctx.attempt,
        "id": ctx.id,
        "idempotencyKey": ctx.idempotency_key,
        "epoch": str(ctx.epoch),
    }


@named("settings")
def settings(ctx: Context, case: Object) -> Output:
    return {"settings": ctx.settings()}


@named("numbers")
def numbers(ctx: Context, case: Object) -> Output:
    return {"numbers": given(case), "next": given(case)["beyond"] + 1}


@named("unicode")
def unicode(ctx: Context, case: Object) -> Output:
    text = given(case)["text"]
    LOG.info(text)
    return {
        "text": text,
        "characters": len(text),
        "bytes": len(text.encode()),
        "key": given(case)["naïve🔑"],
    }


@named("deep")
def deep(ctx: Context, case: Object) -> Output:
    place, depth = given(case), 0
    while "nested" in place:
        place, depth = place["nested"], depth + 1
    return {"depth": depth, "leaf": place["leaf"]}


@named("large")
def large(ctx: Context, case: Object) -> Output:
    text = given(case)["text"]
    ctx.apply(child(case, "large-copy", text=text[:COPIED_BYTES]))
    return {"bytes": len(text), "first": text[:ENDS_BYTES], "last": text[-ENDS_BYTES:]}
