"""Faults in what was installed, and in our own config."""

from bench import Bench, Fault, Faults

from supervisor_setup.findings import Status

AGENT = "explorer.md"


def _both(bench: Bench) -> None:
    bench.write(bench.home.agents / AGENT, "x")
    bench.cli("config", "set", "tiers.fast", "sonnet")


def _conflict(bench: Bench) -> None:
    bench.cli("uninstall", "--yes")
    bench.agent("explorer")
    bench.cli("install", "--yes")


FAULTS: Faults = {
    "config.parse": Fault(lambda bench: bench.write(bench.home.config, "tiers: 5")),
    "drift.missing": Fault(lambda bench: (bench.home.agents / AGENT).unlink()),
    "drift.edited": Fault(lambda bench: bench.write(bench.home.agents / AGENT, "x")),
    "drift.outdated": Fault(lambda bench: bench.cli("config", "set", "tiers.fast", "sonnet")),
    "drift.both-changed": Fault(_both),
    "drift.orphan": Fault(lambda bench: bench.cli("config", "set", "agents.exclude", "[explorer]")),
    "drift.conflict": Fault(_conflict, Status.WARNING),
    "drift.manifest": Fault(lambda bench: next((bench.home.state / "manifests").iterdir()).write_bytes(b"x")),
}
