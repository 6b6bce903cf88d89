"""The smallest controller: a ``Hello`` becomes a ConfigMap with its greeting."""

import logging

from polyreme import Context, Controller, Kind, Object, kinds

HELLO = Kind("example.polyreme.dev/v1", "Hello")
LOG = logging.getLogger(__name__)

controller = Controller("hello", primary=HELLO, owns=[kinds.CONFIG_MAP])


@controller.reconcile
def reconcile(ctx: Context, hello: Object) -> None:
    who = hello["spec"]["who"]
    greeting = f"Hello, {who}!"
    ctx.apply(hello.child(kinds.CONFIG_MAP, hello.name, data={"greeting": greeting}))
    if ctx.patch_status(hello, {"greeting": greeting}):
        LOG.info("greeted %s", who)
