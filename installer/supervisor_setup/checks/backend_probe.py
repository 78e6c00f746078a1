"""Every backend of config.yaml asked once, side by side: whether it answers, what it serves, what it is.

The server's own client asks, so that what doctor meets is what the tools meet.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from supervisor_setup.checks import backend_config, backend_pages, tailnet, variables
from supervisor_setup.checks.backend_config import set_command
from supervisor_setup.checks.variables import Source
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_mcp.backends.failures import Failure
    from supervisor_mcp.settings import Backend as BackendSettings

RESOLVE, REACHABLE, AUTH = "backend.resolve", "backend.reachable", "backend.auth"
_CONNECT_SECONDS = 4.0
_ALL_SECONDS = 11.0
"""The longest that all of it takes: a name, a connection, an answer, and a look at other pages."""

_DETAILS: Mapping[str, tuple[str, ...]] = {
    "litellm": ("/health/readiness", "/health/readiness/details", "/model/info"),
    "ollama": ("/api/version", "/api/tags"),
    "openai": ("/v1/models",),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a backend cannot be used: whose finding that is, what to say after its name, and the hint."""

    check: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A backend and what it said.

    `number` is its place in config.yaml, `names` are the models that it lists, and `pages` holds the JSON of
    its own pages that answered, by path.
    """

    number: int
    settings: "BackendSettings"
    addresses: tuple[str, ...] = ()
    trouble: Trouble | None = None
    names: tuple[str, ...] = ()
    pages: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: int = 0

    @property
    def title(self) -> str:
        """How a message names it."""
        return f"{self.settings.name} at {self.settings.url}"

    @property
    def host(self) -> str:
        """The host that its URL names."""
        from urllib.parse import urlsplit

        return urlsplit(self.settings.url).hostname or ""

    @property
    def version(self) -> str | None:
        """Its version, where its pages tell."""
        for path, key in (
            ("/health/readiness", "litellm_version"),
            ("/health/readiness/details", "litellm_version"),
            ("/api/version", "version"),
        ):
            page = self.pages.get(path)
            if isinstance(page, dict) and isinstance(page.get(key), str):
                return str(page[key])
        return None

    def records(self, path: str, key: str) -> list[Mapping[str, Any]]:
        """The objects of the list at `key` of a page; none where the page has no such thing."""
        page = self.pages.get(path)
        found = page.get(key) if isinstance(page, dict) else None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def probes(world: World) -> tuple[Probe, ...]:
    """Every backend that is switched on, asked once in a run."""
    return world.memo.get("backends", lambda: tuple(_probed(world)))


def healthy(world: World) -> tuple[Probe, ...]:
    """Those that answered."""
    return tuple(one for one in probes(world) if one.trouble is None)


def _probed(world: World) -> Iterator[Probe]:
    from supervisor_setup.deadlines import all_at_once

    found = backend_config.settings(world) if backend_config.in_use(world) else None
    asked = [Probe(number, one) for number, one in enumerate(found.backends) if one.enabled] if found else []
    works = [partial(_probe, world, one) for one in asked]
    answered: list[Probe | None] = all_at_once(works, _ALL_SECONDS, late=None)
    for before, after in zip(asked, answered, strict=True):
        text = f"gave no answer within {_ALL_SECONDS:g} s"
        yield after or replace(before, trouble=Trouble(REACHABLE, text, _start_hint(world, before)))


def _probe(world: World, probe: Probe) -> Probe:
    from supervisor_mcp.backends.failures import BackendError
    from supervisor_mcp.calls import Call
    from supervisor_setup import reachability

    settings = probe.settings
    seconds = min(settings.connect_timeout, _CONNECT_SECONDS)
    try:
        probe = replace(probe, addresses=reachability.addresses(settings.url, seconds))
    except reachability.Unresolved as error:
        return replace(probe, trouble=_unresolved(world, probe, str(error)))
    except ValueError as error:
        trouble = Trouble(REACHABLE, f"cannot be reached: {error}", _start_hint(world, probe))
        return replace(probe, trouble=trouble)
    client = backend_config.client_of(world, settings, connect_timeout=seconds)
    started = time.monotonic()
    try:
        names = tuple(client.model_names(Call()))
    except BackendError as error:
        return replace(probe, trouble=_trouble(world, probe, error.failure))
    milliseconds = int((time.monotonic() - started) * 1000)
    pages = backend_pages.with_key(client, _DETAILS[settings.kind])
    return replace(probe, names=names, pages=pages, milliseconds=milliseconds)


def _unresolved(world: World, probe: Probe, text: str) -> Trouble:
    advice = tailnet.on_unknown_name(world, probe.host)
    text = f"cannot be reached: {text}"
    if advice is None:
        return Trouble(RESOLVE, text, _elsewhere_hint(world, probe))
    url = probe.settings.url.replace(probe.host, advice.host, 1) if advice.host else "URL"
    return Trouble(RESOLVE, text + advice.text, f"{advice.hint}; {_elsewhere_hint(world, probe, url)}")


def _trouble(world: World, probe: Probe, failure: "Failure") -> Trouble:
    from supervisor_mcp.backends.failures import Kind

    if failure.kind is Kind.KEY:
        return Trouble(AUTH, failure.text, _key_hint(world, probe, failure.hint))
    if failure.kind is Kind.UNREACHABLE:
        diagnosis = backend_pages.on_no_connection(probe.settings.url, failure)
        advice = None if diagnosis else tailnet.on_silent_address(world, probe.addresses)
        if advice is not None:
            hint = f"{advice.hint}; {_elsewhere_hint(world, probe)}"
            return Trouble(REACHABLE, failure.text + advice.text, hint)
    else:
        diagnosis = backend_pages.on_strange_answer(probe.settings, failure)
    if diagnosis is None:
        return Trouble(REACHABLE, failure.text, _start_hint(world, probe))
    hint = diagnosis.value
    if diagnosis.setting:
        hint = f"{set_command(world, 'backends', probe.number, diagnosis.setting)} {diagnosis.value}"
    return Trouble(REACHABLE, diagnosis.text, hint)


def _key_hint(world: World, probe: Probe, hint: str) -> str:
    name = probe.settings.key_env
    if name is None or backend_config.server_environment(world).get(name):
        return hint
    for one in variables.assignments(world, name):
        if one.source is Source.PROFILE and one.path is not None:
            return (
                f"start a new shell, and Claude Code from it: this one has not read {name} in {one.path.name}"
            )
    return hint


def _start_hint(world: World, probe: Probe) -> str:
    return f"start it; {_elsewhere_hint(world, probe)}"


def _elsewhere_hint(world: World, probe: Probe, url: str = "URL") -> str:
    address = set_command(world, "backends", probe.number, "url")
    without = set_command(world, "backends", probe.number, "enabled")
    return f"another address: {address} {url}; without it: {without} false"
