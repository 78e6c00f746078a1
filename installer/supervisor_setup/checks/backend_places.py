"""Where a model really runs: on machines of one's own, or at a cloud service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from supervisor_setup.checks.backend_probe import Probe

if TYPE_CHECKING:
    from supervisor_mcp.backends.places import Place


def cloud(probe: Probe, name: str) -> str | None:
    """The cloud service at which a backend's model of this name runs; None where none is known.

    The server itself is stricter with file contents: those go to no place that is only not known.
    """
    return next((one.service for one in _places(probe, name) if one.local is False), None)


def is_ollama_cloud(name: str) -> bool:
    """Whether Ollama runs the model of this name on its makers' machines: `:cloud`, or a tag ending so."""
    from supervisor_mcp.backends import places

    return places.is_ollama_cloud(name)


def _places(probe: Probe, name: str) -> Iterator["Place"]:
    """Every place that a prompt for this name may reach, as far as the backend's pages tell."""
    from supervisor_mcp.backends import places

    yield places.of_host(probe.host, probe.addresses)
    if probe.settings.kind == "ollama":
        remote = [
            one.get("remote_host")
            for one in probe.records("/api/tags", "models")
            if one.get("name") in (name, f"{name}:latest")
        ]
        yield from (places.of_ollama(name, one) for one in remote or [None])
    if probe.settings.kind == "litellm":
        yield from _behind_litellm(probe, name)


def _behind_litellm(probe: Probe, name: str) -> Iterator["Place"]:
    from fnmatch import fnmatchcase

    from supervisor_mcp.backends import places

    for one in probe.records("/model/info", "data"):
        params, wanted = one.get("litellm_params"), one.get("model_name")
        if isinstance(params, dict) and isinstance(wanted, str) and fnmatchcase(name, wanted):
            yield places.of_litellm(params)
