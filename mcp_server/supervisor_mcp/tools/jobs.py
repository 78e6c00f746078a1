"""Many jobs on few threads: one failure does not lose the rest, and a hopeless one ends the work early."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.calls import CallCancelled
from supervisor_mcp.delegation import AllFailed

Job = TypeVar("Job")
Value = TypeVar("Value")

HOPELESS = frozenset({Kind.UNREACHABLE, Kind.KEY, Kind.MODEL, Kind.CLOUD})
"""The same for every job that follows, so they are not begun."""
OF_THE_TEXT = frozenset({Kind.CONTEXT, Kind.EMPTY, Kind.REPEATS})
"""Failures that are the text's and not the server's."""
MAX_FAILURES_IN_A_ROW = 4
"""Failures of a server that answers, such as time-outs, without an answer in between."""


class Unusable(Exception):
    """A model's answer is not what was asked for; says how, in half a sentence."""


class Failed:
    """A job that came to nothing: why, in half a sentence; `begun` says whether anybody was asked."""

    def __init__(self, error: "AllFailed | Unusable", *, begun: bool = True) -> None:
        self.error = error.with_traceback(None)  # which would hold on to all that the job worked with
        self.begun = begun

    @property
    def reason(self) -> str:
        """Why, in half a sentence."""
        if isinstance(self.error, Unusable):
            return str(self.error)
        attempts = self.error.attempts
        return f"{attempts[-1].backend.name} {attempts[-1].failure.text}" if attempts else "no backend"


class Jobs(Generic[Job, Value]):
    """One run over many jobs."""

    def __init__(self, jobs: Sequence[Job], work: Callable[[Job], Value], finished: Callable[[int], None]):
        """Do `work` with each job; `finished` gets the number of each that is done, however it went."""
        self._jobs = jobs
        self._work = work
        self._finished = finished
        self._lock = threading.Lock()
        self._next = 0
        self._in_a_row = 0
        self._stopped: AllFailed | None = None
        self._broken: BaseException | None = None
        self._results: list[Value | Failed | None] = [None] * len(jobs)

    def run(self, threads: int) -> list[Value | Failed]:
        """The results, in the order of the jobs.

        Raises:
            CallCancelled: The client cancelled; no job is begun any more.
        """
        workers = [
            threading.Thread(target=self._go_on, daemon=True) for _ in range(min(threads, len(self._jobs)))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        broken, self._broken = self._broken, None
        if broken is not None:
            try:
                raise broken
            finally:
                del broken  # or the error and this frame would hold on to each other
        return [self._not_begun() if result is None else result for result in self._results]

    def _go_on(self) -> None:
        while (number := self._take()) is not None:
            try:
                self._note(number, self._work(self._jobs[number]))
            except (AllFailed, Unusable) as error:
                self._note(number, Failed(error))
            except BaseException as error:  # cancelled, or a bug; whoever waits for the whole is told
                with self._lock:
                    if self._broken is None or isinstance(error, CallCancelled):
                        self._broken = error
                return

    def _take(self) -> int | None:
        with self._lock:
            if self._broken is not None or self._stopped is not None or self._next == len(self._jobs):
                return None
            self._next += 1
            return self._next - 1

    def _note(self, number: int, result: "Value | Failed") -> None:
        with self._lock:
            self._results[number] = result
            if not isinstance(result, Failed):
                self._in_a_row = 0
            elif isinstance(result.error, AllFailed):
                self._count(result.error)
        self._finished(number)

    def _count(self, error: AllFailed) -> None:
        kinds = {attempt.failure.kind for attempt in error.attempts}
        if kinds <= HOPELESS:
            self._stopped = error
        elif not kinds & OF_THE_TEXT:
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                self._stopped = error

    def _not_begun(self) -> Failed:
        assert self._stopped is not None
        return Failed(self._stopped, begun=False)
