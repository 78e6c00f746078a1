"""Where the server keeps things: its state folder and its cache folder, by each platform's own rules.

By hand, as everything at the start; a test holds them against platformdirs.
"""

import os
import sys

from supervisor_mcp.records import Record

APP = "supervisor-setup"


class Folders(Record):
    """The folder of the ledger, and the folder of the answers' cache; either may not exist yet."""

    state: str
    cache: str


def find(state: str | None = None) -> Folders:
    """The folders for this environment; `state` is the one that `install` named, where it did."""
    if sys.platform == "darwin":
        default, cache = "~/Library/Application Support", "~/Library/Caches"
    else:
        default, cache = "~/.local/state", "~/.cache"
    return Folders(
        state=state or _below("XDG_STATE_HOME", default),
        cache=_below("XDG_CACHE_HOME", cache),
    )


def of_client() -> str | None:
    """The folder that the client works in, which it tells a server that it starts; None where it is gone."""
    named = os.environ.get("CLAUDE_PROJECT_DIR", "")
    try:
        return named if named.startswith("/") else os.getcwd()  # noqa: PTH109 # pathlib takes 6 ms
    except FileNotFoundError:
        return None


def _below(variable: str, default: str) -> str:
    named = os.environ.get(variable, "")
    # A relative path is to be ignored, by the XDG specification.
    base = named if named.startswith("/") else os.path.expanduser(default)  # noqa: PTH111 # pathlib takes 6 ms
    return f"{base}/{APP}"
