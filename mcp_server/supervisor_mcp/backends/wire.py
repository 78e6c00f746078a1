"""What an HTTP exchange sends and gets, and the words for its failures."""

import json
from typing import Any
from urllib.parse import urlsplit

from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.records import Record


class Request(Record):
    """A POST of `body`, or a GET without one.

    `connect_seconds` bound connecting, `seconds` everything since `started` (of time.monotonic()), and
    `idle_seconds` the silence between two pieces of an answer. `doing` tells the client what is waited for.
    """

    url: str
    body: bytes | None
    headers: dict[str, str]
    connect_seconds: float
    seconds: float
    started: float
    doing: str
    idle_seconds: float = 60.0


class Reply(Record):
    """What came back, whatever its status; the body is empty when a reader took it."""

    status: int
    body: bytes
    headers: Any = None

    def text(self) -> str:
        """The body as text, wrong bytes replaced."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON, None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def unreachable(url: str, reason: str) -> BackendError:
    """The error of a server that could not be reached."""
    hint = f"start the server at {root(url)} or correct its `url`; `supervisor-setup doctor` checks it"
    return BackendError(Kind.UNREACHABLE, f"cannot be reached: {reason}", hint)


def root(url: str) -> str:
    """The address without its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
