"""Where an environment variable is set that the client will see: here, in its settings, in a shell's profile.

As measured on 2.1.197 and 2.1.330: the `env` of a settings file overrules the process's own environment, the
stronger file the weaker one, and an empty value there takes the variable away; numbers and the like become
text; the client reads no `.env` file by itself.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from supervisor_setup.checks import profiles
from supervisor_setup.checks.followed_settings import followed
from supervisor_setup.checks.model_names import shown
from supervisor_setup.checks.profiles import Parser, Setting
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

_PROFILES = (
    ".profile",
    ".bash_profile",
    ".bash_login",
    ".bashrc",
    ".bash_aliases",
    ".cshrc",
    ".tcshrc",
    ".login",
)
_ZSH_PROFILES = (".zshenv", ".zprofile", ".zshrc", ".zlogin")
_FISH_VARIABLES = "fish_variables"
_DOTENV = (".env", ".env.local")
_DIRENV = ".envrc"
_MAX_BYTES = 250_000


class Source(StrEnum):
    """Where a variable is set, weakest first: a settings file's `env` overrules the process's own."""

    PROFILE = "profile"
    DOTENV = "dotenv"
    ENVIRONMENT = "environment"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One place that gives a variable a value; without a path it is the environment of this very run.

    `live` tells that a client started from here is handed the value; a stronger place may overrule it. Where
    it is not `known`, a shell works the value out and `value` is what stands there.
    """

    name: str
    value: str
    source: Source
    path: Path | None = None
    line: int | None = None
    live: bool = False
    known: bool = True

    @property
    def shown(self) -> str:
        """The variable with its value, for a message; never for a name that may hold a secret."""
        return f"{self.name}={shown(self.value)}" if self.known else f"{self.name} (worked out there)"

    @property
    def removal(self) -> str:
        """How to take it back, for a hint."""
        if self.path is None:
            return f"unset {self.name}"
        if self.path.name == _FISH_VARIABLES:
            return f"set -Ue {self.name}, in fish, and start a new shell"
        where = "from `env` there" if self.source is Source.SETTINGS else "there, and start a new shell"
        return f"remove {self.name} {where}"


def assignments(world: World, name: str) -> list[Assignment]:
    """Every place that sets `name` to something that is not empty, the strongest last."""
    return [one for one in _places(world, name) if one.value]


def effective(world: World, name: str) -> Assignment | None:
    """The assignment that a client started from this shell would follow."""
    live = [one for one in _places(world, name) if one.live]
    return live[-1] if live and live[-1].value else None


def _places(world: World, name: str) -> list[Assignment]:
    return world.memo.get(("assignments", name), lambda: list(_all(world, name)))


def _all(world: World, name: str) -> Iterator[Assignment]:
    own = world.environment.get(name)
    settings = list(_in_settings(world, name))
    # What the client hands to its children comes from its settings, not from a shell.
    explained = own is None or any(one.value == own for one in settings)
    for path, text, parse, source in _texts(world):
        found = _parsed(world, path, text, parse, name)
        if found is None:
            continue
        one = Assignment(name, found.value, source, path, found.line, known=found.known)
        loaded = source is Source.PROFILE or path.name == _DIRENV
        if own and loaded and (not found.known or found.value == own):
            # This shell's value comes from there, and is mended there.
            one, explained = replace(one, value=own, live=True, known=True), True
        yield one
    if own is not None and not explained:
        yield Assignment(name, own, Source.ENVIRONMENT, live=True)
    yield from settings


def _in_settings(world: World, name: str) -> Iterator[Assignment]:
    for settings, document in followed(world):
        variables = document.mapping("env")
        if name in variables and not isinstance(variables[name], dict | list):
            value = variables[name]
            text = value if isinstance(value, str) else json.dumps(value)
            line = document.line_of("env", name)
            yield Assignment(name, text, Source.SETTINGS, settings.path, line, live=True)


def _texts(world: World) -> tuple[tuple[Path, str, Parser, Source], ...]:
    """The files that have anything in them, with their texts; they are asked for many variables."""

    def read() -> tuple[tuple[Path, str, Parser, Source], ...]:
        found = ((path, _text(path), parse, source) for path, parse, source in _files(world))
        return tuple(one for one in found if one[1])

    return world.memo.get("profiles", read)


def _files(world: World) -> Iterator[tuple[Path, Parser, Source]]:
    home = world.layout.home
    for name in _PROFILES:
        yield home / name, profiles.shell, Source.PROFILE
    zsh = _folder(world, "ZDOTDIR", home)
    for name in _ZSH_PROFILES:
        yield zsh / name, profiles.shell, Source.PROFILE
    config = _folder(world, "XDG_CONFIG_HOME", home / ".config")
    yield config / "fish" / _FISH_VARIABLES, profiles.fish_variables, Source.PROFILE
    for path in (*sorted((config / "fish" / "conf.d").glob("*.fish")), config / "fish" / "config.fish"):
        yield path, profiles.fish, Source.PROFILE
    for path in (home / ".pam_environment", *sorted((config / "environment.d").glob("*.conf"))):
        yield path, profiles.dotenv, Source.PROFILE
    for folder in dict.fromkeys((world.project_root, world.layout.cwd)):
        for name in _DOTENV:
            yield folder / name, profiles.dotenv, Source.DOTENV
        yield folder / _DIRENV, profiles.shell, Source.DOTENV


def _folder(world: World, variable: str, default: Path) -> Path:
    """The folder that a variable names, where it does."""
    named = Path(world.environment.get(variable, ""))
    return named if named.is_absolute() else default


def _parsed(world: World, path: Path, text: str, parse: Parser, name: str) -> Setting | None:
    if name not in text or not re.search(rf"\b{name}\b", text):  # spares most files the parsing
        return None
    return world.memo.get(("parsed profile", path), lambda: parse(text)).get(name)


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
