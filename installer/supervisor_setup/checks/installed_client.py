"""The client on this machine: where it is, which version, what is known of that version. Starts nothing."""

import json
import os
import re
from pathlib import Path

from supervisor_setup import client_facts
from supervisor_setup.checks.search_path import which
from supervisor_setup.checks.world import World
from supervisor_setup.client_facts import Known
from supervisor_setup.values import dataclass

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PACKAGE = "@anthropic-ai/claude-code"
_FORMULA = "claude-code"


@dataclass(frozen=True, slots=True)
class Client:
    """`program` is None where none is installed; `version` is None where the files do not tell."""

    program: Path | None
    version: str | None

    @property
    def facts(self) -> Known:
        """What is known of this version."""
        return client_facts.known(self.version)

    @property
    def label(self) -> str:
        """How a message names it."""
        return f"Claude Code {self.version}" if self.version else "Claude Code"


def installed(world: World) -> Client:
    """The client that this shell would start."""
    return world.memo.get("client", lambda: _installed(world))


def _installed(world: World) -> Client:
    found = which("claude", world.environment.get("PATH", ""))
    # Where the client's own installers put it, also when PATH does not lead there.
    usual = (world.layout.home / ".local/bin/claude", world.layout.claude_dir / "local/claude")
    program = Path(found) if found else next((path for path in usual if path.exists()), None)
    return Client(program, version_of(program) if program else None)


def version_of(program: Path) -> str | None:
    """The version by where the program is.

    The client's own installer names the file after it, Homebrew a folder; npm keeps a package.json, which has
    a place below the script of the client's older, local installer too.
    """
    real = Path(os.path.realpath(program))
    if _VERSION.fullmatch(real.name):
        return real.name
    for folder in (real.parent / "node_modules" / _PACKAGE, *real.parents):
        if _VERSION.fullmatch(folder.name) and folder.parent.name.startswith(_FORMULA):
            return folder.name
        if version := _packaged(folder):
            return version
    return None


def _packaged(folder: Path) -> str | None:
    """The version in the client's package.json, if that is what stands in this folder."""
    try:
        package = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(package, dict) or not str(package.get("name", "")).startswith(_PACKAGE):
        return None
    version = package.get("version")
    return version if isinstance(version, str) and _VERSION.match(version) else None
