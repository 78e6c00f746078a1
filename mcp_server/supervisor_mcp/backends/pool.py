"""Connections kept open between exchanges, so that a call need not pay for connecting again."""

import select
import threading
import time
import weakref
from contextlib import suppress
from http.client import HTTPConnection

MAX_IDLE = 8
IDLE_SECONDS = 30.0


class Pool:
    """The idle connections to one server, newest last; at most MAX_IDLE, none older than IDLE_SECONDS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, HTTPConnection]] = []
        # What is left is closed with the pool. A __del__ may come after that of the sockets, which warn then.
        weakref.finalize(self, _close_idle, self._idle)

    def take(self) -> HTTPConnection | None:
        """An open connection that is the caller's from now on; None when there is none.

        The server may still close it before it sees the request: that shows only when it is used.
        """
        while True:
            with self._lock:
                dropped = self._expired()
                found = self._idle.pop()[1] if self._idle else None
            _close(dropped)
            if found is None or _is_quiet(found):
                return found
            _close([found])

    def give(self, connection: HTTPConnection) -> None:
        """Keep a connection whose last answer was read to its end."""
        with self._lock:
            dropped = self._expired()
            self._idle.append((time.monotonic(), connection))
            while len(self._idle) > MAX_IDLE:
                dropped.append(self._idle.pop(0)[1])
        _close(dropped)

    def _expired(self) -> list[HTTPConnection]:
        limit = time.monotonic() - IDLE_SECONDS
        old = [connection for since, connection in self._idle if since < limit]
        self._idle[:] = [one for one in self._idle if one[0] >= limit]
        return old


def _is_quiet(connection: HTTPConnection) -> bool:
    """Whether an idle connection is still open; what can be read from one is its end, or nonsense."""
    try:
        return connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]
    except (OSError, ValueError):  # more open files than select can watch
        return False


def _close_idle(idle: list[tuple[float, HTTPConnection]]) -> None:
    _close([connection for _, connection in idle])


def _close(connections: list[HTTPConnection]) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.close()
