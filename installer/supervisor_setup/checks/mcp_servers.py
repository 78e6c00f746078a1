"""Every MCP server that is configured where the client reads, or where its user might think that it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup.checks.client_files import scopes, settings_files
from supervisor_setup.checks.documents import Document
from supervisor_setup.checks.world import World
from supervisor_setup.layout import ScopeName


class ServerScope(StrEnum):
    """Where an entry stands, in the client's words, the strongest first; `settings` is read by no client."""

    MANAGED = "managed"
    LOCAL = "local"
    PROJECT = "project"
    USER = "user"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """One entry; `keys` lead to it in its file. `spec` is as written there, whatever that is."""

    name: str
    scope: ServerScope
    path: Path
    keys: tuple[str, ...]
    spec: Any

    @property
    def settings(self) -> Mapping[str, Any]:
        """The entry's keys; none where it is no object."""
        return self.spec if isinstance(self.spec, Mapping) else {}

    @property
    def command(self) -> tuple[str, ...] | None:
        """The program and its arguments; None for a server that has a URL instead, or nothing."""
        program, arguments = self.settings.get("command"), self.settings.get("args") or []
        if not isinstance(program, str) or not program or not isinstance(arguments, list):
            return None
        return (program, *map(str, arguments))

    @property
    def title(self) -> str:
        """How a message names it."""
        return f"the MCP server `{self.name}`"


def configured(world: World) -> tuple[ServerEntry, ...]:
    """Every entry, by the order of `ServerScope` and of the files."""
    return world.memo.get("servers", lambda: tuple(_all(world)))


def read_by_client(world: World) -> tuple[ServerEntry, ...]:
    """The entry of each name that the client uses: the strongest scope's."""
    used: dict[str, ServerEntry] = {}
    for one in configured(world):
        if one.scope is not ServerScope.SETTINGS:
            used.setdefault(one.name, one)
    return tuple(used.values())


def _all(world: World) -> Iterator[ServerEntry]:
    managed = world.document(world.layout.managed / "managed-mcp.json")
    yield from _entries(managed, ServerScope.MANAGED, "mcpServers")
    state = world.client_state
    for project in world.project_names:
        yield from _entries(state, ServerScope.LOCAL, "projects", project, "mcpServers")
    for scope in scopes(world):
        if scope.name is ScopeName.PROJECT:
            yield from _entries(world.document(scope.servers), ServerScope.PROJECT, "mcpServers")
    yield from _entries(state, ServerScope.USER, "mcpServers")
    for settings in settings_files(world):
        yield from _entries(world.document(settings.path), ServerScope.SETTINGS, "mcpServers")


def _entries(document: Document, scope: ServerScope, *keys: str) -> Iterator[ServerEntry]:
    for name, spec in document.mapping(*keys).items():
        yield ServerEntry(name, scope, document.path, (*keys, name), spec)
