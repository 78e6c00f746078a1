"""Runs checks side by side, each with a time limit, so that none can hang or break the others."""

import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.findings import NOTHING_FOUND, Finding, Status

_NOT_REACHED = {
    Reach.LOCAL: "not looked at with --offline",
    Reach.DEEP: "only looked at with --deep",
}


@dataclass(slots=True)
class _Running:
    """A check at work on a thread of its own; what it finds is kept as it finds it."""

    check: Check
    findings: list[Finding] = field(default_factory=list)
    failure: BaseException | None = None
    thread: threading.Thread | None = None

    def start(self, world: World) -> None:
        self.thread = threading.Thread(target=self._work, args=(world,), name=self.check.id, daemon=True)
        self.thread.start()

    def _work(self, world: World) -> None:
        try:
            for finding in self.check.run(world):
                self.findings.append(finding)
        except BaseException as error:  # one check's bug must not cost the user the other checks
            self.failure = error

    def result(self, world: World, started: float) -> list[Finding]:
        """What it has found by the end of its time, and why that may not be all."""
        assert self.thread is not None
        self.thread.join(max(0.0, started + self.check.timeout_s - time.monotonic()))
        late = self.thread.is_alive()
        found = list(self.findings)
        if late:
            message = f"not done after {self.check.timeout_s:g} s, so {_rest(found)}"
            return [*found, Finding(self.check.id, Status.WARNING, message, hint=self._alone(world))]
        if self.failure is not None:
            return [*found, self._bug(self.failure, found)]
        return found or [Finding(self.check.id, Status.OK, NOTHING_FOUND)]

    def _alone(self, world: World) -> str:
        return f"{world.layout.command} doctor --check {self.check.id}"

    def _bug(self, error: BaseException, found: Sequence[Finding]) -> Finding:
        from supervisor_setup import bugs  # as rare as it should be

        return Finding(
            self.check.id,
            Status.WARNING,
            f"the check itself failed ({type(error).__name__}), so {_rest(found)}",
            path=bugs.write_log(error, self.check.id),
            hint="please report it, with that file",
        )


def _rest(found: Sequence[Finding]) -> str:
    return "the rest is not known" if found else "nothing is known"


def _processes(reach: Reach) -> AbstractContextManager[object]:
    """What ends the processes of checks whose time is up; an offline run starts none."""
    if reach is Reach.FILES:
        return nullcontext()
    from supervisor_setup.checks import processes

    return processes.ended_at_exit()


def run(world: World, checks: Iterable[Check], reach: Reach) -> list[Finding]:
    """All findings in the checks' order; an `ok` for each that found nothing, `skipped` beyond `reach`."""
    chosen: Sequence[Check] = tuple(checks)
    running = {check.id: _Running(check) for check in chosen if check.reach <= reach}
    findings: list[Finding] = []
    with _processes(reach):
        started = time.monotonic()
        # Those that wait for others go first.
        for one in sorted(running.values(), key=lambda one: -one.check.reach):
            one.start(world)
        for check in chosen:
            if check.id in running:
                findings += running[check.id].result(world, started)
            else:
                findings.append(Finding(check.id, Status.SKIPPED, _NOT_REACHED[check.reach]))
    return findings
