"""The reconcile that ``cargo xtask bench languages`` measures, in Python: see ../dispatch-guest."""

from polyreme import Context, Controller, Object, Permission, Terminal, kinds

VERSION = "example.polyreme.dev/config-version"

controller = Controller(
    "dispatch",
    primary=kinds.DEPLOYMENT,
    asks=[Permission(kinds.CONFIG_MAP, ["get", "list", "watch"])],
)


@controller.reconcile
def reconcile(ctx: Context, deployment: Object) -> None:
    config = ctx.get(kinds.CONFIG_MAP, deployment.name)
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    if annotations.get(VERSION) != config.metadata["resourceVersion"]:
        raise Terminal("the Deployment runs with an old ConfigMap")
