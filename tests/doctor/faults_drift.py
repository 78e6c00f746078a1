"""Faults in what was installed, and in our own config."""

from bench import Bench, Fault, Faults

from supervisor_setup.findings import Status

AGENT = "explorer.md"
URL = "http://127.0.0.1:9/mcp"


def _both(bench: Bench) -> None:
    bench.write(bench.home.agents / AGENT, "x")
    bench.cli("config", "set", "tiers.fast", "sonnet")


def _conflict(bench: Bench) -> None:
    bench.cli("uninstall", "--yes")
    bench.agent("explorer")
    bench.cli("install", "--yes")


def _started_here(bench: Bench) -> None:
    """The entry starts a program, though the server of config.yaml runs elsewhere."""
    started = bench.home.json(bench.home.client)["mcpServers"]
    bench.cli("install", "--yes", "--server-url", URL)
    bench.edit(bench.home.client, mcpServers=started)


FAULTS: Faults = {
    "config.parse": Fault(lambda bench: bench.write(bench.home.config, "tiers: 5")),
    "drift.missing": Fault(lambda bench: (bench.home.agents / AGENT).unlink()),
    "drift.edited": (
        Fault(lambda bench: bench.write(bench.home.agents / AGENT, "x")),
        Fault(_started_here),
    ),
    "drift.outdated": (
        Fault(lambda bench: bench.cli("config", "set", "tiers.fast", "sonnet")),
        Fault(lambda bench: bench.cli("config", "set", "server.url", URL)),
    ),
    "drift.both-changed": Fault(_both),
    "drift.orphan": Fault(lambda bench: bench.cli("config", "set", "agents.exclude", "[explorer]")),
    "drift.conflict": Fault(_conflict, Status.WARNING),
    "drift.manifest": Fault(lambda bench: next((bench.home.state / "manifests").iterdir()).write_bytes(b"x")),
}
