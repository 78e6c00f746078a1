"""`doctor`: runs the checks, and with `--fix` the install that mends what is ours."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor_setup.checks import registry, world
from supervisor_setup.commands import install
from supervisor_setup.errors import Exit, UsageError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout
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
    findings = registry.run(seen, _chosen(choices.checks), offline=choices.offline)
    counts = {status.value: sum(one.status is status for one in findings) for status in Status}
    bad = counts[Status.ERROR] + (counts[Status.WARNING] if choices.strict else 0)
    data: dict[str, Any] = {
        "findings": [finding_to_json(one) for one in findings],
        "counts": counts,
        "diffs": _diffs(seen) if choices.verbose else [],
    }
    return Result("doctor", data, Exit.DRIFT if bad else Exit.OK)


def fix(layout: Layout, choices: Choices, confirm: Callable[[Result], bool]) -> Result:
    """Install again in each scope where something was installed, then run the checks again.

    Raises:
        UserError: as `install`.
    """
    for installed in world.gather(layout, dict(os.environ)).installed:
        wanted = install.Choices(scope=installed.engine.scope.name)
        install.install(layout, wanted, dry_run=False, confirm=confirm)
    return doctor(layout, choices)


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


def _chosen(ids: Sequence[str]) -> list[registry.Check]:
    if not ids:
        return list(registry.CHECKS)
    known = {check.id: check for check in registry.CHECKS}
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise UsageError(
            f"doctor: there is no check {unknown[0]!r}", hint="supervisor-setup doctor --list-checks"
        )
    return [known[one] for one in ids]


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
