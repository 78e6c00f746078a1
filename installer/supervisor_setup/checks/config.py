"""Our own config.yaml."""

from collections.abc import Iterator

from supervisor_setup.checks.check import Check
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status


def parse(world: World) -> Iterator[Finding]:
    """config.yaml cannot be read, or says something that is not possible.

    Nothing can be installed then, and the local-models server answers every call with this error.

    Mend: correct the line that is named; `config init` with `--config NEW` makes a file to compare with.
    """
    if isinstance(world.config, UserError):
        yield Finding(
            "config.parse",
            Status.ERROR,
            world.config.message,
            path=world.layout.config,
            hint=world.config.hint,
        )


CHECKS = (Check("config.parse", parse),)
