"""What `new` made, for a person to read."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.layout import display


def lines(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    """The files as they are, where they are not on disk; else where they are, and what comes next."""
    if data["written"]:
        yield from (f"+ {display(path, home)}" for path in data["files"])
        yield f"Next: {_next(data)}"
        return
    for name, content in data["files"].items():
        if len(data["files"]) > 1:
            yield f"# ==> {name} <=="
        yield content.rstrip("\n")


def _next(data: Mapping[str, Any]) -> str:
    if data["made"] == "pipeline":
        (path,) = data["files"]
        return f"read it, then: uv run {shlex.quote(path)} run FOLDER --out results --estimate"
    timer = next(Path(path).name for path in data["files"] if path.endswith(".timer"))
    return f"systemctl --user daemon-reload && systemctl --user enable --now {shlex.quote(timer)}"
