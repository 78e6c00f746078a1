"""The config, state and log folders, by each platform's own rules.

By hand, because platformdirs loads tempfile and shutil, 15 ms of every command; a test holds the two against
each other.
"""

import os
import sys
from pathlib import Path

APP = "supervisor-setup"
_MAC = "~/Library/Application Support"


def config() -> Path:
    """Where config.yaml is looked for; it may not exist."""
    return _below("XDG_CONFIG_HOME", "~/.config")


def state() -> Path:
    """Where manifests, backups and logs are kept; it may not exist."""
    return _below("XDG_STATE_HOME", "~/.local/state")


def _below(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    if not named.startswith("/"):  # a relative path is to be ignored, by the XDG specification
        named = os.path.expanduser(_MAC if sys.platform == "darwin" else default)  # noqa: PTH111 - of a text
    return Path(named, APP)
