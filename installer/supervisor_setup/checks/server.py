"""The MCP server's registration, as the client will see it."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.artefacts import Group
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.world import Installed, World
from supervisor_setup.config import Config
from supervisor_setup.desired import McpTarget
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status


def entry(world: World) -> Iterator[Finding]:
    """Our server's entry is not where the client reads it, or does not lead to a program.

    Claude then has no local models, and the client says nothing, or only "Failed to connect".

    Mend: `doctor --fix`, or the `install` that is named.
    """
    if isinstance(world.config, UserError):
        return
    for where in world.installed:
        if isinstance(where.manifest, UserError) or where.manifest.empty:
            continue
        if Group.MCP in where.engine.options(where.manifest).groups:
            yield from _entry(world, world.config, where)


def _entry(world: World, config: Config, where: Installed) -> Iterator[Finding]:
    assert not isinstance(where.manifest, UserError)
    name, scope = config.server_name, where.engine.scope
    hint = where.install_command
    if where.engine.options(where.manifest).mcp_target is McpTarget.SETTINGS:
        yield Finding(
            "server.entry",
            Status.WARNING,
            f"mcpServers.{name} stands only in {scope.settings.name}, where the client ignores it",
            path=scope.settings,
            hint=f"{hint} --mcp-target both",
        )
        return
    found = world.document(scope.servers).at("mcpServers", name)
    if found is None:
        yield Finding(
            "server.entry",
            Status.ERROR,
            f"mcpServers.{name} is missing, so Claude has no local models",
            path=scope.servers,
            hint=hint,
            fixable=True,
        )
    elif isinstance(found, Mapping):
        yield from _command(scope.servers, name, found, hint)


def _command(path: Path, name: str, found: Mapping[str, Any], hint: str) -> Iterator[Finding]:
    command = found.get("command")
    if command is None and "url" in found:
        return
    if isinstance(command, str) and "${" in command:
        return
    # As the client does: a bare name is looked up on PATH.
    if not isinstance(command, str) or shutil.which(command) is None:
        yield Finding(
            "server.entry",
            Status.ERROR,
            f"mcpServers.{name}: its command {command!r} is not a program; the client says only "
            '"Failed to connect"',
            path=path,
            hint=f"{hint} --overwrite",
        )


CHECKS = (Check("server.entry", entry),)
