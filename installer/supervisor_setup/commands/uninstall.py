"""`uninstall`: removes what we own, gives back what we replaced, leaves what is the user's."""

from collections.abc import Callable, Mapping
from typing import Any

from supervisor_setup.engine import Engine
from supervisor_setup.errors import UsageError
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.result import Result, operations_to_json


def uninstall(
    layout: Layout, scope: ScopeName, *, dry_run: bool, confirm: Callable[[Result], bool]
) -> Result:
    """Uninstall from a scope. `confirm` is shown the plan and says whether to go on.

    Raises:
        UserError: something stands in the way; nothing has been changed then.
        UsageError: the user said no.
    """
    engine = Engine(layout, layout.scope(scope))
    manifest = engine.manifest()
    plan = engine.removal(manifest)
    pending = bool(engine.preview(plan, manifest))
    data: dict[str, Any] = {
        "scope": scope,
        "dry_run": dry_run,
        "changed": pending,
        "operations": operations_to_json(plan),
        "backup": None,
        "config": str(layout.config) if layout.config.exists() else None,
    }
    if dry_run:
        return Result("uninstall", data)
    if pending and not confirm(_dry(data)):
        raise UsageError("uninstall: not confirmed, nothing was changed")
    return Result("uninstall", {**data, "backup": engine.uninstall(plan, manifest)})


def _dry(data: Mapping[str, Any]) -> Result:
    return Result("uninstall", {**data, "dry_run": True})
