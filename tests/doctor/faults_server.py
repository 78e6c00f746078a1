"""Faults in MCP servers: their entries, what they do, and what keeps Claude from using them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import Bench, Fault, Faults
from fake_backend import Handler

from supervisor_setup.findings import Status

SERVER = Path(__file__).with_name("stdio_server.py")
OURS = "local-models"


def stdio(*options: str, **keys: Any) -> dict[str, Any]:
    """An entry that starts stdio_server.py."""
    return {"type": "stdio", "command": sys.executable, "args": [str(SERVER), *options], **keys}


def servers(bench: Bench, **entries: Any) -> None:
    """Set entries of the user's, beside those that are there."""
    there = bench.home.json(bench.home.client)["mcpServers"] if bench.home.client.exists() else {}
    bench.edit(bench.home.client, mcpServers={**there, **entries})


def users(bench: Bench, **entries: Any) -> None:
    """The user's entries, and nothing else in the state file."""
    bench.write(bench.home.client, {"mcpServers": entries})


def projects(bench: Bench, **entries: Any) -> None:
    """The project's entries."""
    bench.write(bench.project / ".mcp.json", {"mcpServers": entries})


def our_entry(**keys: Any) -> dict[str, Any]:
    """An entry that starts our server, on a machine where nothing was installed."""
    return {"command": "/opt/bin/supervisor-mcp", "alwaysLoad": True, **keys}


def ours(bench: Bench, **keys: Any) -> None:
    """Change keys of our server's entry; None takes one out."""
    entry = {**bench.home.json(bench.home.client)["mcpServers"][OURS], **keys}
    servers(bench, **{OURS: {key: value for key, value in entry.items() if value is not None}})


def _with(**entry: Any) -> Callable[[Bench], None]:
    return lambda bench: servers(bench, other=entry)


def _never_approved(bench: Bench) -> None:
    bench.write(bench.project / ".mcp.json", {"mcpServers": {"theirs": stdio()}})


def _permissions(**rules: list[str]) -> Callable[[Bench], Path]:
    return lambda bench: bench.edit(bench.home.settings, permissions={"allow": [f"mcp__{OURS}"], **rules})


def elsewhere(bench: Bench, url: str = "http://127.0.0.1:9", token: str | None = "a-token") -> None:
    """Have the client use a server of ours that runs at `url`."""
    bench.cli("install", "--yes", "--server-url", url)
    if token is not None:
        bench.set_variable("SUPERVISOR_MCP_TOKEN", token)


def refusing(status: int, path: str = "/mcp") -> Callable[[Bench], None]:
    """Have the client use a server that answers with this HTTP error."""

    def plant(bench: Bench) -> None:
        def refuse(handler: Handler) -> None:
            handler.send_json(status, {"jsonrpc": "2.0", "id": None, "error": {"message": "no"}})

        elsewhere(bench, bench.new_backend(extra={path: refuse}).url + path)

    return plant


FAULTS: Faults = {
    "server.entry": (
        Fault(_with(url="http://127.0.0.1:9/mcp")),
        Fault(_with(command="x", args="y")),
        Fault(lambda bench: bench.edit(bench.home.client, mcpServers={})),
        Fault(lambda bench: ours(bench, command="/nowhere/supervisor-mcp")),
    ),
    "server.command": (
        Fault(_with(command="no-such-program"), options=()),
        Fault(lambda bench: servers(bench, other=stdio("die")), options=()),
        Fault(lambda bench: servers(bench, other=stdio("noise")), Status.INFO, ()),
        Fault(lambda bench: servers(bench, other=stdio("glued")), Status.WARNING, ()),
        Fault(elsewhere, options=()),
    ),
    "server.handshake": (
        Fault(lambda bench: servers(bench, other=stdio("refuse")), options=()),
        Fault(lambda bench: servers(bench, other=stdio("version=1999-01-01")), options=()),
        Fault(refusing(401), options=()),
        Fault(refusing(421), options=()),
        Fault(refusing(404, "/models/mcp"), options=()),
    ),
    "server.deferred": Fault(lambda bench: ours(bench, alwaysLoad=None), Status.WARNING),
    "server.permission": (
        Fault(lambda bench: bench.edit(bench.home.settings, permissions={}), Status.WARNING),
        Fault(_permissions(deny=["mcp__*"])),
        Fault(_permissions(ask=[f"mcp__{OURS}"]), Status.WARNING),
    ),
    "server.env": (
        Fault(_with(command="x", env={"A": "${NO_SUCH_VARIABLE}"}), Status.WARNING),
        Fault(_with(command="${NO_SUCH_VARIABLE}/x")),
        Fault(lambda bench: elsewhere(bench, token=None)),
    ),
    "server.timeout": (
        Fault(lambda bench: ours(bench, timeout=5000), Status.WARNING),
        Fault(_with(command="x", timeout=60), Status.WARNING),
        Fault(lambda bench: bench.set_variable("MCP_TOOL_TIMEOUT", "60s")),
        Fault(lambda bench: bench.edit(bench.home.settings, env={"MCP_TIMEOUT": "30"})),
    ),
    "server.output-limit": (
        Fault(lambda bench: bench.set_variable("MAX_MCP_OUTPUT_TOKENS", "25k"), Status.WARNING),
        Fault(
            lambda bench: bench.cli("config", "set", "tools.ask_local_llama.max_output_chars", "60000"),
            Status.WARNING,
        ),
    ),
    "server.description-length": Fault(
        lambda bench: servers(bench, other=stdio("long=5000")), Status.INFO, ()
    ),
    "server.shadowed": (
        Fault(_never_approved, Status.INFO),
        Fault(
            lambda bench: bench.edit(
                bench.home.client, projects={str(bench.project): {"mcpServers": {OURS: stdio()}}}
            ),
            Status.WARNING,
        ),
    ),
}
