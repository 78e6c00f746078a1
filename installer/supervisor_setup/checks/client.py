"""The client itself: is it there, and which version is it?"""

import os
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup import client_facts
from supervisor_setup.checks import installed_client
from supervisor_setup.checks.check import Check, Later, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status

_SETUP = "https://code.claude.com/docs/en/setup"
# client_runs.SECONDS and room.
_ROOM = 65.0


def installed(world: World) -> Iterator[Finding]:
    """Claude Code is not installed, not on PATH, or there several times in different versions.

    Nothing here has an effect without it; where two versions are on PATH, what holds in one terminal may not
    hold in another.

    Mend: install it, put its folder on PATH, or remove the copies that are not meant.
    """
    client = installed_client.installed(world)
    if client.program is None:
        yield Finding(
            "client.installed",
            Status.WARNING,
            "there is no `claude` on PATH, nor where its installers put it",
            hint=f"install Claude Code: {_SETUP}",
        )
        return
    copies = _on_path(world)
    if not copies:
        yield Finding(
            "client.installed",
            Status.INFO,
            "PATH does not lead to this `claude`, so a shell finds it by an alias at most",
            path=client.program,
            hint=f"add {quote(client.program.parent)} to PATH",
        )
    for program, version in copies[1:]:
        if version and client.version and version != client.version:
            yield Finding(
                "client.installed",
                Status.INFO,
                f"is Claude Code {version}, but this shell starts {client.version} from {client.program}",
                path=program,
                hint="remove the one that is not meant, or: claude update",
            )


def version(world: World) -> Iterator[Finding]:
    """The client is older than every version whose behaviour was measured.

    What doctor says of the client may not hold for it, nor what `install` sets up.

    Mend: `claude update`.
    """
    client = installed_client.installed(world)
    oldest = next(iter(client_facts.measured()))
    found = client_facts.parts(client.version or "")
    if found is not None and found < (client_facts.parts(oldest) or ()):
        yield Finding(
            "client.version",
            Status.WARNING,
            f"is {client.label}, and nothing before {oldest} was measured",
            path=client.program,
            hint="claude update",
        )


def _on_path(world: World) -> list[tuple[Path, str | None]]:
    """Every `claude` on PATH, the first to be started first, each program once."""
    found: dict[str, tuple[Path, str | None]] = {}
    for folder in filter(os.path.isabs, world.environment.get("PATH", "").split(os.pathsep)):
        program = Path(folder) / "claude"
        if program.is_file() and os.access(program, os.X_OK):
            found.setdefault(os.path.realpath(program), (program, installed_client.version_of(program)))
    return list(found.values())


CHECKS = (
    Check("client.installed", installed),
    Check("client.version", version),
    Check("client.sees-server", Later("client_sees", "sees_server"), Reach.DEEP, timeout_s=_ROOM),
    Check("client.sees-agents", Later("client_sees", "sees_agents"), Reach.DEEP, timeout_s=_ROOM),
)
