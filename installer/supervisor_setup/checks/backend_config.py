"""What config.yaml says of backends and tools, as the local-models server itself reads it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor_setup.checks import mcp_servers, variables
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status

if TYPE_CHECKING:
    from supervisor_mcp.backends import Backend
    from supervisor_mcp.settings import Backend as BackendSettings
    from supervisor_mcp.settings import Settings, Tool

_REFERENCE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def settings(world: World) -> "Settings | None":
    """The server's settings; None when config.yaml cannot be followed, which has a finding of its own."""
    from supervisor_mcp import settings as server_settings

    config = world.config
    if isinstance(config, UserError):
        return None
    return world.memo.get("server settings", lambda: server_settings.from_mapping(config.server))


def in_use(world: World) -> bool:
    """Whether anybody has set the backends up: before that the bundled addresses are nobody's.

    Nor are those of a config whose server runs elsewhere, with backends of its own.
    """
    if mcp_servers.runs_elsewhere(world):
        return False
    installed = any(isinstance(one.manifest, UserError) or not one.manifest.empty for one in world.installed)
    return installed or registered(world) is not None or os.path.lexists(world.layout.config)


def tools(world: World) -> "tuple[Tool, ...]":
    """The tools that ask a model."""
    found = settings(world)
    return tuple(one for one in found.tools if one.enabled and one.model) if found else ()


def models(world: World) -> dict[str, "tuple[Tool, ...]"]:
    """The models that the tools ask for, each with its tools."""
    found: dict[str, tuple[Tool, ...]] = {}
    for tool in tools(world):
        found[tool.model] = (*found.get(tool.model, ()), tool)
    return found


def registered(world: World) -> ServerEntry | None:
    """The entry with which the client starts the local-models server."""
    config = world.config
    if isinstance(config, UserError):
        return None
    return next((one for one in mcp_servers.read_by_client(world) if one.name == config.server_name), None)


def set_command(world: World, *keys: str | int) -> str:
    """The command that sets a key of config.yaml, without the value."""
    return f"{world.layout.command} config set {'.'.join(map(str, keys))}"


def finding(world: World, check: str, status: Status, message: str, hint: str, *keys: str | int) -> Finding:
    """A finding about the entry of config.yaml below `keys`, at its line as far as it is written there."""
    path = world.layout.config
    line = _line(path, keys)
    return Finding(check, status, message, path=path if line else None, line=line, hint=hint)


def client_of(world: World, backend: "BackendSettings", **changes: Any) -> "Backend":
    """The server's own client for a backend, with some of the settings changed."""
    from supervisor_mcp import backends

    made = backends.make(backend.but(**changes))
    made.environment = server_environment(world)
    return made


def server_environment(world: World) -> Mapping[str, str]:
    """The environment that the client would give the local-models server, as far as it is about keys.

    As measured: `env` of the settings files overrules the shell's variables and reaches every server, and
    the `env` of the server's own entry overrules both.
    """
    return world.memo.get("server environment", lambda: _server_environment(world))


def _server_environment(world: World) -> Mapping[str, str]:
    found, entry = settings(world), registered(world)
    environment = dict(world.environment)
    for name in {one.key_env for one in found.backends if one.key_env} if found else ():
        assigned = variables.effective(world, name)
        if assigned is not None:
            environment[name] = assigned.value
    given = entry.settings.get("env") if entry else None
    return {**environment, **_expanded(given, environment)} if isinstance(given, Mapping) else environment


def _expanded(given: Mapping[str, Any], environment: Mapping[str, str]) -> Mapping[str, str]:
    def value(match: re.Match[str]) -> str:
        return environment.get(match[1]) or match[2] or ""

    return {name: _REFERENCE.sub(value, text) for name, text in given.items() if isinstance(text, str)}


def _line(path: Path, keys: tuple[str | int, ...]) -> int | None:
    from supervisor_setup import files
    from supervisor_setup.edit import EditError, yaml_entries
    from supervisor_setup.errors import TargetError

    try:
        data = files.read(path).data
        return yaml_entries.line_of(data, keys) if data else None
    except (TargetError, EditError):
        return None
