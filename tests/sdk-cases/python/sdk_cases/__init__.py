"""The cases that every SDK must pass, in Python; ../../README.md says what each does.

``spec.case`` names the case; each is a function in one of the modules, and says what goes into ``status.output``.
"""

from __future__ import annotations

import logging

from polyreme import Action, Context, Controller, Object, ObjectRef, Permission, Terminal, by_field, by_label, kinds

from . import outcomes, reads, refusals, reports, requests, values, writes
from .case import CASE, CASES, Silent

LOG = logging.getLogger(__name__)

#: Cases that look at the same generation more than once.
REPEATED = {"requeue", "finalizer", "owned", "watch-label", "watch-field"}

MODULES = (outcomes, reads, refusals, reports, requests, values, writes)

controller = Controller(
    "sdk-cases",
    primary=CASE,
    label_selector="cases.polyreme.dev/run",
    owns=[kinds.CONFIG_MAP],
    watches=[
        by_label(kinds.CONFIG_MAP, "cases.polyreme.dev/wakes", "cases.polyreme.dev/wakes"),
        by_field(kinds.CONFIG_MAP, "spec.input.source", "cases.polyreme.dev/source=yes"),
    ],
    indexes=["spec.input.group"],
    asks=[
        Permission(kinds.CONFIG_MAP, ["create", "update", "patch", "apply", "delete"]),
        Permission(kinds.NAMESPACE, ["get"]),
        Permission(kinds.SECRET, ["get"]),
    ],
    settings_schema={
        "type": "object",
        "required": ["greeting"],
        "properties": {"greeting": {"type": "string"}},
    },
)


@controller.reconcile
def reconcile(ctx: Context, case: Object) -> Action | None:
    name = case["spec"]["case"]
    answered = case.get_path("status.observedGeneration") == case.generation
    if answered and name not in REPEATED:
        return None
    run = CASES.get(name)
    if run is None:
        raise Terminal(f'unknown case "{name}"')
    outcome = run(ctx, case)
    if isinstance(outcome, Silent):
        return None
    output, action = outcome if isinstance(outcome, tuple) else (outcome, None)
    ctx.patch_status(case, {"observedGeneration": case.generation, "output": output})
    return action


@controller.deleted
def deleted(ctx: Context, ref: ObjectRef) -> None:
    LOG.info("gone")
