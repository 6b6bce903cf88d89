"""Keeps a ConfigMap for each ``Page``."""

import html
import logging

from polyreme import Context, Controller, Kind, Object, kinds, set_condition

PAGE = Kind("example.com/v1alpha1", "Page")
LOG = logging.getLogger(__name__)

controller = Controller("{{name}}", primary=PAGE, owns=[kinds.CONFIG_MAP])


@controller.reconcile
def reconcile(ctx: Context, page: Object) -> None:
    ctx.apply(page.child(kinds.CONFIG_MAP, page.name, data={"index.html": render(page["spec"])}))
    known = page.get("status", {}).get("conditions")
    ready = set_condition(known, page, "Ready", True, "Rendered", "", ctx.now())
    if ctx.patch_status(page, {"conditions": ready}):
        LOG.info("rendered %s", page["spec"]["title"])


def render(spec: dict[str, str]) -> str:
    return f"<h1>{html.escape(spec['title'])}</h1>\n<p>{html.escape(spec.get('text', ''))}</p>\n"
