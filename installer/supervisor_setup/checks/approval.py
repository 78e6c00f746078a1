"""Whether the client would start a server: a project's waits for approval, and each can be switched off.

What a repository brings along is never started before its user has approved it, so whatever is not surely
approved counts as waiting. Measured on 2.1.197 and 2.1.330:

- `disabledMcpjsonServers` in any settings file rejects, also in those of a project that is not trusted;
- the user's own settings approve everywhere; a project's, shared or local, only once the user has trusted the
  folder, and only those in the very folder that the client is started in;
- `disabledMcpServers` of the project in the state file disables a server of any scope.

In print mode (`claude -p`) the client starts a project's servers without any approval.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from supervisor_setup.checks import project_key
from supervisor_setup.checks.client_files import Level, settings_files
from supervisor_setup.checks.documents import Document, State
from supervisor_setup.checks.world import World

ALL = "enableAllProjectMcpServers"
SOME = "enabledMcpjsonServers"
NONE = "disabledMcpjsonServers"
DISABLED = "disabledMcpServers"


class Standing(StrEnum):
    """What the client's user has decided of a server."""

    USED = "used"
    PENDING = "pending"
    REJECTED = "rejected"
    DISABLED = "disabled"


def disabled(world: World, name: str) -> bool:
    """Whether the user has switched this server off for the present project."""
    return name in _strings(_project(world).get(DISABLED))


def of_project_server(world: World, name: str) -> Standing:
    """What holds for a server of a project's .mcp.json."""
    if any(plain_name(one) == plain_name(name) for one in _rejected(world)):
        return Standing.REJECTED
    if disabled(world, name):
        return Standing.DISABLED
    return Standing.USED if _approved(world, name) else Standing.PENDING


def trusted(world: World) -> bool:
    """Whether the user has told the client to trust the present project."""
    return _project(world).get("hasTrustDialogAccepted") is True


def plain_name(name: str) -> str:
    """The name as it stands in the names of tools and in permission rules."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _approved(world: World, name: str) -> bool:
    project, believed = _project(world), trusted(world)
    if believed and name in _strings(project.get(SOME)):
        return True
    for level, document in _settings(world):
        if level in (Level.PROJECT, Level.LOCAL) and not (believed and _is_here(world, document)):
            continue
        if document.at(ALL) is True or name in _strings(document.at(SOME)):
            return True
    return False


def _is_here(world: World, document: Document) -> bool:
    return document.path.parent.parent == world.layout.cwd


def _rejected(world: World) -> Iterable[str]:
    yield from _strings(_project(world).get(NONE))
    for _, document in _settings(world):
        yield from _strings(document.at(NONE))


def _settings(world: World) -> Iterable[tuple[Level, Document]]:
    for one in settings_files(world):
        document = world.document(one.path)
        if document.state is State.GOOD:
            yield one.level, document


def _project(world: World) -> Mapping[str, Any]:
    return world.client_state.mapping("projects", str(project_key.of(world.layout.cwd)))


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
