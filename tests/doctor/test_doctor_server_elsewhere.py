"""What doctor says of our server where it runs elsewhere, over HTTP."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from bench import Bench
from fake_backend import FakeBackend, Handler, closed_port
from faults_server import OURS, elsewhere, ours, refusing, servers
from http_server import HttpServer
from shared_server import SharedServer

TOKEN = "the-token-that-nobody-may-see"


@pytest.fixture
def server(shared_server: SharedServer) -> HttpServer:
    """The real server."""
    return shared_server.http


@pytest.fixture
def named_koala(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in which koala is this machine."""
    look_up = socket.getaddrinfo

    def found(host: str, *rest: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if host == "koala" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)


def speaking(result: dict[str, Any] | None = None, **more: Any) -> Callable[[Handler], None]:
    """A server that answers `initialize` so, and has no tools."""

    def answer(handler: Handler) -> None:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, **(result or {})}
        found = hello if handler.body["method"] == "initialize" else {"tools": [], **more}
        handler.send_json(200, {"jsonrpc": "2.0", "id": handler.body.get("id"), "result": found})

    return answer


def at(bench: Bench, answer: Callable[[Handler], None], token: str = TOKEN) -> FakeBackend:
    """Have the client use a server that answers so."""
    backend = bench.new_backend(extra={"/mcp": answer})
    elsewhere(bench, backend.url, token)
    return backend


# The real server


def test_a_server_that_answers_is_healthy(bench: Bench, server: HttpServer):
    elsewhere(bench, f"http://127.0.0.1:{server.port}", server.token)
    ran = bench.cli("--json", "doctor", "--strict")
    left = [one for one in ran.json["findings"] if one["status"] not in ("ok", "skipped")]
    assert left == []


def test_another_token_is_refused_and_never_shown(bench: Bench, server: HttpServer):
    elsewhere(bench, f"http://127.0.0.1:{server.port}", TOKEN)
    found = bench.one("server")
    assert (found["id"], found["status"]) == ("server.handshake", "error")
    assert "it refuses the token that it is given (HTTP 401)" in found["message"]
    assert found["hint"].startswith("set SUPERVISOR_MCP_TOKEN anew")
    assert TOKEN not in json.dumps(found)


def test_a_name_that_the_server_does_not_go_by_is_told_with_the_option(
    bench: Bench, server: HttpServer, named_koala: None
):
    elsewhere(bench, f"http://koala:{server.port}", server.token)
    found = bench.one("server")
    assert found["id"] == "server.handshake"
    assert "does not let itself be called koala (HTTP 421)" in found["message"]
    assert "--allow-host koala" in found["hint"]
    assert found["path"] == str(bench.home.client)
    assert "koala" in bench.home.client.read_text().splitlines()[found["line"] - 1]


def test_another_path_is_told_with_the_right_one(bench: Bench, server: HttpServer):
    elsewhere(bench, f"http://127.0.0.1:{server.port}/models", server.token)
    found = bench.one("server")
    assert "it has nothing at /models (HTTP 404)" in found["message"]
    assert found["hint"].endswith(f"--server-url http://127.0.0.1:{server.port}/mcp")
    bench.cli(*found["hint"].split()[1:], "--yes")
    assert bench.findings("server") == []


# The token


@pytest.mark.parametrize("value", [None, ""])
def test_a_token_that_is_not_set_is_one_finding(
    bench: Bench, server: HttpServer, value: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SUPERVISOR_MCP_TOKEN", raising=False)
    elsewhere(bench, f"http://127.0.0.1:{server.port}", value)
    found = bench.one("server")
    assert (found["id"], found["status"]) == ("server.env", "error")
    assert "SUPERVISOR_MCP_TOKEN: not set here" in found["message"]
    assert "export SUPERVISOR_MCP_TOKEN=TOKEN" in found["hint"]


def test_a_token_in_the_users_settings_is_set(bench: Bench):
    at(bench, speaking(), token="")
    bench.edit(bench.home.settings, env={"SUPERVISOR_MCP_TOKEN": TOKEN})
    assert bench.findings("server") == []


def test_the_variable_of_config_yaml_counts(bench: Bench):
    backend = bench.new_backend(extra={"/mcp": speaking()})
    bench.cli("install", "--yes", "--server-url", backend.url, "--server-token-env", "KOALA_TOKEN")
    assert "KOALA_TOKEN: not set here" in bench.one("server")["message"]
    bench.set_variable("KOALA_TOKEN", TOKEN)
    assert bench.findings("server") == []
    assert backend.seen[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_an_entry_that_sends_none_is_told_to_be_renewed(bench: Bench):
    refusing(401)(bench)
    ours(bench, headers=None)
    found = bench.one("server.handshake")
    assert "wants a token, and gets none (HTTP 401)" in found["message"]
    assert found["hint"].endswith("install --scope user --overwrite")


def test_the_token_goes_nowhere_but_to_the_address_of_config_yaml(bench: Bench):
    asked, other = at(bench, speaking()), bench.new_backend()
    ours(bench, url=f"{other.url}/mcp")
    bench.findings("server")
    assert asked.seen == other.seen == []


# What stands there


def test_nothing_there_is_told_with_the_way_to_start_it(bench: Bench):
    port = closed_port()
    elsewhere(bench, f"http://127.0.0.1:{port}")
    found = bench.one("server")
    assert (found["id"], found["status"]) == ("server.command", "error")
    assert f"nothing answers at http://127.0.0.1:{port}/mcp (connection refused)" in found["message"]
    assert "supervisor-mcp --http" in found["hint"]


def test_something_else_there_is_quoted(bench: Bench):
    at(bench, lambda handler: handler.send_json(405, {"detail": f"no {TOKEN}"}))
    found = bench.one("server")
    assert "it answers with HTTP 405: " in found["message"]
    assert TOKEN not in json.dumps(found)


def test_nothing_at_the_usual_path_is_quoted_too(bench: Bench):
    refusing(404)(bench)
    assert "it answers with HTTP 404: " in bench.one("server.handshake")["message"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"jsonrpc": "2.0"}', b""])
def test_an_answer_that_is_none_is_told(bench: Bench, body: bytes):
    at(bench, lambda handler: handler.send_bytes(200, body))
    assert "answers, but not in the way of MCP" in bench.one("server")["message"]


def test_an_error_in_place_of_a_welcome_is_quoted(bench: Bench):
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "too busy"}}
    at(bench, lambda handler: handler.send_json(200, error))
    found = bench.one("server")
    assert "answers `initialize` with an error" in found["message"]
    assert "too busy" in found["message"]


def test_a_protocol_that_the_client_does_not_take_is_told(bench: Bench):
    at(bench, speaking({"protocolVersion": "1999-01-01"}))
    assert "protocol version 1999-01-01" in bench.one("server")["message"]


@pytest.mark.parametrize("tools", [None, 5, [{"name": "x", "inputSchema": {"type": "object"}}]])
def test_a_list_of_tools_is_read(bench: Bench, tools: Any):
    at(bench, speaking(tools=tools))
    assert bench.findings("server") == []


def test_descriptions_that_the_client_cuts_are_found_there_too(bench: Bench):
    tool = {"name": "x", "description": "d" * 5000, "inputSchema": {"type": "object"}}
    at(bench, speaking(tools=[tool]))
    found = bench.one("server")
    assert (found["id"], found["status"]) == ("server.description-length", "warning")
    assert found["hint"] == "shorten `description` in config.yaml on the server's machine"


def test_a_server_that_never_answers_is_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("supervisor_setup.checks.server_elsewhere.SECONDS", 0.3)
    at(bench, lambda handler: handler.wait_for_disconnect())
    began = time.monotonic()
    assert "it gave no answer within 0.3 s" in bench.one("server")["message"]
    assert time.monotonic() - began < 10


# A certificate that nobody vouches for


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_is_the_clients_to_judge(bench: Bench, tls_port: int, trusted: bool):
    if trusted:
        bench.set_variable("NODE_EXTRA_CA_CERTS", "/etc/ours.pem")
    elsewhere(bench, f"https://127.0.0.1:{tls_port}")
    found = bench.findings("server")
    assert [one["id"] for one in found] == ([] if trusted else ["server.command"])
    assert all("set NODE_EXTRA_CA_CERTS" in one["hint"] for one in found)


# What is that server's business


def test_the_backends_of_the_config_here_are_not_asked(bench: Bench):
    at(bench, speaking())
    backend = bench.new_backend(models=[])
    bench.cli("config", "set", "backends.0.url", backend.url)
    assert bench.findings("backend", "--deep") == []
    assert backend.seen == []


def test_the_limits_of_the_tools_here_do_not_count(bench: Bench):
    at(bench, speaking())
    bench.cli("config", "set", "tools.ask_local_llama.max_output_chars", "60000")
    assert bench.findings("server.output-limit") == []


def test_an_entry_that_starts_another_program_is_no_business_of_the_address(bench: Bench):
    asked = at(bench, speaking())
    servers(bench, **{OURS: {"command": "/nowhere/x"}})
    assert "is not a program" in bench.one("server.entry", "--offline")["message"]
    bench.findings("server.handshake")
    assert asked.seen == []
