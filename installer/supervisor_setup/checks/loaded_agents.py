"""The agents that the client has in this folder, and the model that the file of each asks for."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks import agent_folders, installed_agents, installed_client
from supervisor_setup.checks.agent_search import AgentFile
from supervisor_setup.checks.client_files import Level
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent; `asked` is its file's `model`, None where it names none, and `line` the line of that.

    `project` is the folder to which it belongs, None for one that is there in every folder.
    """

    name: str
    asked: str | None
    path: Path
    line: int
    project: Path | None = None


def loaded(world: World) -> tuple[Agent, ...]:
    """The agents by their names; those of which nobody can tell which of two files is read are left out."""
    return world.memo.get("loaded agents", lambda: tuple(_loaded(world)))


def _loaded(world: World) -> Iterator[Agent]:
    facts = installed_client.installed(world).facts
    bom_loads, last_wins = facts.agree("agent_file_with_bom_loads"), facts.agree("last_agent_of_a_name_wins")
    by_name: dict[str, list[AgentFile]] = defaultdict(list)
    for file in installed_agents.loaded(world):
        if file.name and _described(file) and (bom_loads or not _has_bom(file)):
            by_name[file.name].append(file)
    projects = {
        folder.path: folder.path.parent.parent
        for folder in agent_folders.read_by_client(world)
        if folder.level is Level.PROJECT
    }
    for name, files in sorted(by_name.items()):
        winner = files[-1]
        if last_wins or sum(file.scope == winner.scope for file in files) == 1:
            yield _agent(name, winner, projects.get(winner.scope))


def _agent(name: str, file: AgentFile, project: Path | None) -> Agent:
    field = file.frontmatter.fields.get("model") if file.frontmatter else None
    asked = field.value.strip() if field and isinstance(field.value, str) else ""
    return Agent(name, asked or None, file.path, field.line if field else 1, project)


def _described(file: AgentFile) -> bool:
    """Whether it has the description without which the client drops it."""
    field = file.frontmatter.fields.get("description") if file.frontmatter else None
    return field is not None and isinstance(field.value, str) and bool(field.value)


def _has_bom(file: AgentFile) -> bool:
    return file.frontmatter is not None and file.frontmatter.bom
