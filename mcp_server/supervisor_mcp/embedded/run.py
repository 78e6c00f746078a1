"""One process of the embedded model, from before its start until after its end."""

import os
import threading
import time
from collections.abc import Callable

from supervisor_mcp.backends import exchange
from supervisor_mcp.backends.breaker import Breaker
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.embedded import words
from supervisor_mcp.embedded.parts import missing
from supervisor_mcp.embedded.process import Plan, Process

_ASK_AGAIN_SECONDS = 0.1


class Way:
    """How a process is started: what to run, how to see that it is ready, and for how long to wait."""

    def __init__(
        self, plan: Callable[[], Plan], is_ready: Callable[[Process], bool], start_seconds: float
    ) -> None:
        """`plan` raises BackendError when something is missing; `is_ready` asks a process that listens."""
        self.plan = plan
        self.is_ready = is_ready
        self.start_seconds = start_seconds


class Run:
    """Starts a process on a thread of its own, so that whoever waits for it can leave at any moment."""

    def __init__(self, way: Way, breaker: Breaker, before: "Run | None") -> None:
        """Begin to start it, once the process of the run `before` has ended; `breaker` was entered."""
        self.users = 0
        self._way = way
        self._breaker = breaker
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []
        self._settled = False
        self._given_up = False
        self._process: Process | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._begin, args=(before,), daemon=True).start()

    def wait(self, call: Call, name: str) -> Process:
        """The process, once it is ready.

        Raises:
            BackendError: It cannot be started.
            CallCancelled: The client cancelled.
        """
        woken = self._news()
        with call.stopping(woken.set):
            while not woken.is_set():
                call.report(f"{name} (starting it)")
                woken.wait(exchange.REPORT_SECONDS)
        call.raise_if_cancelled()
        if self._error is not None:
            raise self._error
        assert self._process is not None
        return self._process

    @property
    def process(self) -> Process | None:
        """The process while it is ready; None before and after."""
        return None if not self._settled or self.is_over else self._process

    @property
    def is_starting(self) -> bool:
        """Whether it is not known yet how the start ends."""
        return not self._settled

    @property
    def is_over(self) -> bool:
        """Whether nobody can be served by it any more."""
        ended = self._process is not None and self._process.ended.is_set()
        return self._given_up or self._error is not None or (self._settled and ended)

    def give_up(self) -> None:
        """Have the process end; does not wait. Again is no harm."""
        with self._lock:
            self._given_up = True
            if self._process is not None:
                self._process.let_go()

    def end(self) -> None:
        """Have the process end, and wait until it has."""
        self.give_up()
        self._news().wait()
        if self._process is not None:
            self._process.end()

    def _news(self) -> threading.Event:
        """Set once it is known how the start ended."""
        news = threading.Event()
        with self._lock:
            if self._settled:
                news.set()
            else:
                self._waiting.append(news)
        return news

    def _begin(self, before: "Run | None") -> None:
        began = time.monotonic()
        try:
            if before is not None:
                before.end()
            self._start(began + self._way.start_seconds)
            self._breaker.succeeded()
        except BackendError as error:
            self._error = error
            if self._given_up:
                self._breaker.left()
            else:
                self._breaker.failed(error.failure, time.monotonic() - began)
        except Exception as error:  # a bug, which the calls that wait are told
            self._error = error
            self._breaker.left()
        with self._lock:
            self._settled = True
            waiting, self._waiting = self._waiting, []
        for news in waiting:
            news.set()

    def _start(self, until: float) -> None:
        process = self._spawn()
        process.told.wait(max(0.0, until - time.monotonic()))
        while process.port is not None and not process.ended.is_set() and time.monotonic() < until:
            if self._way.is_ready(process):
                return
            process.ended.wait(_ASK_AGAIN_SECONDS)
        if process.ended.is_set():
            raise missing(*words.at_start(process.plan, process.exit_code or 0, process.lines()))
        process.end()
        text = f"cannot be started: it was not ready within {self._way.start_seconds:g} s"
        raise BackendError(Kind.UNREACHABLE, text, "set a smaller `model` under `embedded` in config.yaml")

    def _spawn(self) -> Process:
        plan = self._way.plan()
        try:
            process = Process(plan, os.environ)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise missing(why, "close other programs: this machine starts no more of them") from error
        with self._lock:
            self._process = process
            if self._given_up:
                process.let_go()
        return process
