"""How the client would start a server; nothing is started here."""

import os
from pathlib import Path

from supervisor_setup.checks import approval, expansion
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.search_path import which
from supervisor_setup.checks.world import World


def launch(world: World, entry: ServerEntry) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment with which the client starts this server."""
    inherited = expansion.environment(world)
    assert entry.command is not None
    own = expansion.expanded(entry.settings.get("env") or {}, inherited)
    command = expansion.expanded(list(entry.command), inherited)
    return command, {**inherited, "CLAUDE_PROJECT_DIR": str(world.layout.cwd), **own}


def folder(world: World) -> Path:
    """Where doctor starts servers: the project once the user trusts it, else the home folder.

    Many programs take code from the folder that they start in (`python -m`, `npx`), and a repository that was
    only just cloned is not to have its code run. The client asks before its first session there.
    """
    return world.layout.cwd if approval.trusted(world) else world.layout.home


def program(name: str, path: str, folder: Path) -> str | None:
    """The program that this word starts in `folder`: a bare name is looked up on PATH, as the client does."""
    if os.sep not in name:
        return which(name, path)
    found = folder / name
    return str(found) if found.is_file() and os.access(found, os.X_OK) else None
