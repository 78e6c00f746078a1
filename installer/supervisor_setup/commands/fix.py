"""`doctor --fix`: mends what is ours or plainly safe, after a backup, and runs the checks again.

Ours is everything that `install` wrote: it is brought up to date in each scope where something was installed.
Plainly safe are the leavings of killed programs: temporary files, and locks that nobody holds any more.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from supervisor_setup import files, locks
from supervisor_setup.artefacts import ABSENT, Address, Group, Kind, digest
from supervisor_setup.checks import leavings
from supervisor_setup.checks.world import Installed, World
from supervisor_setup.commands import doctor, install
from supervisor_setup.engine import Engine
from supervisor_setup.errors import TargetError, UsageError, UserError
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.manifest import Prior, Record
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.result import Result, operations_to_json
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class _Mends:
    """What is to be done: installs, and what killed programs left behind."""

    installs: tuple[install.Prospect, ...]
    strays: tuple[Operation, ...]
    stale_locks: tuple[Path, ...]

    @property
    def pending(self) -> bool:
        return bool(self.strays or self.stale_locks) or any(one.pending for one in self.installs)

    def to_json(self) -> list[dict[str, Any]]:
        """Every change, for `--json` and for the plan that is shown."""
        plan = [one for prospect in self.installs for one in prospect.plan if one.decision.writes]
        return [*operations_to_json((*plan, *self.strays)), *map(_lock_to_json, self.stale_locks)]


def fix(layout: Layout, choices: doctor.Choices, confirm: Callable[[Result], bool]) -> Result:
    """Mend, then run the checks of `choices` again; `confirm` is shown the plan and says whether to go on.

    Raises:
        UserError: as `install`, or the record of what was installed is damaged.
        UsageError: the user said no.
    """
    mends = _work_out(layout, World(layout, dict(os.environ)))
    mended = mends.to_json()
    if mends.pending and not confirm(Result("fix", {"operations": mended})):
        raise UsageError("doctor: not confirmed, nothing was changed")
    _carry_out(layout, mends)
    found = doctor.doctor(layout, choices)
    return replace(found, data={**found.data, "mended": mended})


def _work_out(layout: Layout, world: World) -> _Mends:
    strays = tuple(one for one in map(_removal, leavings.stray_temps(world)) if one is not None)
    mends = _Mends((), strays, tuple(leavings.stale_locks(world)))
    try:
        prospects = [_reinstall(layout, one) for one in world.installed if _was_installed(one)]
    except UserError:
        if not mends.pending:
            raise
        return mends  # what stands in the way of an install is a finding of the checks that follow
    return replace(mends, installs=tuple(prospects))


def _was_installed(one: Installed) -> bool:
    if isinstance(one.manifest, UserError):
        raise one.manifest
    return bool(one.manifest.records) or one.interrupted


def _reinstall(layout: Layout, one: Installed) -> install.Prospect:
    assert not isinstance(one.manifest, UserError)
    only = one.engine.options(one.manifest).groups
    return install.work_out(layout, install.Choices(scope=one.engine.scope.name, only=only))


def _removal(path: Path) -> Operation | None:
    """The step that takes a stray file away; None where it has gone by itself, or is not ours to take."""
    try:
        found = files.read(path)
        # One that cannot be removed must not keep everything else from being mended.
        files.check_writable(found)
    except TargetError:
        return None
    data = found.data
    if data is None:
        return None
    address = Address(Kind.FILE, path)
    record = Record(address, Group.STRAY, digest(data), Prior.ABSENT)
    return Operation(Decision.REMOVE, address, ABSENT, data, record)


def _carry_out(layout: Layout, mends: _Mends) -> None:
    for lock in mends.stale_locks:
        locks.remove_stale(lock)
    for one in mends.installs:
        one.engine.install(one.plan, one.manifest, one.options, one.compiled)
    if mends.strays:
        engine = Engine(layout, layout.scope(ScopeName.USER))
        engine.sweep(mends.strays, engine.manifest())


def _lock_to_json(lock: Path) -> dict[str, Any]:
    return {
        "decision": Decision.REMOVE,
        "kind": "lock",
        "path": str(lock),
        "pointer": [],
        "item": None,
        "group": Group.STRAY,
        "reason": "is a lock that nobody holds; removed",
    }
