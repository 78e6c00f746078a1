"""The files in which the client looks for settings, servers and agents in this folder, weakest first."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor_setup.checks import project_key
from supervisor_setup.errors import UserError
from supervisor_setup.layout import Scope, ScopeName
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_setup.checks.world import World

_SETTINGS = "settings.json"
_LOCAL_SETTINGS = "settings.local.json"


class Level(StrEnum):
    """Whose settings a file holds, in the client's words, weakest first."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"
    MANAGED = "managed"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file; it may not exist."""

    level: Level
    path: Path


def scopes(world: "World") -> tuple[Scope, ...]:
    """The scopes that the client would read in this folder, whether or not we installed anything there."""
    return world.memo.get("scopes", lambda: tuple(_scopes(world)))


def settings_files(world: "World") -> tuple[SettingsFile, ...]:
    """Every settings file that a client started in this folder merges, the strongest last.

    As measured on 2.1.197 and 2.1.330, it looks for the project's settings in the folder itself, not in those
    above it; 2.1.330 also reads settings.local.json beside the .git of the repository's main work tree.
    """
    return world.memo.get("settings files", lambda: tuple(_settings_files(world)))


def project_settings_files(world: "World") -> tuple[SettingsFile, ...]:
    """Every settings file that a client started in this folder or in the project's root merges."""
    return world.memo.get("project settings files", lambda: tuple(_project_settings_files(world)))


def _scopes(world: "World") -> Iterator[Scope]:
    for name in ScopeName:
        try:
            yield world.layout.scope(name)
        except UserError:
            continue


def _settings_files(world: "World") -> Iterator[SettingsFile]:
    here = world.layout.cwd / ".claude"
    yield SettingsFile(Level.USER, world.layout.claude_dir / _SETTINGS)
    if here.resolve() != world.layout.claude_dir:
        yield SettingsFile(Level.PROJECT, here / _SETTINGS)
    # Also where the folder is the home folder: its .claude then is the user's and the project's.
    yield SettingsFile(Level.LOCAL, here / _LOCAL_SETTINGS)
    repository = project_key.of(world.layout.cwd)
    if repository not in (world.layout.cwd, world.layout.home) and _is_shared(world):
        yield SettingsFile(Level.LOCAL, repository / ".claude" / _LOCAL_SETTINGS)
    yield SettingsFile(Level.MANAGED, world.layout.managed / "managed-settings.json")
    for path in sorted((world.layout.managed / "managed-settings.d").glob("*.json")):
        yield SettingsFile(Level.MANAGED, path)


def _project_settings_files(world: "World") -> Iterator[SettingsFile]:
    seen: set[Path] = set()
    root = world.project_root / ".claude"
    ours = (SettingsFile(Level.PROJECT, root / _SETTINGS), SettingsFile(Level.LOCAL, root / _LOCAL_SETTINGS))
    for one in (*settings_files(world), *(ours if root.resolve() != world.layout.claude_dir else ())):
        if one.path not in seen:
            seen.add(one.path)
            yield one


def _is_shared(world: "World") -> bool:
    """Whether the client may read the local settings of the whole repository."""
    from supervisor_setup.checks import installed_client  # which needs a world itself

    return installed_client.installed(world).facts.possible("repository_local_settings_apply", True)
