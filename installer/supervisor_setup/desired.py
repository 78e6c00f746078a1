"""Config to the artefacts that should exist in a scope."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup import pipeline_skill
from supervisor_setup.artefacts import Artefact, Group, entry_artefact, file_artefact, item_artefact
from supervisor_setup.compiled import Compiled
from supervisor_setup.config import Config
from supervisor_setup.errors import UserError
from supervisor_setup.layout import Layout, Scope
from supervisor_setup.values import dataclass

ALL_GROUPS = (Group.AGENTS, Group.MCP, Group.SKILLS, Group.PERMISSIONS)


class McpTarget(StrEnum):
    """Into which files the server entry goes."""

    SETTINGS = "settings"
    CLIENT = "client"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of an install that later commands follow."""

    mcp_target: McpTarget = McpTarget.BOTH
    groups: tuple[Group, ...] = ALL_GROUPS


def desired(compiled: Compiled, layout: Layout, scope: Scope, options: Options) -> tuple[Artefact, ...]:
    """Everything that `install` wants in `scope`.

    Raises:
        UserError: the MCP server's program cannot be found.
    """
    wanted: list[Artefact] = []
    config = compiled.config
    if Group.AGENTS in options.groups:
        for name, content in compiled.agents.items():
            wanted.append(file_artefact(Group.AGENTS, scope.agents / name, content))
    if Group.SKILLS in options.groups:
        skill = scope.skills / "delegation" / "SKILL.md"
        wanted.append(file_artefact(Group.SKILLS, skill, compiled.skill))
    pipelines = config.pipeline.skill and Group.SKILLS in options.groups and not pipeline_skill.missing()
    if pipelines:
        wanted += pipeline_skill.files(compiled, scope)
    if Group.MCP in options.groups:
        wanted += _server(config, layout, scope, options.mcp_target)
    if Group.PERMISSIONS in options.groups:
        # Without the rule a call in `-p` mode fails with "Claude requested permissions to use …".
        rule = f"mcp__{config.server_name}"
        wanted.append(item_artefact(Group.PERMISSIONS, scope.settings, ("permissions", "allow"), rule))
        if pipelines:
            wanted += pipeline_skill.rules(scope)
    return tuple(wanted)


def server_entry(config: Config, layout: Layout) -> dict[str, Any]:
    """The client's entry for the MCP server: an absolute command or a URL, and references instead of secrets.

    Raises:
        UserError: the client is to start the server, and `supervisor-mcp` is not installed here.
    """
    entry = _started(config, layout) if config.server_url is None else _running(config)
    if config.always_load:
        # Else the client defers the tools, and Claude cannot decide from descriptions it has not seen.
        entry["alwaysLoad"] = True
    return entry


def _running(config: Config) -> dict[str, Any]:
    """The entry of a server that runs elsewhere; an unset token makes it answer that one is needed."""
    reference = f"Bearer ${{{config.server_token_env}:-}}"
    return {"type": "http", "url": config.server_url, "headers": {"Authorization": reference}}


def _started(config: Config, layout: Layout) -> dict[str, Any]:
    """The entry of a server that the client starts itself."""
    # `:-` because the client warns of an unset variable that has no default.
    keys = sorted(
        {backend["api_key"]["env"] for backend in config.backends if "env" in backend.get("api_key", {})}
    )
    return {
        "type": "stdio",
        "command": str(server_command()),
        "args": [
            *("--config", str(layout.config)),
            *("--cache", str(layout.server_cache)),
            *("--state", str(layout.state)),
        ],
        "env": {name: f"${{{name}:-}}" for name in keys},
    }


def server_command() -> Path:
    """The MCP server's program, of the same installation as this one.

    Raises:
        UserError: there is none.
    """
    # Not sys.executable's resolved folder: in a virtual environment that is a link out of it.
    beside = Path(sys.executable).parent / "supervisor-mcp"
    if os.access(beside, os.X_OK):
        return beside
    own = Path(sys.argv[0]).absolute().parent / "supervisor-mcp"
    if os.access(own, os.X_OK):
        return own
    import shutil  # only where neither of these is there

    found = shutil.which("supervisor-mcp")
    if found is None:
        raise UserError(
            f"{beside}: the MCP server's program is missing",
            hint="install supervisor-setup again, as its README says",
        )
    return Path(found).absolute()


def _server(config: Config, layout: Layout, scope: Scope, target: McpTarget) -> list[Artefact]:
    entry = server_entry(config, layout)
    files = {
        McpTarget.SETTINGS: [scope.settings],
        McpTarget.CLIENT: [scope.servers],
        McpTarget.BOTH: [scope.settings, scope.servers],
    }[target]
    pointer = ("mcpServers", config.server_name)
    return [entry_artefact(Group.MCP, path, pointer, entry) for path in files]
