"""Requests that are not carried out."""

from __future__ import annotations

from polyreme import ApiError, Context, Object, kinds

from .case import Output, child, given, named, refusal

#: More than ``limits.payload`` by default.
TOO_MUCH_BYTES = 4 << 20


@named("invalid")
def invalid(ctx: Context, case: Object) -> Output:
    target = child(case, "invalid-child")
    target["data"] = {"not/valid": ""}
    try:
        ctx.apply(target)
    except ApiError as error:
        return {"reason": error.reason.value, "cause": error.causes[0] if error.causes else None}
    return {"reason": "none"}


@named("forbidden")
def forbidden(ctx: Context, case: Object) -> Output:
    late = kinds.CONFIG_MAP.object("late", given(case)["namespace"])
    return refusal(lambda: ctx.create(late))


@named("not-granted")
def not_granted(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.get(kinds.SECRET, "anything"))


@named("limit-exceeded")
def limit_exceeded(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.apply(child(case, "limit-exceeded-child", text="x" * TOO_MUCH_BYTES)))


@named("bad-request")
def bad_request(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}))
