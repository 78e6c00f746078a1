"""Faults that put agents on other models than their files ask for."""

import json

from bench import Bench, Fault, Faults

from supervisor_setup.findings import Status

OLDER, NEWER = "2.1.197", "2.1.330"
OVERRIDE = "CLAUDE_CODE_SUBAGENT_MODEL"
FORCE = "CLAUDE_CODE_SUBAGENT_MODEL_FORCE"
HAIKU = "ANTHROPIC_DEFAULT_HAIKU_MODEL"


def summary(bench: Bench, check: str) -> str:
    """What a check says that found nothing wrong."""
    (found,) = bench.cli("--json", "doctor", "--offline", "--check", f"tiers.{check}").json["findings"]
    assert found["status"] == "ok"
    return str(found["message"])


def tiers(bench: Bench) -> None:
    """Three agents of three tiers, one that names no model, and one that inherits."""
    for name, model in (("cheap", "haiku"), ("middle", "sonnet"), ("deep", "opus")):
        bench.agent(name, f"model: {model}")
    bench.agent("untold")
    bench.agent("heir", "model: inherit")


def ran(
    bench: Bench, agent: str, model: str, *, started: str = "2099-01-01T10:00:00.000Z", **more: str
) -> None:
    """A finished run of a subagent, as 2.1.197 writes it down."""
    folder = bench.home.path / ".claude" / "projects" / "-work" / "session" / "subagents"
    number = len(list(folder.glob("*.jsonl"))) if folder.exists() else 0
    frame = {"isSidechain": True, "cwd": more.get("cwd", str(bench.project)), "timestamp": started}
    lines = [
        {**frame, "type": "user", "message": {"role": "user", "content": "Do it."}},
        {**frame, "type": "assistant", "message": {"model": model, "role": "assistant", "content": []}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    bench.write(folder / f"agent-{number:04}.jsonl", text)
    meta = {"agentType": agent} | ({"model": more["named"]} if "named" in more else {})
    bench.write(folder / f"agent-{number:04}.meta.json", meta)


def _overridden(bench: Bench) -> None:
    bench.client(OLDER)
    bench.set_variable(OVERRIDE, "opus")


def _forced(bench: Bench) -> None:
    bench.client(NEWER)
    bench.set_variable(FORCE, "1")


FAULTS: Faults = {
    "tiers.subagent-override": (
        Fault(_overridden, Status.WARNING),
        Fault(_forced, Status.WARNING),
    ),
    "tiers.alias-override": (
        Fault(lambda bench: bench.set_variable(HAIKU, "sonnet")),
        Fault(
            lambda bench: bench.edit(bench.home.settings, env={HAIKU: "claude-opus-4-8"}),
            Status.WARNING,
        ),
    ),
    "tiers.available-models": Fault(
        lambda bench: bench.edit(bench.home.settings, availableModels=["opus"]), Status.WARNING
    ),
    "tiers.effective": (
        Fault(lambda bench: bench.edit(bench.home.settings, availableModels=["opus"])),
        Fault(_overridden),
    ),
    "tiers.observed": Fault(lambda bench: ran(bench, "explorer", "claude-opus-5-5"), Status.WARNING),
}
