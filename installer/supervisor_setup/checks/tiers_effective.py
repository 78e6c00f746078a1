"""On which model each agent will run, by its file and by everything that overrules it."""

from collections.abc import Iterator, Sequence

from supervisor_setup.checks import installed_client, subagent_models
from supervisor_setup.checks.loaded_agents import Agent, loaded
from supervisor_setup.checks.model_names import INHERIT, bare, shown
from supervisor_setup.checks.subagent_models import Cause, Outcome, differs
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

_SHOWN_NAMES = 20


def outcomes(world: World, agent: Agent) -> tuple[Outcome, ...]:
    """What the agent runs on, for each of the facts that may hold for the client."""

    def work() -> tuple[Outcome, ...]:
        by = subagent_models.steering(world)
        rows = installed_client.installed(world).facts.rows
        return tuple(subagent_models.outcome(agent.asked, row, by) for row in rows)

    # Many agents, a handful of models.
    return world.memo.get(("outcomes", agent.asked), work)


def effective(world: World) -> Iterator[Finding]:
    """An agent will run on another model than its file asks for.

    Variables, availableModels and modelOverrides go before the agent's file, and the client says nothing:
    work that was meant for a small model is done and billed by a large one, or the other way round. The
    models are worked out as measured on the wire with 2.1.197 and 2.1.330. A model that Claude names in a
    call goes before the file too; `tiers.observed` tells.

    Mend: take back what is named. `doctor --verbose --check tiers.effective` shows every agent's model.
    """
    agents = loaded(world)
    astray: dict[tuple[str, str, Cause | None, Status], list[Agent]] = {}
    for agent in agents:
        found = outcomes(world, agent)
        bad = [one for one in found if differs(agent.asked, one)]
        if bad and agent.asked is not None:
            status = Status.ERROR if len(bad) == len(found) else Status.WARNING
            key = (bare(agent.asked), _title(bad[-1], certain=len(found) == 1), bad[-1].cause, status)
            astray.setdefault(key, []).append(agent)
    for (asked, model, cause, status), group in astray.items():
        yield _finding(world, group, (asked, model), cause, status)
    if agents and not astray:
        yield Finding("tiers.effective", Status.OK, _table(world, agents))


def names(agents: Sequence[Agent]) -> str:
    """Some agents by name."""
    listed = ", ".join(shown(one.name) for one in agents[:_SHOWN_NAMES])
    more = len(agents) - _SHOWN_NAMES
    return f"{listed} and {more} more" if more > 0 else listed


def _finding(
    world: World, group: Sequence[Agent], models: tuple[str, str], cause: Cause | None, status: Status
) -> Finding:
    one = len(group) == 1
    asks, runs = ("asks", "runs") if one else ("ask", "run")
    if status is not Status.ERROR:
        runs = "may run, as some versions of the client have it,"
    why = f": {cause.text}" if cause else ""
    asked, model = models
    message = f"{names(group)} {asks} for {shown(asked)} and {runs} on {model}{why}"
    path, line = (cause.path, cause.line) if cause and cause.path else (group[0].path, group[0].line)
    hint = cause.hint if cause else f"{world.layout.command} doctor --verbose --check tiers.effective"
    return Finding("tiers.effective", status, message, path, line, hint)


def _title(found: Outcome, *, certain: bool) -> str:
    """A model for a reader: by its id, or by its family where the id depends on the client's version."""
    name = shown(found.model) if certain or found.kind is None else found.kind
    return f"the main conversation's model ({name})" if found.main else name


def _table(world: World, agents: Sequence[Agent]) -> str:
    """All agents by the models that they run on."""
    groups: dict[str, list[Agent]] = {}
    for agent in agents:
        found = outcomes(world, agent)
        untold = agent.asked is None or bare(agent.asked) == INHERIT
        title = _title(found[-1], certain=len(found) == 1 or found[-1].cause is not None)
        groups.setdefault("the main conversation's model" if untold and found[-1].main else title, []).append(
            agent
        )
    listed = (f"{len(group)} on {model} ({names(group)})" for model, group in sorted(groups.items()))
    return f"{len(agents)} agent{'s' if len(agents) > 1 else ''}: {', '.join(listed)}"
