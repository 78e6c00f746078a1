"""Where an environment variable is set that the client will see: here, in its settings, in a shell's profile.

Profiles and `.env` files are only looked through for plain assignments; nothing in them is run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from supervisor_setup.checks.client_files import settings_files
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.world import World

_PROFILES = (
    ".profile",
    ".bash_profile",
    ".bash_login",
    ".bashrc",
    ".bash_aliases",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".zlogin",
    ".config/fish/config.fish",
    ".pam_environment",
)
_PROFILE_FOLDERS = ((".config/fish/conf.d", "*.fish"), (".config/environment.d", "*.conf"))
_DOTENV = (".env", ".env.local", ".envrc")
_MAX_BYTES = 1_000_000
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:
        (?:export[ \t]+|typeset[ \t]+-x[ \t]+|declare[ \t]+-x[ \t]+)?(?P<name>[A-Za-z_]\w*)=
        |set[ \t]+(?:-[a-zA-Z-]+[ \t]+)+(?P<fish>[A-Za-z_]\w*)[ \t]+
        |setenv[ \t]+(?P<csh>[A-Za-z_]\w*)[ \t]+
    )(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s;#]*)""",
    re.VERBOSE | re.MULTILINE,
)


class Source(StrEnum):
    """Where a variable is set, weakest first: a settings file's `env` overrules the process's own."""

    PROFILE = "profile"
    DOTENV = "dotenv"
    ENVIRONMENT = "environment"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One place that gives a variable a value; without a path it is the environment of this very run."""

    name: str
    value: str
    source: Source
    path: Path | None = None
    line: int | None = None

    @property
    def removal(self) -> str:
        """How to take it back, for a hint."""
        if self.path is None:
            return f"unset {self.name}"
        where = "from `env` there" if self.source is Source.SETTINGS else "there, and start a new shell"
        return f"remove {self.name} {where}"


def assignments(world: World, name: str) -> list[Assignment]:
    """Every place that sets `name` to something that is not empty, the strongest last."""
    return [one for one in world.memo.get("assignments", lambda: list(_all(world))) if one.name == name]


def effective(world: World, name: str) -> Assignment | None:
    """The assignment that a client started from this shell would follow."""
    live = [one for one in assignments(world, name) if one.source in (Source.ENVIRONMENT, Source.SETTINGS)]
    return live[-1] if live else None


def _all(world: World) -> Iterator[Assignment]:
    for path in _profiles(world.layout.home):
        yield from _assigned(path, Source.PROFILE)
    for path in _dotenvs(world):
        yield from _assigned(path, Source.DOTENV)
    for name, value in world.environment.items():
        if value:
            yield Assignment(name, value, Source.ENVIRONMENT)
    for settings in settings_files(world):
        document = world.document(settings.path)
        if document.state is State.GOOD:
            for name, value in document.mapping("env").items():
                if value not in ("", None):
                    line = document.line_of("env", name)
                    yield Assignment(name, str(value), Source.SETTINGS, settings.path, line)


def _profiles(home: Path) -> Iterator[Path]:
    yield from (home / name for name in _PROFILES)
    for folder, pattern in _PROFILE_FOLDERS:
        yield from sorted((home / folder).glob(pattern))


def _dotenvs(world: World) -> Iterator[Path]:
    folders = dict.fromkeys((world.layout.cwd, world.project_root))
    yield from (folder / name for folder in folders for name in _DOTENV)


def _assigned(path: Path, source: Source) -> Iterator[Assignment]:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for match in _ASSIGNMENT.finditer(text):
        name = match["name"] or match["fish"] or match["csh"]
        value = match["value"]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if value:
            yield Assignment(name, value, source, path, text.count("\n", 0, match.start()) + 1)
