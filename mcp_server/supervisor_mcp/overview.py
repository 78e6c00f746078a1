"""What is available now: every backend asked at once, and every tool's model looked for."""

import difflib
import threading

from supervisor_mcp.backends import Backend
from supervisor_mcp.backends.base import ModelInfo, listed
from supervisor_mcp.backends.failures import BackendError, Failure
from supervisor_mcp.backends.speeds import Speeds
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import Delegation, none_was_reached
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Tool

_MODELS_LOOKED_UP = 20  # as many as are shown


class Probe(Record):
    """What a backend serves and tells of it, or why it did not say."""

    backend: Backend
    names: tuple[str, ...] = ()
    infos: tuple[ModelInfo, ...] = ()
    failure: Failure | None = None


def probe_all(delegation: Delegation, call: Call) -> list[Probe]:
    """Ask all backends at once; takes as long as the slowest, which the probe's time limit bounds."""
    probes: dict[int, Probe] = {}

    def run(number: int, backend: Backend) -> None:
        try:
            probes[number] = _probe(backend, call)
        except BackendError as error:
            probes[number] = Probe(backend=backend, failure=error.failure)
        except CallCancelled:
            return

    threads = [
        threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(delegation.backends)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call.raise_if_cancelled()
    return [probes[number] for number in range(len(threads))]


def answering(probes: list[Probe]) -> list[Probe]:
    """Those that a prompt would be handed to now; the last resort only when no other was reached."""
    found = [probe for probe in probes if probe.failure is None and not probe.backend.last_resort]
    failed = [
        probe.failure for probe in probes if probe.failure is not None and not probe.backend.last_resort
    ]
    if not found and none_was_reached(failed):
        found = [probe for probe in probes if probe.failure is None]
    return found


def text(probes: list[Probe], tools: tuple[Tool, ...], speeds: Speeds) -> str:
    """The probes and the tools' models in a few lines."""
    lines = [_backend_line(probe, speeds) for probe in probes]
    users: dict[str, list[str]] = {}
    for tool in tools:
        if tool.enabled and tool.kind != "models":
            users.setdefault(tool.model, []).append(tool.name)
    asked = answering(probes)
    lines += [_model_line(model, names, asked) for model, names in users.items()]
    return "\n".join(lines)


def _probe(backend: Backend, call: Call) -> Probe:
    backend.breaker.half_open()  # whoever asks for the overview wants to know how it is now
    backend.kept.clear()
    names = tuple(sorted(backend.model_names(call)))
    infos = []
    for name in names[:_MODELS_LOOKED_UP]:
        try:
            infos.append(backend.model_info(name, call))
        except BackendError:
            infos.append(ModelInfo(name=name))
    return Probe(backend=backend, names=names, infos=tuple(infos))


def _backend_line(probe: Probe, speeds: Speeds) -> str:
    settings = probe.backend.settings
    head = f"{settings.name} ({settings.kind}, {settings.url})"
    if probe.failure is not None:
        return f"{head} {probe.failure.text}"
    last = probe.backend.last_resort
    cold = "not started" if last else "cold"
    shown = [_model(info, speeds.of(settings.name, info.name), cold) for info in probe.infos]
    shown += probe.names[len(shown) :]
    when = " when no other backend can be reached" if last else ""
    return f"{head} serves {listed(shown) if shown else 'no models'}{when}"


def _model(info: ModelInfo, speed: float | None, cold: str) -> str:
    facts = [{True: "local", False: "cloud", None: "not known to be local"}[info.local]]
    if info.context_tokens is not None:
        facts.append(f"context of {info.context_tokens} tokens")
    if info.loaded is not None:
        facts.append("loaded" if info.loaded else cold)
    if speed is not None:
        facts.append(f"{speed:.0f} tokens/s")
    return f"{info.name} ({', '.join(facts)})"


def _model_line(model: str, users: list[str], probes: list[Probe]) -> str:
    """Which tools use a model, and where it is."""
    tools = ", ".join(users)
    serving = [probe.backend.settings.name for probe in probes if _serves(probe, model)]
    if serving:
        return f"{tools}: {model} on {', '.join(serving)}"
    names = [name for probe in probes for name in probe.names]
    near = difflib.get_close_matches(model, names, n=1)
    return f"{tools}: {model} is not served now" + (f"; nearest name: {near[0]}" if near else "")


def _serves(probe: Probe, model: str) -> bool:
    name = probe.backend.settings.model_name(model)
    return name in probe.names or f"{name}:latest" in probe.names
