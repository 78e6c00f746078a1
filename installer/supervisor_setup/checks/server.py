"""The MCP servers' entries, ours and all others, as the client will see them."""

from collections.abc import Iterator
from typing import Any

from supervisor_setup.artefacts import Group
from supervisor_setup.checks import (
    mcp_servers,
    server_launch,
    server_limits,
    server_rights,
    server_spec,
)
from supervisor_setup.checks.check import Check, Later, Reach
from supervisor_setup.checks.documents import Document
from supervisor_setup.checks.mcp_servers import ServerEntry, ServerScope
from supervisor_setup.checks.server_findings import about
from supervisor_setup.checks.world import Installed, World
from supervisor_setup.config import Config
from supervisor_setup.desired import McpTarget
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status


def entry(world: World) -> Iterator[Finding]:
    """A server's entry is not one that the client takes, or ours is not where the client reads it.

    The client skips such an entry and starts without the server; only `claude mcp list` says a word of it. An
    entry whose program is gone gives no more than "Failed to connect".

    Mend: correct the entry. Ours comes back with `doctor --fix`, or the `install` that is named.
    """
    for one in mcp_servers.configured(world):
        if one.scope is not ServerScope.SETTINGS:
            for problem in server_spec.problems(one.spec):
                yield about(
                    "server.entry",
                    Status.ERROR,
                    one,
                    f"{problem}, so the client skips the server",
                    "correct it, then: claude mcp list",
                )
    yield from _groups(world)
    if isinstance(world.config, UserError):
        return
    for where in world.installed:
        if isinstance(where.manifest, UserError) or where.manifest.empty:
            continue
        if Group.MCP in where.engine.options(where.manifest).groups:
            yield from _ours(world, world.config, where)


def _groups(world: World) -> Iterator[Finding]:
    """Files whose `mcpServers` as a whole is not what the client reads."""
    for document in (world.client_state, *map(world.document, mcp_servers.project_files(world))):
        found = document.at("mcpServers")
        if found is not None and not isinstance(found, dict):
            yield _of_group(document, "mcpServers is not an object", "write it as {NAME: {…}, …}")
        elif document is not world.client_state and _lacks_the_key(document.value):
            yield _of_group(
                document, "it has no `mcpServers`", 'put the servers below it: {"mcpServers": {NAME: {…}}}'
            )


def _lacks_the_key(value: Any) -> bool:
    return bool(value) and not (isinstance(value, dict) and "mcpServers" in value)


def _of_group(document: Document, what: str, hint: str) -> Finding:
    return Finding(
        "server.entry",
        Status.ERROR,
        f"{what}, so the client reads no server from this file",
        path=document.path,
        line=document.line_of("mcpServers") or 1,
        hint=hint,
    )


def _ours(world: World, config: Config, where: Installed) -> Iterator[Finding]:
    assert not isinstance(where.manifest, UserError)
    name, scope = config.server_name, where.engine.scope
    hint = where.install_command
    if where.engine.options(where.manifest).mcp_target is McpTarget.SETTINGS:
        yield Finding(
            "server.entry",
            Status.WARNING,
            f"mcpServers.{name} stands only in {scope.settings.name}, where the client ignores it",
            path=scope.settings,
            line=world.document(scope.settings).line_of("mcpServers", name),
            hint=f"{hint} --mcp-target both",
        )
        return
    document = world.document(scope.servers)
    found = document.at("mcpServers", name)
    if found is None:
        yield Finding(
            "server.entry",
            Status.ERROR,
            f"mcpServers.{name} is missing, so Claude has no local models",
            path=scope.servers,
            hint=hint,
            fixable=True,
        )
        return
    own = ServerEntry(name, ServerScope(scope.name), document, ("mcpServers", name), found)
    if own.command is not None and not server_spec.problems(found):
        yield from _program(world, own, hint)


def _program(world: World, own: ServerEntry, hint: str) -> Iterator[Finding]:
    words, environment = server_launch.launch(world, own)
    # As the client does: a bare name is looked up on PATH. A reference that stays is server.env's.
    if "${" in words[0] or server_launch.program(words[0], environment.get("PATH", ""), world.layout.cwd):
        return
    yield about(
        "server.entry",
        Status.ERROR,
        own,
        f'its command {words[0]!r} is not a program; the client says only "Failed to connect"',
        f"{hint} --overwrite",
        "command",
    )


# server_start.ALL_SECONDS and room.
_ROOM = 28.0
CHECKS = (
    Check("server.entry", entry),
    Check("server.command", Later("server_running", "command"), Reach.LOCAL, timeout_s=_ROOM),
    Check("server.handshake", Later("server_running", "handshake"), Reach.LOCAL, timeout_s=_ROOM),
    Check("server.deferred", server_rights.deferred),
    Check("server.permission", server_rights.permission),
    Check("server.env", server_limits.env),
    Check("server.timeout", server_limits.timeout),
    Check("server.output-limit", server_limits.output_limit),
    Check(
        "server.description-length",
        Later("server_running", "description_length"),
        Reach.LOCAL,
        timeout_s=_ROOM,
    ),
    Check("server.shadowed", server_rights.shadowed),
)
