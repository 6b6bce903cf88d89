"""``get`` and ``list``: from the cache and live, one object and many, by label, by index and by page."""

from __future__ import annotations

from polyreme import Context, Object, Retry, kinds

from .case import CASE, Output, child, given, named, reason, refusal

ROUNDS = 10

#: The label that the controller selects its primaries by.
SELECTED = "cases.polyreme.dev/run"


@named("get")
def get(ctx: Context, case: Object) -> Output:
    return {"colour": ctx.get(kinds.CONFIG_MAP, "get-source")["data"]["colour"]}


@named("get-live")
def get_live(ctx: Context, case: Object) -> Output:
    return {"colour": ctx.live.get(kinds.CONFIG_MAP, "get-live-source")["data"]["colour"]}


@named("get-cluster-scoped")
def get_cluster_scoped(ctx: Context, case: Object) -> Output:
    namespace = ctx.get(kinds.NAMESPACE, case.namespace or "")
    return {"name": namespace.name, "phase": namespace.get_path("status.phase")}


@named("get-missing")
def get_missing(ctx: Context, case: Object) -> Output:
    return refusal(lambda: ctx.get(kinds.CONFIG_MAP, "nobody"))


@named("read-own-write")
def read_own_write(ctx: Context, case: Object) -> Output:
    rounds = []
    for number in range(ROUNDS):
        ctx.apply(child(case, "read-own-write-child", round=str(number)))
        rounds.append(ctx.get(kinds.CONFIG_MAP, "read-own-write-child")["data"]["round"])
    return {"rounds": rounds}


@named("list")
def list_labelled(ctx: Context, case: Object) -> Output:
    return counted(case, ctx.list(kinds.CONFIG_MAP, case.namespace, labels="part=list"))


@named("list-pages")
def list_pages(ctx: Context, case: Object) -> Output:
    return counted(case, ctx.list(kinds.CONFIG_MAP, case.namespace, labels="part=pages", page_size=2))


@named("list-index")
def list_index(ctx: Context, case: Object) -> Output:
    return counted(case, ctx.list(CASE, case.namespace, labels=SELECTED, fields="spec.input.group=violet"))


@named("list-live")
def list_live(ctx: Context, case: Object) -> Output:
    query = {"labels": SELECTED, "fields": "spec.case=list-live"}
    cached = reason(lambda: ctx.list(CASE, case.namespace, **query))
    return {"cached": cached, "live": names(ctx.live.list(CASE, case.namespace, **query))}


@named("watch-label")
def watch_label(ctx: Context, case: Object) -> Output:
    return value(ctx, "watch-label-source")


@named("watch-field")
def watch_field(ctx: Context, case: Object) -> Output:
    return value(ctx, given(case)["source"])


def value(ctx: Context, name: str) -> Output:
    source = ctx.get_opt(kinds.CONFIG_MAP, name)
    return {"value": "nothing" if source is None else source["data"]["value"]}


def counted(case: Object, found: list[Object]) -> Output:
    """A cache may learn of an object later than of the Case."""
    if len(found) < given(case)["count"]:
        raise Retry(f"only {len(found)} yet")
    return {"names": names(found)}


def names(objects: list[Object]) -> list[str]:
    return [one.name for one in objects]
