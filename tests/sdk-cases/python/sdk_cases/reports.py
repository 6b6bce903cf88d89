"""What people and dashboards see; time and chance."""

from __future__ import annotations

import logging
import time

from polyreme import TRACE, Context, Object

from .case import Output, named, plain

LOG = logging.getLogger(__name__)

LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


@named("events")
def events(ctx: Context, case: Object) -> Output:
    ctx.event("normal", "Greeted", "hello, 世界")
    ctx.event("warning", "Worried", "something is off")
    ctx.event_on(plain(case, "events-other"), "normal", "Touched", "from another object")
    return {}


@named("logs")
def logs(ctx: Context, case: Object) -> Output:
    for number, (name, level) in enumerate(LEVELS.items()):
        article = "an" if name[0] in "aeiou" else "a"
        LOG.log(level, "%s %s line", article, name, extra={"number": number, "text": "two words"})
    LOG.info("first\nsecond")
    return {"enabled": {name: ctx.log_enabled(level) for name, level in LEVELS.items()}}


@named("print")
def printed(ctx: Context, case: Object) -> Output:
    print("printed by the guest")
    return {"printed": True}


@named("metrics")
def metrics(ctx: Context, case: Object) -> Output:
    ctx.count("case_things_total", 2, colour="red")
    ctx.count("case_things_total", 3, colour="red")
    ctx.count("case_things_total", 0.5, colour="blue")
    ctx.gauge("case_level", 7)
    ctx.gauge("case_level", -2.5)
    ctx.observe("case_seconds", 0.25, step="one")
    ctx.observe("case_seconds", 0.5, step="one")
    return {}


@named("clock")
def clock(ctx: Context, case: Object) -> Output:
    now, start = time.time_ns(), time.monotonic_ns()
    return {"now": str(now), "elapsed": str(time.monotonic_ns() - start)}


@named("random")
def random(ctx: Context, case: Object) -> Output:
    texts = [ctx.random_bytes(length).hex() for length in (16, 16, 0)]
    return {"bytes": texts, "numbers": [str(ctx.random_number()) for _ in range(2)]}
