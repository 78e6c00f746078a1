"""What is available now: every backend asked at once, and every tool's model looked for."""

import difflib
import threading
import time

from supervisor_mcp.backends import Backend
from supervisor_mcp.backends.base import listed
from supervisor_mcp.backends.failures import BackendError, Failure
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import Delegation
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Tool


class Probe(Record):
    """What a backend serves, or why it did not say."""

    backend: Backend
    names: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    failure: Failure | None = None


def probe_all(delegation: Delegation, call: Call) -> list[Probe]:
    """Ask all backends at once; takes as long as the slowest, which the probe's time limit bounds."""
    probes: dict[int, Probe] = {}

    def run(number: int, backend: Backend) -> None:
        started = time.monotonic()
        try:
            probe = Probe(
                backend=backend,
                names=tuple(sorted(backend.model_names(call))),
                loaded=tuple(backend.loaded_names(call)),
            )
        except BackendError as error:
            probe = Probe(backend=backend, failure=error.failure)
        except CallCancelled:
            return
        delegation.remember(backend, probe.failure, time.monotonic() - started)
        probes[number] = probe

    threads = [
        threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(delegation.backends)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call.raise_if_cancelled()
    return [probes[number] for number in range(len(threads))]


def text(probes: list[Probe], tools: tuple[Tool, ...]) -> str:
    """The probes and the tools' models in a few lines."""
    lines = [_backend_line(probe) for probe in probes]
    lines += [_tool_line(tool, probes) for tool in tools if tool.enabled and tool.kind == "prompt"]
    return "\n".join(lines)


def _backend_line(probe: Probe) -> str:
    settings = probe.backend.settings
    head = f"{settings.name} ({settings.kind}, {settings.url})"
    if probe.failure is not None:
        return f"{head} {probe.failure.text}"
    names = [f"{name} (loaded)" if name in probe.loaded else name for name in probe.names]
    return f"{head} serves {listed(names) if names else 'no models'}"


def _tool_line(tool: Tool, probes: list[Probe]) -> str:
    serving = [probe.backend.settings.name for probe in probes if _serves(probe, tool.model)]
    if serving:
        return f"{tool.name}: {tool.model} on {', '.join(serving)}"
    names = [name for probe in probes for name in probe.names]
    near = difflib.get_close_matches(tool.model, names, n=1)
    return f"{tool.name}: {tool.model} is not served now" + (f"; nearest name: {near[0]}" if near else "")


def _serves(probe: Probe, model: str) -> bool:
    name = probe.backend.settings.model_name(model)
    return name in probe.names or f"{name}:latest" in probe.names
