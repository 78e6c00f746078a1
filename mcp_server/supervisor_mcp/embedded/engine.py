"""When the process of the embedded model begins and ends; at most one at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from supervisor_mcp.backends.breaker import Breaker
from supervisor_mcp.calls import Call
from supervisor_mcp.embedded.process import Process
from supervisor_mcp.embedded.run import Run, Way


class Engine:
    """Starts a process for whoever needs one and stops it once nobody has for a while."""

    def __init__(self, way: Way, breaker: Breaker, idle_seconds: float) -> None:
        """`breaker` remembers a start that failed slowly, so that not every call waits for the next one."""
        self._way = way
        self._breaker = breaker
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._idle_since = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def running(self, call: Call, name: str) -> Iterator[Process]:
        """While inside, the process runs, unless it crashes; waits for its start, which `call` reports.

        A start for which nobody waits any more is given up.

        Raises:
            BackendError: It cannot be started.
            CallCancelled: The client cancelled.
        """
        run = self._join()
        try:
            yield run.wait(call, name)
        finally:
            self._leave(run)

    def current(self) -> Process | None:
        """The process while it is ready; None when there is none."""
        with self._lock:
            return None if self._run is None else self._run.process

    def close(self) -> None:
        """Have the process end; does not wait."""
        with self._lock:
            self._stop()

    def _join(self) -> Run:
        with self._lock:
            if self._run is None or self._run.is_over:
                self._breaker.enter()
                self._run = Run(self._way, self._breaker, self._run)
            self._run.users += 1
            return self._run

    def _leave(self, run: Run) -> None:
        with self._lock:
            run.users -= 1
            if run.users or run is not self._run:
                return
            if run.is_starting:
                self._stop()
                return
            self._idle_since = time.monotonic()
            if self._timer is None:
                self._set_timer(self._idle_seconds)

    def _set_timer(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look_at_the_clock)
        self._timer.daemon = True
        self._timer.start()

    def _look_at_the_clock(self) -> None:
        with self._lock:
            self._timer = None
            if self._run is None or self._run.users:
                return  # whoever leaves last sets it again
            left = self._idle_since + self._idle_seconds - time.monotonic()
            if left > 0:
                self._set_timer(left)
            else:
                self._stop()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.give_up()
