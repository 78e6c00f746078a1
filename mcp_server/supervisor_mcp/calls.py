"""A running call: what the tools may ask of whoever made it, whatever the transport."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COUNT_SECONDS = 1.0

ProgressListener = Callable[[float, str], None]


class CallCancelled(Exception):
    """The client no longer wants the answer."""


class Call:
    """One call in progress: can be cancelled from any thread, and can report progress."""

    def __init__(self, listener: ProgressListener | None = None) -> None:
        """Tell `listener`, if there is one, the seconds so far and what is being waited for."""
        self._listener = listener
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._cancelled = False
        self._done = ""
        self._reported = -1.0
        self._telling = threading.Lock()

    def cancel(self) -> None:
        """Stop everything that runs for this call, now; again is no harm."""
        with self._lock:
            self._cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    def raise_if_cancelled(self) -> None:
        """Raise CallCancelled once the call is cancelled."""
        if self._cancelled:
            raise CallCancelled

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While inside, cancelling the call runs `stop` on the cancelling thread."""
        with self._lock:
            self._stops.append(stop)
        try:
            self.raise_if_cancelled()
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def report(self, waiting_for: str) -> None:
        """Tell the client, if it asked to be told, what the call is waiting for and for how long already."""
        self._tell(f"waiting for {waiting_for}")

    def count(self, done: str) -> None:
        """Note how far the call has come, "12 of 40 files"; told unless the last report was just now."""
        with self._telling:
            self._done = done
            recent = time.monotonic() - self._started < self._reported + COUNT_SECONDS
        if not recent:
            self._tell("")

    def _tell(self, doing: str) -> None:
        if self._listener is None:
            return
        with self._telling:
            seconds = time.monotonic() - self._started
            progress = round(seconds, 1)
            if progress <= self._reported:  # it must grow, also when several threads report at once
                return
            self._reported = progress
            parts = [part for part in (self._done, doing) if part]
            self._listener(progress, f"{'; '.join(parts)}, {seconds:.0f} s")
