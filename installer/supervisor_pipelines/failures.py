"""How work can fail: one document, or the whole run."""

import threading

from supervisor_setup.errors import UserError


class StepFailure(Exception):
    """A document's step came to nothing; `reason` is half a sentence for the report. The others go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RunStopped(UserError):
    """No further document would fare better, so the run ends here, resumable."""


class Streak:
    """Failures of a server in a row, over all threads: a few are bad luck, many mean that it is down."""

    def __init__(self, most: int = 10) -> None:
        """Take it for down with the failure number `most` that no success came before."""
        self._most = most
        self._lock = threading.Lock()
        self._length = 0
        self.has_succeeded = False

    def failed(self) -> bool:
        """Note a failure; whether there are too many now."""
        with self._lock:
            self._length += 1
            return self._length >= self._most

    def succeeded(self) -> None:
        """Note a success."""
        with self._lock:
            self._length = 0
            self.has_succeeded = True
