"""What the cases share: their kind, their list, and shorthands."""

from __future__ import annotations

from typing import Any, Callable, Union

from polyreme import Action, ApiError, Context, Kind, Object, kinds

CASE = Kind("cases.polyreme.dev/v1alpha1", "Case")


class Silent:
    """No status is written."""


Output = dict[str, Any]
Outcome = Union[Output, tuple[Output, Action], Silent]
Run = Callable[[Context, Object], Outcome]

#: By name.
CASES: dict[str, Run] = {}


def named(name: str) -> Callable[[Run], Run]:
    """Registers a case."""

    def register(run: Run) -> Run:
        CASES[name] = run
        return run

    return register


def given(case: Object) -> Any:
    """``spec.input``."""
    return case["spec"].get("input", {})


def child(case: Object, name: str, **data: str) -> Object:
    """A ConfigMap that the case controls."""
    return case.child(kinds.CONFIG_MAP, name, data=data)


def plain(case: Object, name: str, **data: str) -> Object:
    """A ConfigMap that nobody controls, in the namespace of the case."""
    return kinds.CONFIG_MAP.object(name, case.namespace, data=data)


def refusal(call: Callable[[], object]) -> Output:
    """Reason and message of the error that is expected."""
    try:
        call()
    except ApiError as error:
        return {"reason": error.reason.value, "message": str(error)}
    return {"reason": "none"}


def reason(call: Callable[[], object]) -> str:
    """The contract's word for why something was not done."""
    return str(refusal(call)["reason"])
