"""The agent files that the client will load, checked as `validate` checks them."""

from collections.abc import Iterator

from supervisor_setup.checks.settings import scopes
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding
from supervisor_setup.validate import validate


def valid(world: World) -> Iterator[Finding]:
    """An agent file that the client drops, or runs on another model than it asks for."""
    for scope in scopes(world):
        if scope.agents.is_dir():
            yield from validate([scope.agents])
