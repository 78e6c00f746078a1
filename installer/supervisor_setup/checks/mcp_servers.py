"""Every MCP server that is configured where the client reads, or where its user might think that it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup.artefacts import Group
from supervisor_setup.checks import approval, project_key, server_spec
from supervisor_setup.checks.approval import Standing
from supervisor_setup.checks.client_files import settings_files
from supervisor_setup.checks.documents import Document
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

OUR_PROGRAM = "supervisor-mcp"


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
    document: Document = field(repr=False, compare=False)
    keys: tuple[str, ...]
    spec: Any

    @property
    def path(self) -> Path:
        """The file that it stands in."""
        return self.document.path

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
    def url(self) -> str | None:
        """Where a server that the client does not start itself is; None for the others."""
        url = self.settings.get("url")
        return url if self.settings.get("type") in server_spec.REMOTE_TYPES and isinstance(url, str) else None

    @property
    def always_loaded(self) -> bool:
        """Whether the client waits for it and describes its tools in the first request."""
        return self.settings.get("alwaysLoad") is True

    @property
    def title(self) -> str:
        """How a message names it."""
        return f"the MCP server `{self.name}`"


def configured(world: World) -> tuple[ServerEntry, ...]:
    """Every entry, by the order of `ServerScope` and of the files."""
    return world.memo.get("servers", lambda: tuple(_all(world)))


def read_by_client(world: World) -> tuple[ServerEntry, ...]:
    """The entry of each name that the client uses: the strongest scope's.

    One that it skips hides no weaker one, nor does one that waits for approval or was rejected; such an entry
    is given only where there is no other of its name.
    """
    used: dict[str, ServerEntry] = {}
    waiting: dict[str, ServerEntry] = {}
    for one in candidates(world):
        ready = standing(world, one) in (Standing.USED, Standing.DISABLED)
        (used if ready else waiting).setdefault(one.name, one)
    return tuple({**waiting, **used}.values())


def candidates(world: World) -> tuple[ServerEntry, ...]:
    """Every entry that the client would take, the strongest of a name first.

    Those of an administrator's managed-mcp.json leave room for no others.
    """
    valid = [
        one
        for one in configured(world)
        if one.scope is not ServerScope.SETTINGS and not server_spec.problems(one.spec)
    ]
    managed = tuple(one for one in valid if one.scope is ServerScope.MANAGED)
    return managed or tuple(valid)


def started(world: World) -> tuple[ServerEntry, ...]:
    """The entries that the client would start or connect to without asking anybody."""
    return tuple(one for one in read_by_client(world) if standing(world, one) is Standing.USED)


def standing(world: World, entry: ServerEntry) -> Standing:
    """What the client's user has decided of this server."""
    if entry.scope is ServerScope.PROJECT:
        return approval.of_project_server(world, entry.name)
    return Standing.DISABLED if approval.disabled(world, entry.name) else Standing.USED


def is_ours(world: World, entry: ServerEntry) -> bool:
    """Whether it is the local-models server: by its program or address, or as installed under its name."""
    words = entry.command or ()
    if any(Path(word).name == OUR_PROGRAM for word in words) or "supervisor_mcp" in words:
        return True
    config = world.config
    if isinstance(config, UserError):
        return False
    if entry.url is not None and entry.url == config.server_url:
        return True
    return entry.name == config.server_name and _installed(world)


def runs_elsewhere(world: World) -> bool:
    """Whether config.yaml names the address of a running server, whose own config counts there."""
    return not isinstance(world.config, UserError) and world.config.server_url is not None


def _installed(world: World) -> bool:
    return any(
        not isinstance(one.manifest, UserError)
        and not one.manifest.empty
        and Group.MCP in one.engine.options(one.manifest).groups
        for one in world.installed
    )


def project_files(world: World) -> Iterator[Path]:
    """Every .mcp.json that the client reads here: of this folder and all above it, the nearest first."""
    for folder in (world.layout.cwd, *world.layout.cwd.parents):
        yield folder / ".mcp.json"


def _all(world: World) -> Iterator[ServerEntry]:
    managed = world.document(world.layout.managed / "managed-mcp.json")
    yield from _entries(managed, ServerScope.MANAGED, "mcpServers")
    state, here = world.client_state, str(project_key.of(world.layout.cwd))
    yield from _entries(state, ServerScope.LOCAL, "projects", here, "mcpServers")
    for path in project_files(world):
        yield from _entries(world.document(path), ServerScope.PROJECT, "mcpServers")
    yield from _entries(state, ServerScope.USER, "mcpServers")
    for settings in settings_files(world):
        yield from _entries(world.document(settings.path), ServerScope.SETTINGS, "mcpServers")


def _entries(document: Document, scope: ServerScope, *keys: str) -> Iterator[ServerEntry]:
    for name, spec in document.mapping(*keys).items():
        yield ServerEntry(name, scope, document, (*keys, name), spec)
