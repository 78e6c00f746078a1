"""Runs checks side by side, each with a time limit, so that none can hang or break the others."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from supervisor_setup import bugs
from supervisor_setup.checks import processes
from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

_NOT_REACHED = {
    Reach.LOCAL: "not looked at with --offline",
    Reach.DEEP: "only looked at with --deep",
}


@dataclass(slots=True)
class _Running:
    """A check at work on a thread of its own."""

    check: Check
    findings: list[Finding] = field(default_factory=list)
    failure: Exception | None = None
    thread: threading.Thread | None = None

    def start(self, world: World) -> None:
        self.thread = threading.Thread(target=self._work, args=(world,), name=self.check.id, daemon=True)
        self.thread.start()

    def _work(self, world: World) -> None:
        try:
            self.findings = list(self.check.run(world))
        except Exception as error:  # one check's bug must not cost the user the other checks
            self.failure = error

    def result(self, world: World, started: float) -> list[Finding]:
        """The findings, when they are there in time."""
        assert self.thread is not None
        self.thread.join(max(0.0, started + self.check.timeout_s - time.monotonic()))
        if self.thread.is_alive():
            message = f"not done after {self.check.timeout_s:.0f} s, so nothing is known"
            return [Finding(self.check.id, Status.WARNING, message, hint=self._alone(world))]
        if self.failure is not None:
            return [self._bug(self.failure)]
        return self.findings or [Finding(self.check.id, Status.OK, "nothing found")]

    def _alone(self, world: World) -> str:
        return f"{world.layout.command} doctor --check {self.check.id}"

    def _bug(self, error: Exception) -> Finding:
        return Finding(
            self.check.id,
            Status.WARNING,
            f"the check itself failed ({type(error).__name__}), so nothing is known",
            path=bugs.write_log(error),
            hint="please report it, with that file",
        )


def run(world: World, checks: Iterable[Check], reach: Reach) -> list[Finding]:
    """All findings in the checks' order; an `ok` for each that found nothing, `skipped` beyond `reach`."""
    chosen: Sequence[Check] = tuple(checks)
    running = {check.id: _Running(check) for check in chosen if check.reach <= reach}
    started = time.monotonic()
    # Those that wait for others go first.
    for one in sorted(running.values(), key=lambda one: -one.check.reach):
        one.start(world)
    try:
        findings: list[Finding] = []
        for check in chosen:
            if check.id in running:
                findings += running[check.id].result(world, started)
            else:
                findings.append(Finding(check.id, Status.SKIPPED, _NOT_REACHED[check.reach]))
        return findings
    finally:
        processes.end_all()
