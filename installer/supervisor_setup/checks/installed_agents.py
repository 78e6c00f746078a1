"""The agent files that the client will load here, checked as `validate` does, and against each other."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks import (
    agent_folders,
    agent_names,
    agent_search,
    agents,
    gateways,
    installed_client,
    surroundings,
)
from supervisor_setup.checks.agent_explanations import EXPLANATIONS
from supervisor_setup.checks.agent_tools import server_in_names
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.mcp_servers import project_files, read_by_client
from supervisor_setup.checks.surroundings import Surroundings
from supervisor_setup.checks.variables import Source, assignments
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding

_OTHER_PROVIDERS = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
)
"""Variables with which requests go to a provider that has names and dates of its own for models."""
_OFF = ("0", "false", "no", "off")
_KEEP_OLD_MODELS = "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP"


def loaded(world: World) -> tuple[agent_search.AgentFile, ...]:
    """Every file in the folders that the client reads, the folders weakest first."""
    folders = [folder.path for folder in agent_folders.read_by_client(world)]
    return world.memo.get("agent files", lambda: tuple(agent_search.loaded_from(folders)))


def _check(name: str) -> Check:
    def run(world: World) -> Iterator[Finding]:
        found = world.memo.get("agents", lambda: _all(world))
        return (finding for finding in found if finding.id == name)

    explanation = EXPLANATIONS[name]
    run.__doc__ = f"{explanation.catches}\n\n{explanation.why}\n\nMend: {explanation.mend}"
    return Check(name, run)


def _all(world: World) -> list[Finding]:
    files, around = loaded(world), _here(world)
    living = [file for file in files if agents.is_loaded(file, around)]
    return [
        *agents.check_agents(files, around),
        *agent_names.overridden(living),
        *agent_names.replacing_built_in(living, around, _ours(world)),
    ]


def _here(world: World) -> Surroundings:
    return dataclasses.replace(
        surroundings.anywhere(),
        facts=installed_client.installed(world).facts,
        servers=_servers(world),
        foreign_models=_has_foreign_models(world),
        resends=not _is_set(world, _KEEP_OLD_MODELS),
    )


def _has_foreign_models(world: World) -> bool:
    """Whether requests may go elsewhere than to Anthropic's own API."""
    urls = [one for one in assignments(world, "ANTHROPIC_BASE_URL") if one.source is not Source.DOTENV]
    gateway = any(not url.known or gateways.named_by(world, url) for url in urls)
    return gateway or any(_is_set(world, name) for name in _OTHER_PROVIDERS)


def _is_set(world: World, name: str) -> bool:
    """Whether it is set for the client: here, in its settings, or in a shell's profile."""
    found = (one for one in assignments(world, name) if one.source is not Source.DOTENV)
    return any(one.value.lower() not in _OFF for one in found)


def _servers(world: World) -> frozenset[str] | None:
    """The MCP servers that the client reads; None where one of the files cannot be read."""
    files = (world.client_state, *map(world.document, project_files(world)))
    if any(one.state in (State.BROKEN, State.UNREADABLE) for one in files):
        return None
    return frozenset(server_in_names(server.name) for server in read_by_client(world))


def _ours(world: World) -> frozenset[Path]:
    """The files that we installed."""
    return frozenset(
        address.path
        for one in world.installed
        if not isinstance(one.manifest, UserError)
        for address in one.manifest.records
    )


CHECKS = tuple(map(_check, EXPLANATIONS))
