"""`doctor`: runs the checks, and with `--fix` the install that mends what is ours."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from supervisor_setup.checks import registry, runner
from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.commands import install
from supervisor_setup.errors import Exit, UsageError, UserError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout
from supervisor_setup.plan import Decision
from supervisor_setup.result import Result


@dataclass(frozen=True, slots=True)
class Choices:
    """Which checks run, how far they reach, and which findings count. An empty `checks` is all of them."""

    checks: tuple[str, ...] = ()
    strict: bool = False
    verbose: bool = False
    reach: Reach = Reach.LOCAL


def doctor(layout: Layout, choices: Choices) -> Result:
    """Run the checks; exit code 2 when one of them found an error, or with `strict` a warning.

    Raises:
        UsageError: there is no check of that name.
    """
    seen = World(layout, dict(os.environ))
    findings = runner.run(seen, _chosen(choices.checks), choices.reach)
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
    for installed in World(layout, dict(os.environ)).installed:
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
    checks = [{"id": check.id, "summary": check.explanation.catches} for check in registry.CHECKS]
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


def _chosen(words: Sequence[str]) -> list[Check]:
    for word in words:
        if not any(check.chosen_by(word) for check in registry.CHECKS):
            near = difflib.get_close_matches(word, [check.id for check in registry.CHECKS], n=1)
            raise UsageError(
                f"doctor: there is no check {word!r}" + (f"; did you mean {near[0]}?" if near else ""),
                hint="supervisor-setup doctor --list-checks",
            )
    return [check for check in registry.CHECKS if not words or any(map(check.chosen_by, words))]


def _diffs(seen: World) -> list[dict[str, str]]:
    diffs = []
    for installed in seen.installed:
        if isinstance(installed.plan, Exception):
            continue
        for operation in installed.plan:
            difference = install.difference(operation)
            if difference:
                diffs.append({"path": str(operation.address.path), "diff": difference})
    return diffs
