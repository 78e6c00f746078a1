"""`doctor`: runs the checks and says what they found."""

import os
from collections.abc import Sequence
from typing import Any

from supervisor_setup.checks import registry, runner
from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.errors import Exit, UsageError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result
from supervisor_setup.values import dataclass


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
        "reach": choices.reach.name.lower(),
        "verbose": choices.verbose,
        "diffs": _diffs(seen) if choices.verbose else [],
        "mended": [],
    }
    return Result("doctor", data, Exit.DRIFT if bad else Exit.OK)


def listing() -> Result:
    """All checks: what each catches, why that matters, how it is mended, and how far it reaches."""
    return Result("doctor", {"checks": [_described(check) for check in registry.CHECKS]})


def _described(check: Check) -> dict[str, str]:
    explanation = check.explanation
    return {
        "id": check.id,
        "family": check.family,
        "reach": check.reach.name.lower(),
        "summary": explanation.catches,
        "why": explanation.why,
        "mend": explanation.mend,
    }


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
            import difflib  # only a misspelling needs it

            near = difflib.get_close_matches(word, [check.id for check in registry.CHECKS], n=1)
            raise UsageError(
                f"doctor: there is no check {word!r}" + (f"; did you mean {near[0]}?" if near else ""),
                hint="supervisor-setup doctor --list-checks",
            )
    return [check for check in registry.CHECKS if not words or any(map(check.chosen_by, words))]


def _diffs(seen: World) -> list[dict[str, str]]:
    from supervisor_setup.commands import install  # only --verbose shows differences

    diffs = []
    for installed in seen.installed:
        if isinstance(installed.plan, Exception):
            continue
        for operation in installed.plan:
            difference = install.difference(operation)
            if difference:
                diffs.append({"path": str(operation.address.path), "diff": difference})
    return diffs
