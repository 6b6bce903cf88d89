"""How a reconcile can end, and the finalizer flow."""

from __future__ import annotations

import logging

from polyreme import Context, Object, Phase, Retry, Terminal, kinds, requeue_after

from .case import Outcome, Output, Silent, given, named, plain

LOG = logging.getLogger(__name__)

FINALIZER = "cases.polyreme.dev/cleanup"
OUTSIDE = "finalizer-outside"
COUNTS = 3
DELAY_SECONDS = 0.02
FAILURES = 2


@named("requeue")
def requeue(ctx: Context, case: Object) -> Outcome:
    count = case.get_path("status.output.count", 0)
    if count == COUNTS:
        return Silent()
    output = {"count": count + 1}
    return output if count + 1 == COUNTS else (output, requeue_after(DELAY_SECONDS))


@named("retry")
def retry(ctx: Context, case: Object) -> Output:
    if ctx.attempt < FAILURES:
        raise Retry(f"not yet: attempt {ctx.attempt}, key {ctx.idempotency_key}")
    return {"attempt": ctx.attempt, "key": ctx.idempotency_key}


@named("terminal")
def terminal(ctx: Context, case: Object) -> Output:
    if given(case).get("fixed") is not True:
        raise Terminal("never again")
    return {"fixed": True}


@named("panic")
def panic(ctx: Context, case: Object) -> Output:
    if ctx.attempt == 0:
        raise RuntimeError("the guest gave up")
    return {"attempt": ctx.attempt}


@named("finalizer")
def finalizer(ctx: Context, case: Object) -> Outcome:
    phase = ctx.finalizer(case, FINALIZER)
    if phase is Phase.APPLY:
        ctx.apply(plain(case, OUTSIDE, **{"for": "finalizer"}))
        return {"phase": "apply"}
    if phase is Phase.CLEANUP:
        ctx.delete_named(kinds.CONFIG_MAP, OUTSIDE)
        LOG.info("cleaned up")
        ctx.finalized(case, FINALIZER)
    return Silent()
