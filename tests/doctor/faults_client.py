"""Faults in the client's installation, and things that it does not see."""

from bench import Bench, Fault, Faults
from faults_server import stdio

from supervisor_setup.findings import Status

DEEP = ("--deep",)
BLIND = """
import json, sys
print("No MCP servers configured." if "mcp" in sys.argv else json.dumps({"subtype": "init", "agents": []}))
"""


def _no_client(bench: Bench) -> None:
    bench.set_variable("PATH", str(bench.bin))


def _only_in_settings(bench: Bench) -> None:
    bench.edit(bench.home.settings, mcpServers={"unseen": stdio()})


FAULTS: Faults = {
    "client.installed": Fault(_no_client, Status.WARNING),
    "client.version": Fault(lambda bench: bench.client("1.0.44"), Status.WARNING),
    "client.sees-server": (
        Fault(lambda bench: bench.client(code=BLIND), options=DEEP),
        Fault(_only_in_settings, options=DEEP),
    ),
    "client.sees-agents": Fault(lambda bench: bench.client(code=BLIND), options=DEEP),
}
