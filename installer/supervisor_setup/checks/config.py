"""Our own config.yaml."""

from collections.abc import Iterator

from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status


def parse(world: World) -> Iterator[Finding]:
    """config.yaml cannot be used, so nothing can be installed and the server has only its defaults."""
    if isinstance(world.config, UserError):
        yield Finding(
            "config.parse",
            Status.ERROR,
            world.config.message,
            path=world.layout.config,
            hint=world.config.hint,
        )
