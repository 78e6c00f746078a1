"""How a script of its own asks for this very installation, in its inline metadata (PEP 723)."""

import json
import shlex
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_NAME = "supervisor-setup"
_WANTED = f"{_NAME}[orchestrate]"


def requirement() -> str:
    """The requirement that `uv run` resolves to where this program was installed from.

    PEP 610: installers write down a direct origin; without one it came from the index.
    """
    found = metadata.distribution(_NAME)
    text = found.read_text("direct_url.json")
    origin = None if text is None else _origin(json.loads(text))
    # A local version (1.0+x) is nobody's on an index.
    return f"{_WANTED} @ {origin}" if origin else f"{_WANTED}~={found.version.partition('+')[0]}"


def install_command(python: Path) -> str:
    """The command that adds the extra to the environment of `python`."""
    return shlex.join((str(python), "-m", "pip", "install", requirement()))


def _origin(record: Mapping[str, Any]) -> str | None:
    """The URL of a direct origin; None for a local one that is gone, such as a wheel in a download folder."""
    url = str(record["url"])
    folder = f"#subdirectory={record['subdirectory']}" if record.get("subdirectory") else ""
    if "vcs_info" in record:
        vcs = record["vcs_info"]
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}{folder}"
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(unquote(parts.path)).exists():
        return None
    return url + folder
