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


_IN_TURN_S = 1.0
"""How long the checks that read files run one after the other. Threads gain them nothing, since they compute
under one lock, and starting one for each costs 20 ms of an `--offline` run."""


@dataclass(slots=True)
class _Running:
    """A check at work on some thread; what it finds is kept as it finds it."""

    check: Check
    started: float
    findings: list[Finding] = field(default_factory=list)
    failure: BaseException | None = None
    taken: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)

    def take(self) -> bool:
        """Whether the caller is the first who wants to run it; its time begins now."""
        if not self.taken.acquire(blocking=False):
            return False
        self.started = time.monotonic()
        return True

    def work(self, world: World) -> None:
        try:
            for finding in self.check.run(world):
                self.findings.append(finding)
        except BaseException as error:  # one check's bug must not cost the user the other checks
            self.failure = error
        finally:
            self.done.set()

    def result(self, world: World) -> list[Finding]:
        """What it has found by the end of its time, and why that may not be all."""
        in_time = self.done.wait(max(0.0, self.started + self.check.timeout_s - time.monotonic()))
        found = list(self.findings)
        if not in_time:
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
    running = {check.id: _Running(check, time.monotonic()) for check in chosen if check.reach <= reach}
    findings: list[Finding] = []
    with _processes(reach):
        _start(world, tuple(running.values()))
        for check in chosen:
            if check.id in running:
                findings += running[check.id].result(world)
            else:
                findings.append(Finding(check.id, Status.SKIPPED, _NOT_REACHED[check.reach]))
    return findings


def _start(world: World, running: Sequence[_Running]) -> None:
    """Those that wait for others each on a thread, and first; the others in turn, while that goes well."""
    in_turn = [one for one in running if one.check.reach is Reach.FILES]
    for one in sorted(running, key=lambda one: -one.check.reach):
        if one.check.reach > Reach.FILES:
            _spread(world, (one,))
    _spread(world, in_turn).join(_IN_TURN_S)
    # A file may hang too, on a share whose server is gone: it must not cost the others their time.
    for one in in_turn:
        if not one.taken.locked():
            _spread(world, (one,))


def _spread(world: World, several: Sequence[_Running]) -> threading.Thread:
    """Run those of them that nobody has taken, on a new thread."""

    def work() -> None:
        for one in several:
            if one.take():
                one.work(world)

    thread = threading.Thread(target=work, name=" ".join(one.check.id for one in several[:1]), daemon=True)
    thread.start()
    return thread
