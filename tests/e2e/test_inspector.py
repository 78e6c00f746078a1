"""The protocol's own Inspector lists and calls over stdin and stdout, and over HTTP."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_server import HttpServer
from server_process import write_config

from real_parts import RealParts

from .stack import CAPITAL_QUESTION, Stack

pytestmark = pytest.mark.e2e

Inspect = Callable[..., Any]


@pytest.fixture(scope="module")
def config(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config.yaml with the real stack behind the server."""
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text(stack.key, encoding="utf-8")
    key.chmod(0o600)
    backend = {"name": "litellm", "kind": "litellm", "url": stack.litellm_url, "api_key": {"file": str(key)}}
    return write_config(tmp_path_factory.mktemp("inspected"), {"backends": [backend]})


@pytest.fixture(scope="module")
def http(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """The server over HTTP."""
    running = HttpServer(tmp_path_factory.mktemp("http"), "--config", str(config))
    yield running
    assert running.end()[0] == 0


@pytest.fixture(params=["stdio", "http"])
def inspect(
    request: pytest.FixtureRequest, config: Path, http: HttpServer, mcp_tools: RealParts, tmp_path: Path
) -> Inspect:
    """Runs the Inspector's command line on the server: `inspect("tools/list")` is what it printed."""
    program = Path(sys.executable).with_name("supervisor-mcp")
    arguments = ["--config", str(config), "--state", str(tmp_path / "state")]
    entries = {
        "stdio": {"type": "stdio", "command": str(program), "args": arguments},
        "http": {
            "type": "streamable-http",
            "url": f"http://127.0.0.1:{http.port}/mcp",
            "headers": {"Authorization": f"Bearer {http.token}"},
        },
    }
    servers = tmp_path / "servers.json"
    servers.write_text(json.dumps({"mcpServers": {"ours": entries[request.param]}}), encoding="utf-8")

    def run(method: str, *arguments: str) -> Any:
        ran = subprocess.run(
            [
                *(str(mcp_tools.node), str(mcp_tools.inspector), "--cli"),
                *("--config", str(servers), "--server", "ours", "--method", method, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MCP_INSPECTOR_SECRET_STORE": "memory"},
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    return run


def test_it_lists_the_tools_and_finds_no_fault_with_their_schemas(inspect: Inspect) -> None:
    names = [tool["name"] for tool in inspect("tools/list", "--strict")["tools"]]
    assert names[:2] == ["ask_local_llama", "ask_coding_model"]


def test_it_calls_a_tool_that_the_real_model_answers(inspect: Inspect) -> None:
    call = ("--tool-name", "ask_local_llama", "--tool-arg", f"prompt={CAPITAL_QUESTION}")
    result = inspect("tools/call", *call)
    assert result["isError"] is False
    assert "Paris" in result["content"][0]["text"]
