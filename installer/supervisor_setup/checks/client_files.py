"""The files in which the client looks for settings, servers and agents in this folder, weakest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor_setup.errors import UserError
from supervisor_setup.layout import Scope, ScopeName

if TYPE_CHECKING:
    from supervisor_setup.checks.world import World


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
    found = []
    for name in ScopeName:
        try:
            found.append(world.layout.scope(name))
        except UserError:
            continue
    return tuple(found)


def settings_files(world: "World") -> Iterator[SettingsFile]:
    """Every settings file that the client merges, the strongest last."""
    for scope in scopes(world):
        user = scope.name is ScopeName.USER
        yield SettingsFile(Level.USER if user else Level.PROJECT, scope.settings)
        yield SettingsFile(
            Level.USER if user else Level.LOCAL, scope.settings.with_name("settings.local.json")
        )
    yield SettingsFile(Level.MANAGED, world.layout.managed / "managed-settings.json")
    for path in sorted((world.layout.managed / "managed-settings.d").glob("*.json")):
        yield SettingsFile(Level.MANAGED, path)
