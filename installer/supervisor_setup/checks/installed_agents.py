"""The agent files that the client will load, checked as `validate` checks them."""

from collections.abc import Iterator

from supervisor_setup.checks.agents import IDS
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import scopes
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding
from supervisor_setup.validate import validate


def _check(name: str) -> Check:
    def run(world: World) -> Iterator[Finding]:
        found = world.memo.get("agents", lambda: _all(world))
        return (finding for finding in found if finding.id == name)

    run.__doc__ = IDS[name]
    return Check(name, run)


def _all(world: World) -> list[Finding]:
    return [one for scope in scopes(world) if scope.agents.is_dir() for one in validate([scope.agents])]


CHECKS = tuple(_check(name) for name in IDS)
