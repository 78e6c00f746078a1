"""The servers of the local models, as config.yaml names them."""

from collections.abc import Iterator

from supervisor_setup.checks.backend_config import finding
from supervisor_setup.checks.backend_probe import AUTH, REACHABLE, RESOLVE, Probe, probes
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status


def resolve(world: World) -> Iterator[Finding]:
    """The host name of a backend is not known on this machine.

    The local tools cannot reach that backend, and Claude does the work itself. A bare name such as `koala`
    is often known in a tailnet alone, so Tailscale is asked what it knows of it.

    Mend: start Tailscale (`tailscale up`), or set the backend's address in config.yaml, or switch it off
    there.
    """
    yield from _troubles(world, RESOLVE, Status.WARNING, "url")


def reachable(world: World) -> Iterator[Finding]:
    """A backend does not answer, or what answers is not the server that config.yaml says.

    Claude gets an error from its local tools then, and does the work itself.

    Mend: start the backend, or set its address or `kind`, or switch it off in config.yaml.
    """
    yield from _troubles(world, REACHABLE, Status.WARNING, "url")
    for probe in probes(world):
        if probe.trouble is None:
            yield Finding(REACHABLE, Status.OK, _health(probe))


def auth(world: World) -> Iterator[Finding]:
    """A backend wants a key and gets none, or refuses the one it gets.

    Every call of a local tool that reaches this backend fails; LiteLLM answers it with "Internal Server
    Error" (HTTP 500) or "No connected db" (HTTP 400), which names no key.

    Mend: set the environment variable that `api_key` of the backend names where Claude Code starts (or in
    `env` of its settings.json), or write the key into the file that it names, readable by you alone.
    """
    yield from _troubles(world, AUTH, Status.ERROR, "api_key")


def _troubles(world: World, check: str, status: Status, key: str) -> Iterator[Finding]:
    for probe in probes(world):
        if probe.trouble is not None and probe.trouble.check == check:
            message, place = f"{probe.title} {probe.trouble.text}", ("backends", probe.number, key)
            yield finding(world, check, status, message, probe.trouble.hint, *place)


def _health(probe: Probe) -> str:
    version = f" ({probe.settings.kind} {probe.version})" if probe.version else ""
    count = len(probe.names)
    return f"{probe.title}{version}: {count} model{'' if count == 1 else 's'}, {probe.milliseconds} ms"
