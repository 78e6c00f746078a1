"""On which models the agents really ran, by the client's own transcripts."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from supervisor_setup.checks import agent_search, transcripts
from supervisor_setup.checks.loaded_agents import Agent, loaded
from supervisor_setup.checks.model_names import families, family, shown
from supervisor_setup.checks.transcripts import Run
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

_LAST_RUNS = 30
_SETTLED = 5
_DAY = "%Y-%m-%d"


def observed(world: World) -> Iterator[Finding]:
    """An agent did run on another model than its file asks for.

    This is what the client itself wrote down in `projects/` below its folder, whatever the reason was: a
    setting in one project, a variable in one terminal, or Claude, which may name another model in a call.
    Only runs since the agent's file was last changed count, of them the last 30, and none once the last five
    went right. Of very many runs only the newest are looked at.

    Mend: `doctor --check tiers` says what would put an agent on another model now. Where Claude asks for the
    model itself, say in CLAUDE.md that it leaves the model to the agents.
    """
    agents = {one.name: one for one in loaded(world) if one.asked and families(one.asked)}
    changed = {name: _changed(agent.path) for name, agent in agents.items()}
    if not agents:
        return
    seen = transcripts.recent(world.layout.claude_dir, agents.keys(), min(changed.values()), 2 * _LAST_RUNS)
    by_agent: dict[str, list[Run]] = {}
    for run in seen.runs:
        agent = agents[run.agent]
        if run.started > changed[run.agent] and family(run.model) and _is_of(world, agent, run):
            by_agent.setdefault(run.agent, []).append(run)
    wrong = 0
    for name, runs in sorted(by_agent.items()):
        for finding in _finding(world, agents[name], runs[:_LAST_RUNS], complete=seen.complete):
            wrong += 1
            yield finding
    counted = sum(min(len(runs), _LAST_RUNS) for runs in by_agent.values())
    if counted and not wrong:
        agents_ran = (
            "1 agent ran as its file asks"
            if len(by_agent) == 1
            else f"{len(by_agent)} agents ran as their files ask"
        )
        message = f"{agents_ran}, by the last {counted} run{'s' if counted > 1 else ''}"
        yield Finding("tiers.observed", Status.OK, message)


def _finding(world: World, agent: Agent, runs: Sequence[Run], *, complete: bool) -> Iterator[Finding]:
    assert agent.asked is not None
    agree = [family(run.model) in families(agent.asked) for run in runs]
    wrong = [run for run, fine in zip(runs, agree, strict=True) if not fine]
    if not wrong or (len(runs) > _SETTLED and all(agree[:_SETTLED])):
        return
    ((model, _),) = Counter(run.model for run in wrong).most_common(1)
    others = len({run.model for run in wrong}) - 1
    last = time.strftime(_DAY, time.localtime(max(run.started for run in wrong)))
    which = f"{shown(model)} and {others} more" if others else shown(model)
    count = f"{len(wrong)} of its last {len(runs)} runs" if len(runs) > 1 else "its last run"
    message = f"{shown(agent.name)} asks for {shown(agent.asked)}; {count} ran on {which} (last on {last})"
    asked_for = sum(run.chosen for run in wrong)
    hint = f"to see what would do that now: {world.layout.command} doctor --verbose --check tiers"
    if asked_for:
        part = "" if asked_for == len(wrong) else f" in {asked_for} of them"
        message += f"; Claude named that model in the call{part}"
        hint = "say in CLAUDE.md: leave `model` out when you start an agent, its file has it"
    if not complete:
        message += "; older runs were not looked at"
    status = Status.INFO if asked_for == len(wrong) else Status.WARNING
    yield Finding("tiers.observed", status, message, agent.path, agent.line, hint)


def _is_of(world: World, agent: Agent, run: Run) -> bool:
    """Whether the run was of this agent, and not of another project's of the same name."""
    if agent.project is not None:
        return run.folder is not None and run.folder.is_relative_to(agent.project)
    return run.folder is None or agent.name not in _names_in(world, run.folder)


def _names_in(world: World, folder: Path) -> frozenset[str]:
    """The names of the agents that a project has, by a folder in it."""

    def look() -> frozenset[str]:
        names: set[str] = set()
        for place in (folder, *folder.parents):
            agents = place / ".claude" / "agents"
            if place == world.layout.home or agents.parent == world.layout.claude_dir:
                break
            if agents.is_dir():
                names.update(one.name for one in agent_search.loaded_from([agents]) if one.name)
        return frozenset(names)

    return world.memo.get(("agents of", folder), look)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
