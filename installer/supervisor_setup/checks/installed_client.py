"""The client on this machine: where it is, which version, what is known of that version. Starts nothing."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from supervisor_setup import client_facts
from supervisor_setup.checks.world import World
from supervisor_setup.client_facts import Known

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PACKAGE = "@anthropic-ai/claude-code"


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
    found = shutil.which("claude", path=world.environment.get("PATH", ""))
    # Where the client's own installer puts it, also when PATH does not lead there.
    usual = (world.layout.home / ".local/bin/claude", world.layout.home / ".claude/local/claude")
    program = Path(found) if found else next((path for path in usual if path.exists()), None)
    return Client(program, _version_of(program) if program else None)


def _version_of(program: Path) -> str | None:
    """The version by where the program is: its own installer names the file so, npm keeps a package.json."""
    real = program.resolve()
    if _VERSION.fullmatch(real.name):
        return real.name
    for folder in real.parents:
        try:
            package = json.loads((folder / "package.json").read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(package, dict) and str(package.get("name", "")).startswith(_PACKAGE):
            return str(package.get("version"))
    return None
