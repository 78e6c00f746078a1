"""`doctor`: runs the checks, and with `--fix` the install that mends what is ours."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from supervisor_setup.checks import registry, world
from supervisor_setup.commands import install
from supervisor_setup.errors import Exit, UsageError, UserError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout
from supervisor_setup.plan import Decision
from supervisor_setup.result import Result


@dataclass(frozen=True, slots=True)
class Choices:
    """Which checks run and which findings count. An empty `checks` is all of them."""

    checks: tuple[str, ...] = ()
    strict: bool = False
    verbose: bool = False
    offline: bool = False


def doctor(layout: Layout, choices: Choices) -> Result:
    """Run the checks; exit code 2 when one of them found an error, or with `strict` a warning.

    Raises:
        UsageError: there is no check of that name.
    """
    seen = world.gather(layout, dict(os.environ))
    found = registry.run(seen, _chosen(choices.checks), offline=choices.offline)
    findings = [one for one in found if not choices.checks or _asked_for(one, choices.checks)]
    counts = {status.value: sum(one.status is status for one in findings) for status in Status}
    bad = counts[Status.ERROR] + (counts[Status.WARNING] if choices.strict else 0)
    data: dict[str, Any] = {
        "findings": [finding_to_json(one) for one in findings],
        "counts": counts,
        "diffs": _diffs(seen) if choices.verbose else [],
        "mended": [],
    }
    return Result("doctor", data, Exit.DRIFT if bad else Exit.OK)


def fix(layout: Layout, choices: Choices, confirm: Callable[[Result], bool]) -> Result:
    """Install again what was installed, in each scope where something was, then run the checks again.

    Raises:
        UserError: as `install`, or the record of what was installed is damaged.
    """
    mended: list[Mapping[str, Any]] = []
    for installed in world.gather(layout, dict(os.environ)).installed:
        if isinstance(installed.manifest, UserError):
            raise installed.manifest
        if installed.manifest.records or installed.interrupted:
            only = installed.engine.options(installed.manifest).groups
            wanted = install.Choices(scope=installed.engine.scope.name, only=only)
            done = install.install(layout, wanted, dry_run=False, confirm=confirm)
            mended += [one for one in done.data["operations"] if Decision(one["decision"]).writes]
    found = doctor(layout, choices)
    return replace(found, data={**found.data, "mended": mended})


def listing() -> Result:
    """The ids of all checks, with what each looks for."""
    checks = [{"id": check.id, "summary": check.summary} for check in registry.CHECKS]
    return Result("doctor", {"checks": checks})


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding, for a program to read."""
    return {
        "id": finding.id,
        "family": finding.family,
        "status": finding.status,
        "message": finding.message,
        "path": None if finding.path is None else str(finding.path),
        "line": finding.line,
        "hint": finding.hint,
        "fixable": finding.fixable,
    }


def _asked_for(finding: Finding, ids: Sequence[str]) -> bool:
    family = f"{finding.family}.*"
    return finding.id in (*ids, family) or family in ids


def _chosen(ids: Sequence[str]) -> list[registry.Check]:
    if not ids:
        return list(registry.CHECKS)
    for one in ids:
        if not any(check.finds(one) for check in registry.CHECKS):
            raise UsageError(
                f"doctor: there is no check {one!r}", hint="supervisor-setup doctor --list-checks"
            )
    return [check for check in registry.CHECKS if any(check.finds(one) for one in ids)]


def _diffs(seen: world.World) -> list[dict[str, str]]:
    diffs = []
    for installed in seen.installed:
        if isinstance(installed.plan, Exception):
            continue
        for operation in installed.plan:
            difference = install.difference(operation)
            if difference:
                diffs.append({"path": str(operation.address.path), "diff": difference})
    return diffs
