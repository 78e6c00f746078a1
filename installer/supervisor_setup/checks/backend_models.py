"""Which backend serves which of the models that the tools ask for, and where those really run."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from supervisor_setup.checks import backend_config, backend_places, mcp_servers
from supervisor_setup.checks.backend_config import finding, set_command
from supervisor_setup.checks.backend_probe import Probe, healthy, probes
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

if TYPE_CHECKING:
    from supervisor_mcp.settings import Tool

# By `owned_by` of their lists: these refuse a model that they do not list.
_STRICT_OWNERS = ("vllm", "library")
_NAMES_SHOWN = 10


class Offer(IntEnum):
    """Whether a backend would answer for a model, by what it lists."""

    NO = 0
    PERHAPS = 1
    YES = 2


def models(world: World) -> Iterator[Finding]:
    """A model that a tool asks for is not served by any backend.

    Every call of that tool fails, and Claude does the work itself.

    Mend: name the model as the backend does (`models` of the backend in config.yaml), or make the backend
    serve it.
    """
    answering, asked = healthy(world), probes(world)
    if not asked:
        yield from _none_on(world)
    for model, tools in backend_config.models(world).items():
        offers = [offer(probe, model) for probe in answering]
        best = max(offers, default=Offer.YES)
        if best is Offer.YES:
            continue
        if best is Offer.PERHAPS:
            yield _unlisted(world, model, tools, answering[offers.index(best)])
        else:
            complete = len(answering) == len(asked)
            yield _unserved(world, model, tools, answering, Status.ERROR if complete else Status.WARNING)


def cloud(world: World) -> Iterator[Finding]:
    """A model behind a local tool is really one of a cloud service.

    What Claude hands to the tool, file contents included, leaves your machines, and may be billed.

    Mend: point the model at a server of your own (in LiteLLM's config, or in `models` of the backend), or
    leave it if that is what you want.
    """
    for probe in healthy(world):
        for model, tools in backend_config.models(world).items():
            place = backend_places.cloud(probe, probe.settings.model_name(model))
            if place is not None and offer(probe, model) is not Offer.NO:
                yield finding(
                    world,
                    "backend.cloud",
                    Status.WARNING,
                    f"{_names(tools)}: {probe.settings.model_name(model)} on {probe.settings.name} runs at "
                    f"{place}, so prompts and file contents leave your machines",
                    f"another model: {_mapping(world, probe, model)} NAME",
                    *_place(probe, model),
                )


def offer(probe: Probe, model: str) -> Offer:
    """Whether `probe` would answer for `model`, a name that tools use."""
    name = probe.settings.model_name(model)
    known = {*probe.names, *_aliases(probe)}
    if name in known:
        return Offer.YES
    if probe.settings.kind == "ollama":
        lower = {one.lower() for one in known}
        found = {name.lower(), f"{name}:latest".lower()} & lower or backend_places.is_ollama_cloud(name)
        return Offer.YES if found else Offer.NO
    if probe.settings.kind == "litellm":
        from fnmatch import fnmatchcase

        patterns = (str(one.get("model_name")) for one in probe.records("/model/info", "data"))
        wild = any("*" in pattern and fnmatchcase(name, pattern) for pattern in patterns)
        return Offer.YES if wild else Offer.NO
    return _offer_of_openai(probe)


def nearest(probe: Probe, model: str) -> str | None:
    """The name that the backend lists which is most like the one that the tools need."""
    import difflib

    near = difflib.get_close_matches(probe.settings.model_name(model), probe.names, n=1)
    if near:
        return near[0]
    return probe.names[0] if len(probe.names) == 1 else None


def _offer_of_openai(probe: Probe) -> Offer:
    listed = probe.records("/v1/models", "data")
    owners = {str(one.get("owned_by")) for one in listed}
    if owners == {"llamacpp"} and not any("status" in one for one in listed):
        return Offer.YES  # llama.cpp with one model answers to any name
    # llama-swap has unlisted models, and several small servers answer to any name as well.
    return Offer.NO if owners and owners <= {*_STRICT_OWNERS} else Offer.PERHAPS


def _aliases(probe: Probe) -> Iterator[str]:
    for one in probe.records("/v1/models", "data"):
        meta = one.get("meta")
        swap = meta.get("llamaswap") if isinstance(meta, dict) else None
        for holder in (one, swap):
            aliases = holder.get("aliases") if isinstance(holder, dict) else None
            yield from (str(alias) for alias in (aliases if isinstance(aliases, list) else ()))


def _none_on(world: World) -> Iterator[Finding]:
    entry, tools = backend_config.registered(world), backend_config.tools(world)
    if entry is not None and tools and not mcp_servers.runs_elsewhere(world):
        yield finding(
            world,
            "backend.models",
            Status.ERROR,
            f"no backend is switched on, so {_names(tools)} cannot answer",
            f"{set_command(world, 'backends', 0, 'enabled')} true, or see {world.layout.command} config show",
            "backends",
        )


def _unserved(
    world: World, model: str, tools: "Sequence[Tool]", answering: Sequence[Probe], status: Status
) -> Finding:
    near = [(probe, name) for probe in answering if (name := nearest(probe, model)) is not None]
    probe, name = near[0] if near else (answering[0], None)
    wanted = " or ".join(
        dict.fromkeys(f"{one.settings.model_name(model)} on {one.settings.name}" for one in answering)
    )
    found = f"the nearest name is {name} on {probe.settings.name}" if name else _listed(probe)
    return finding(
        world,
        "backend.models",
        status,
        f"{_names(tools)} cannot answer: there is no {wanted}; {found}",
        f"{_mapping(world, probe, model)} {name}" if name else _addition(world, probe, model),
        *_place(probe, model),
    )


def _unlisted(world: World, model: str, tools: "Sequence[Tool]", probe: Probe) -> Finding:
    near = nearest(probe, model)
    return finding(
        world,
        "backend.models",
        Status.INFO,
        f"{probe.settings.name} does not list {probe.settings.model_name(model)}, which {_names(tools)} asks "
        f"for{f'; the nearest name is {near}' if near else ''}",
        f"nothing to do if it is an alias there; {world.layout.command} doctor --deep asks it; another name: "
        f"{_mapping(world, probe, model)} {near or 'NAME'}",
        *_place(probe, model),
    )


def _addition(world: World, probe: Probe, model: str) -> str:
    name = probe.settings.model_name(model)
    if probe.settings.kind == "ollama":
        return f"on its machine: ollama pull {name}; another model: {_mapping(world, probe, model)} NAME"
    if probe.settings.kind == "litellm":
        return f"what LiteLLM's config.yaml needs: {world.layout.command} litellm"
    return f"another model: {_mapping(world, probe, model)} NAME"


def _mapping(world: World, probe: Probe, model: str) -> str:
    return set_command(world, "backends", probe.number, "models", model)


def _place(probe: Probe, model: str) -> tuple[str | int, ...]:
    return ("backends", probe.number, "models", model)


def _names(tools: "Sequence[Tool]") -> str:
    *first, last = (tool.name for tool in tools)
    return f"{', '.join(first)} and {last}" if first else last


def _listed(probe: Probe) -> str:
    if not probe.names:
        return f"{probe.settings.name} serves no models"
    rest = len(probe.names) - _NAMES_SHOWN
    shown = ", ".join(sorted(probe.names)[:_NAMES_SHOWN])
    return f"{probe.settings.name} serves {shown}" + (f" and {rest} more" if rest > 0 else "")
