"""How many prompts one model is given at a time."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from supervisor_mcp.backends import exchange
from supervisor_mcp.calls import Call


class Turns:
    """At most `limit` at a time, the others in the order in which they came."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        self._waiting: deque[_Waiter] = deque()

    @contextmanager
    def turn(self, call: Call, doing: str) -> Iterator[None]:
        """While inside, one of the places is taken; waits as long as it takes, and reports that it waits.

        Raises:
            CallCancelled: The client cancelled while it waited.
        """
        self._take(call, doing)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, call: Call, doing: str) -> None:
        waiter = _Waiter()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            self._waiting.append(waiter)
        try:
            with call.stopping(waiter.woken.set):
                while not waiter.woken.wait(exchange.REPORT_SECONDS):
                    call.report(f"{doing} (waiting for a free place)")
            call.raise_if_cancelled()
        except BaseException:
            self._leave(waiter)
            raise

    def _leave(self, waiter: "_Waiter") -> None:
        with self._lock:
            if not waiter.called:
                self._waiting.remove(waiter)
                return
        self._give_back()

    def _give_back(self) -> None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            waiter = self._waiting.popleft()  # the place is handed on and never free in between
            waiter.called = True
        waiter.woken.set()


class _Waiter:
    """Someone in the queue: `woken` by its turn or by a cancel, `called` by its turn alone."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.called = False
