"""The servers of the local models, as the config names them."""

from collections.abc import Iterator

from supervisor_setup import reachability
from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status


def reachable(world: World) -> Iterator[Finding]:
    """A backend of config.yaml cannot be reached.

    Claude gets an error from its local tools then, and does the work itself.

    Mend: start the backend, or set its address, or switch it off in config.yaml.
    """
    if isinstance(world.config, UserError):
        return
    names = [backend["name"] for backend in world.config.backends]
    for backend in reachability.probe_all(world.config.backends):
        if not backend["reachable"]:
            key = f"{world.layout.command} config set backends.{names.index(backend['name'])}"
            yield Finding(
                "backend.reachable",
                Status.WARNING,
                f"{backend['name']} at {backend['url']} cannot be reached: {backend['problem']}",
                hint=f"start it; another address: {key}.url URL; without it: {key}.enabled false",
            )


CHECKS = (Check("backend.reachable", reachable, Reach.LOCAL),)
