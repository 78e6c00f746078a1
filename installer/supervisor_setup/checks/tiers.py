"""What defeats the agents' tiers from outside their files."""

from collections.abc import Iterator

from supervisor_setup.checks import installed_client
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.variables import Assignment, assignments
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

VARIABLE = "CLAUDE_CODE_SUBAGENT_MODEL"


def subagent_override(world: World) -> Iterator[Finding]:
    """CLAUDE_CODE_SUBAGENT_MODEL puts all subagents on one model.

    On the wire 2.1.197 runs every agent on it, whatever its file says; 2.1.330 only those that name no model.

    Mend: remove the variable where it is set.
    """
    for one in assignments(world, VARIABLE):
        yield _override(world, one)


def _override(world: World, one: Assignment) -> Finding:
    found = installed_client.installed(world)
    overrides = found.facts.agree("subagent_variable_overrides_agents")
    if overrides is None:
        effect = "older clients run every agent on it, whatever its tier"
    elif overrides:
        effect = f"{found.label} runs every agent on it, whatever its tier"
    else:
        effect = f"{found.label} runs every agent on it that names no model of its own"
    message = f"{VARIABLE}={one.value}: {effect}"
    return Finding("tiers.subagent-override", Status.WARNING, message, one.path, one.line, hint=one.removal)


CHECKS = (Check("tiers.subagent-override", subagent_override),)
