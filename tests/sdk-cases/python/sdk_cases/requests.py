"""Servers outside of Kubernetes."""

from __future__ import annotations

from polyreme import Context, Object

from .case import Output, given, named, refusal

#: More than ``limits.payload`` by default.
TOO_MUCH_BYTES = 4 << 20


def at(case: Object, path: str) -> str:
    """A URL below the server of the input."""
    return f"{given(case)['server']}{path}"


@named("http-get")
def get(ctx: Context, case: Object) -> Output:
    response = ctx.http("GET", at(case, "/colour"))
    return {"status": response.status, "colour": response.text(), "note": response.header("X-Note")}


@named("http-post")
def post(ctx: Context, case: Object) -> Output:
    headers = {"x-note": "from the guest"}
    response = ctx.http("POST", at(case, "/echo"), headers=headers, body=bytes(range(256)))
    return {"status": response.status, "note": response.header("x-note"), "bytes": response.body.hex()}


@named("http-json")
def json(ctx: Context, case: Object) -> Output:
    response = ctx.http("POST", at(case, "/echo"), json={"text": "grüße, 世界 🚣"}).success()
    return {"type": response.header("content-type"), "text": response.json()["text"]}


@named("http-statuses")
def statuses(ctx: Context, case: Object) -> Output:
    return {"statuses": [ctx.http("GET", at(case, path)).status for path in ("/missing", "/away")]}


@named("http-not-granted")
def not_granted(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("DELETE", at(case, "/colour")))


@named("http-too-large")
def too_large(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("GET", at(case, "/large")))


@named("http-limit-exceeded")
def limit_exceeded(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("POST", at(case, "/echo"), body="x" * TOO_MUCH_BYTES))


@named("http-timeout")
def timeout(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("GET", at(case, "/slow"), timeout=0.1))


@named("http-bad-request")
def bad_request(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("GET", at(case, "/colour"), headers={"host": "elsewhere"}))


@named("http-connect")
def connect(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.http("GET", "http://127.0.0.1:1/"))
