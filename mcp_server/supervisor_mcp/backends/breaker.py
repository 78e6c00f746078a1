"""A circuit breaker: a backend that hangs in connecting costs one call its patience, and the others nothing.

Closed, it lets every request pass. A slow failure to connect opens it: requests then fail at once. After
REMEMBERED_SECONDS it is half open: one request goes to see, the others still fail at once, and how that one
ends closes or opens it. A failure that comes at once does not open it, because asking again costs a
millisecond and shows at once that the server was started; only the retries are left out then.

(pybreaker 1.4 would cost the first call 10 to 30 ms of imports, and has no way to let one request probe while
the others fail.)
"""

import threading
import time

from supervisor_mcp.backends.failures import BackendError, Failure, Kind

REMEMBERED_SECONDS = 15.0
SLOW_FAILURE_SECONDS = 0.25


class Breaker:
    """What is known of one backend's reachability; from several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: Failure | None = None  # the last attempt's
        self._open_until: float | None = None
        self._probing = False

    @property
    def calm(self) -> bool:
        """Whether the last attempt succeeded, so that a failure now may be a passing one."""
        return self._failure is None

    def enter(self) -> None:
        """Let a request pass; it must end with `succeeded`, `failed` or `left`.

        Raises:
            BackendError: The breaker is open, or half open with another request on its way.
        """
        with self._lock:
            if self._open_until is None:
                return
            wait = self._open_until - time.monotonic()
            if wait <= 0 and not self._probing:
                self._probing = True
                return
            failure = self._failure
        assert failure is not None
        again = f"not tried again for another {wait:.0f} s" if wait > 0 else "another call tries it just now"
        raise BackendError(failure.kind, f"{failure.text} ({again})", failure.hint)

    def succeeded(self) -> None:
        """The backend was reached, whatever it answered."""
        with self._lock:
            self._failure = self._open_until = None
            self._probing = False

    def failed(self, failure: Failure, seconds: float) -> None:
        """A request ended with `failure` after `seconds`; only one that did not reach the backend counts."""
        with self._lock:
            self._probing = False
            if failure.kind is not Kind.UNREACHABLE:
                return
            self._failure = failure
            slow = seconds >= SLOW_FAILURE_SECONDS
            self._open_until = time.monotonic() + REMEMBERED_SECONDS if slow else None

    def left(self) -> None:
        """A request ended without showing anything, because its call was cancelled."""
        with self._lock:
            self._probing = False

    def half_open(self) -> None:
        """Let the next request go and see, for someone who wants to know now."""
        with self._lock:
            if self._open_until is not None:
                self._open_until = 0.0
