"""Threads for calls: started when needed, bounded, and never waited for at exit."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """Runs jobs at once, up to `limit` together; later jobs wait for a free thread.

    The threads are daemons: a client that goes away must not wait for a model that hangs, which rules out
    `concurrent.futures` (it joins its threads at exit).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads = 0
        self._unfinished = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job`, which must not raise, as soon as a thread is free."""
        with self._lock:
            self._unfinished += 1
            start = self._unfinished > self._threads and self._threads < self._limit
            self._threads += start
        self._jobs.put(job)
        if start:
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            with self._lock:
                self._unfinished -= 1
