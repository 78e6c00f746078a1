"""What defeats the agents' tiers from outside their files."""

from collections.abc import Iterator

from supervisor_setup.checks import installed_client, subagent_models
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.loaded_agents import Agent, loaded
from supervisor_setup.checks.model_names import FAMILIES, bare, family, shown
from supervisor_setup.checks.subagent_models import ALIASES, OVERRIDE, differs
from supervisor_setup.checks.tiers_effective import effective, names, outcomes
from supervisor_setup.checks.tiers_observed import observed
from supervisor_setup.checks.variables import Assignment, Source, assignments
from supervisor_setup.checks.variables import effective as followed
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_GATEWAY = "ANTHROPIC_BASE_URL"


def subagent_override(world: World) -> Iterator[Finding]:
    """CLAUDE_CODE_SUBAGENT_MODEL puts subagents on a model that their files do not ask for.

    Measured on the wire: up to 2.1.250 it overrules every agent's file; since 2.1.251 it holds only for
    agents that name no model, until CLAUDE_CODE_SUBAGENT_MODEL_FORCE (since 2.1.257) makes it overrule the
    files again. That variable alone puts every agent on the main conversation's model.

    Mend: remove the variable where it is set.
    """
    facts = installed_client.installed(world).facts
    forced = subagent_models.steering(world).force
    may_force = forced is not None and facts.possible("subagent_model_can_be_forced", value=True)
    for one in _that_count(world, OVERRIDE):
        if one.value != "inherit":
            yield from _override(world, one, may_force=may_force)
    if forced is not None and may_force:
        label = installed_client.installed(world).label
        sure = facts.agree("subagent_model_can_be_forced")
        who = label if sure else "Claude Code since 2.1.257"
        effect = f"{who} passes over the model of every agent's file"
        if followed(world, OVERRIDE) is None:
            effect += f" and, without {OVERRIDE}, runs each on the main conversation's model"
        yield _finding("tiers.subagent-override", Status.WARNING, f"{forced.shown}: {effect}", forced)


def _override(world: World, one: Assignment, *, may_force: bool) -> Iterator[Finding]:
    client = installed_client.installed(world)
    overrules = client.facts.agree("subagent_variable_overrides_agents")
    unnamed = [agent for agent in loaded(world) if agent.asked is None]
    if overrules or may_force:
        status, effect = Status.WARNING, f"{client.label} runs every agent on it, whatever its file asks for"
    elif overrules is None:
        status = Status.WARNING
        effect = "Claude Code up to 2.1.250 runs every agent on it, whatever its file asks for"
    elif unnamed:
        status = Status.INFO
        effect = f"the agents that name no model run on it ({names(unnamed)})"
    else:
        return
    yield _finding("tiers.subagent-override", status, f"{one.shown}: {effect}", one)


def alias_override(world: World) -> Iterator[Finding]:
    """ANTHROPIC_DEFAULT_HAIKU_MODEL, or one of its like, puts another model behind an alias.

    Measured on the wire with 2.1.197 and 2.1.330: its value goes out as it is for every agent that asks for
    the alias. An alias as the value is no model's id, and a larger model's id makes the small tier an
    expensive one. One that pins a model of the same family is left alone; ANTHROPIC_SMALL_FAST_MODEL has no
    effect on agents.

    Mend: remove the variable where it is set, or give it an id of the family that it is for.
    """
    for kind, name in ALIASES.items():
        for one in _that_count(world, name):
            if one.known:
                yield from _alias(world, kind, one)


def _alias(world: World, kind: str, one: Assignment) -> Iterator[Finding]:
    named, elsewhere = family(one.value), _elsewhere(world)
    if bare(one.value) in FAMILIES and not elsewhere:
        message = f"the word goes out as a model's id, which Anthropic's API does not have: {kind} fails"
        hint = f"give it a whole id, or {one.removal}"
        yield _finding("tiers.alias-override", Status.ERROR, f"{one.shown}: {message}", one, hint)
    elif named is not None and named != kind:
        message = f"what asks for {kind} runs on a model of the {named} family"
        yield _finding("tiers.alias-override", Status.WARNING, f"{one.shown}: {message}", one)
    elif named is None and not elsewhere:
        message = f"what asks for {kind} gets a model that Anthropic's API does not have"
        yield _finding("tiers.alias-override", Status.WARNING, f"{one.shown}: {message}", one)


def _elsewhere(world: World) -> bool:
    """Whether requests go to a gateway or a cloud, which have names of their own for models."""
    return any(assignments(world, name) for name in (_GATEWAY, *_CLOUDS))


def available_models(world: World) -> Iterator[Finding]:
    """availableModels leaves out a model that agents ask for.

    Measured on the wire with 2.1.197 and 2.1.330: the client sends the main conversation's model instead
    (since 2.1.251 what CLAUDE_CODE_SUBAGENT_MODEL names), without a word. The lists of all settings files
    count together; an administrator's counts alone. Since 2.1.222 another model of the same family is taken
    where one is allowed.

    Mend: add the models that the agents ask for to the list; a family's name, such as haiku, allows all of
    it.
    """
    allowed = subagent_models.steering(world).allowed
    if allowed is None:
        return
    missing: dict[str, list[Agent]] = {}
    for agent in loaded(world):
        found = outcomes(world, agent)
        if agent.asked and all(differs(agent.asked, one) and one.cause == allowed.cause for one in found):
            missing.setdefault(bare(agent.asked), []).append(agent)
    for asked, agents in missing.items():
        yield Finding(
            "tiers.available-models",
            Status.WARNING,
            f"availableModels leaves out {shown(asked)}, so the client sends another model, without a word, "
            f"for {names(agents)}",
            allowed.path,
            allowed.line,
            hint=f'add "{family(asked) or shown(asked)}" to availableModels there',
        )


def _that_count(world: World, name: str) -> list[Assignment]:
    """The place that a client started here would follow, and those that only other shells will see."""
    live = followed(world, name)
    others = [
        one
        for one in assignments(world, name)
        if not one.live and (one.source is Source.PROFILE or (live is None and one.source is Source.DOTENV))
    ]
    overruled = live is not None and live.source is Source.SETTINGS
    return [*(() if overruled else others), *((live,) if live else ())]


def _finding(check: str, status: Status, message: str, one: Assignment, hint: str | None = None) -> Finding:
    if not one.live:
        # Nothing of it holds here: a new shell, or whatever loads the file, brings it about.
        loads = "a shell that reads it" if one.source is Source.PROFILE else "something that loads this file"
        passive = one.source is Source.DOTENV and one.path is not None and one.path.name != ".envrc"
        status = Status.INFO if passive or status is Status.INFO else Status.WARNING
        message = f"{message}, once {loads} has started the client"
    return Finding(check, status, message, one.path, one.line, hint=hint or one.removal)


CHECKS = (
    Check("tiers.subagent-override", subagent_override),
    Check("tiers.alias-override", alias_override),
    Check("tiers.available-models", available_models),
    Check("tiers.effective", effective),
    Check("tiers.observed", observed),
)
