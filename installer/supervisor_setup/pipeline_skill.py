"""The skill `document-pipeline`: its files, and the rules by which Claude Code may start its script.

The rules name one program, one script and one command of it, as measured on 2.1.197 and 2.1.330: a rule
`Bash(WORDS:*)` lets through what begins with these very words, quoted in this very way. Another spelling,
variables set in front, or a further command behind are refused. What the script itself accepts is bounded by
`supervisor_pipelines.guarded`.
"""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from supervisor_setup.artefacts import Artefact, Group, file_artefact, item_artefact
from supervisor_setup.compiled import Compiled
from supervisor_setup.layout import Scope

NAME = "document-pipeline"
EXTRA = "orchestrate"
_COMMANDS = ("run", "status")
_IMPORTED = ("anthropic", "dbos", "pydantic", "sqlalchemy")


def missing() -> tuple[str, ...]:
    """The packages of the extra `orchestrate` that are not installed."""
    return tuple(name for name in _IMPORTED if find_spec(name) is None)


def files(compiled: Compiled, scope: Scope) -> list[Artefact]:
    """What Claude reads, and the script beside it."""
    manual = compiled.pipeline.manual(command(scope))
    return [
        file_artefact(Group.SKILLS, _folder(scope) / "SKILL.md", manual),
        file_artefact(Group.SKILLS, _script(scope), compiled.pipeline.script),
    ]


def rules(scope: Scope) -> list[Artefact]:
    """What the script may be called with, without asking the user."""
    place = ("permissions", "allow")
    return [
        item_artefact(Group.PERMISSIONS, scope.settings, place, f"Bash({command(scope)} {name}:*)")
        for name in _COMMANDS
    ]


def command(scope: Scope) -> str:
    """How the script is called, in the words of the rules."""
    return shlex.join((str(python()), str(_script(scope))))


def python() -> Path:
    """This installation's Python, by one name whichever one it was started by."""
    usual = Path(sys.executable).with_name("python")
    # Outside of a virtual environment `python` may be another version, or nothing.
    return usual if sys.prefix != sys.base_prefix and usual.exists() else Path(sys.executable)


def _folder(scope: Scope) -> Path:
    return scope.skills / NAME


def _script(scope: Scope) -> Path:
    return _folder(scope) / "pipeline.py"
