"""The folders from which the client loads agents when it is started here.

Measured on 2.1.197 and 2.1.330: the user's; `.claude/agents` of the working directory and of each folder
above it, up to the git root, or to the home folder or the top outside of a repository; in a git worktree
without such a folder, that of the main checkout; and the administrator's. Agents of plugins have names of
their own (PLUGIN:AGENT) and are left out.
"""

from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks import project_key
from supervisor_setup.checks.client_files import Level
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

_AGENTS = Path(".claude", "agents")


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """A folder that the client reads; it may not exist."""

    level: Level
    path: Path


def read_by_client(world: World) -> tuple[AgentFolder, ...]:
    """The folders, weakest first: of agents with one name the client takes the one from the last folder."""
    return world.memo.get("agent folders", lambda: tuple(_all(world)))


def _all(world: World) -> Iterator[AgentFolder]:
    yield AgentFolder(Level.USER, world.layout.claude_dir / "agents")
    for path in _of_project(world.layout.cwd, world.layout.home):
        yield AgentFolder(Level.PROJECT, path)
    yield AgentFolder(Level.MANAGED, world.layout.managed / _AGENTS)


def _of_project(cwd: Path, home: Path) -> list[Path]:
    """Outermost first."""
    found: list[Path] = []
    for folder in (cwd, *cwd.parents):
        if folder == home:
            break
        found.append(folder / _AGENTS)
        if (folder / ".git").exists():
            main = project_key.of(folder)
            if main != folder and not found[-1].is_dir():
                found.append(main / _AGENTS)
            break
    return found[::-1]
