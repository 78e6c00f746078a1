"""The wire, line by line: what the real process answers to right, wrong and hostile input."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from fake_backend import litellm
from server_process import COMMAND, MODERN_META, ServerProcess, initialize_params, said, text_of

FILE_TOOLS = ("summarize_files", "ask_about_files", "classify", "extract")
HANDSHAKE_VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


def modern(params=None):
    return {**(params or {}), "_meta": MODERN_META}


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_every_version_with_a_handshake_is_spoken(start_server, version):
    server = start_server()
    result = server.initialize(version)["result"]
    assert result["protocolVersion"] == version
    assert result["capabilities"] == {"tools": {"listChanged": False}}
    assert result["serverInfo"]["name"] == "supervisor-mcp"
    assert len(server.ask("tools/list")["result"]["tools"]) == 7


@pytest.mark.parametrize("version", ["2024-01-01", "2026-07-28", "9999-12-31", ""])
def test_a_handshake_for_an_unknown_version_is_offered_the_newest_with_one(start_server, version):
    assert start_server().initialize(version)["result"]["protocolVersion"] == "2025-11-25"


def test_the_modern_version_needs_no_handshake(start_server):
    server = start_server()
    listed = server.ask("tools/list", modern())["result"]
    assert len(listed["tools"]) == 7
    assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == ("complete", 0, "private")
    assert listed["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "supervisor-mcp"
    assert server.ask("ping", modern())["error"]["code"] == -32601


def test_discover_tells_what_is_served(start_server):
    result = start_server().ask("server/discover", modern())["result"]
    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["instructions"].startswith("These tools hand work")


def test_a_client_that_probes_for_the_modern_version_without_an_envelope_can_go_on_with_a_handshake(
    start_server,
):
    server = start_server()
    assert server.ask("server/discover")["error"]["code"] == -32601
    assert server.initialize()["result"]["protocolVersion"] == "2025-11-25"


def test_the_tools_are_listed_within_the_budget_of_a_clients_context(start_server):
    server = start_server()
    instructions = server.initialize()["result"]["instructions"]
    server.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    line = server.lines.get(timeout=5)
    assert len(line) <= 5000
    assert len(instructions) <= 2000
    for tool in json.loads(line)["result"]["tools"]:
        assert len(tool["description"]) < 2048
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["annotations"]["destructiveHint"] is False
        assert tool["inputSchema"]["additionalProperties"] is False
        assert "outputSchema" not in tool


def test_a_call_answers_with_plain_text(start_server, backend):
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    result = server.call("ask_local_llama", {"prompt": "What is the capital of France?"}, "call-1")
    assert said(text_of(result)) == "The capital of France is Paris."
    assert result == {"content": [{"type": "text", "text": text_of(result)}], "isError": False}


def test_a_disabled_tool_is_neither_listed_nor_callable(start_server):
    server = start_server(tools={"ask_coding_model": {"enabled": False}})
    server.initialize()
    names = [tool["name"] for tool in server.ask("tools/list")["result"]["tools"]]
    assert names == ["ask_local_llama", *FILE_TOOLS, "list_available_local_models"]
    error = server.ask("tools/call", {"name": "ask_coding_model", "arguments": {}})["error"]
    assert error["code"] == -32602
    assert error["message"].endswith(f"there are {', '.join(names)}")


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"garbage", -32700, None),
        (b"{", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping"', -32700, None),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700, None),
        (b"\xff\xfe\xfa", -32700, None),
        (b"[" * 100_000, -32700, None),
        (b"1" * 5000, -32700, None),
        (b"[]", -32600, None),
        (b"5", -32600, None),
        (b"null", -32600, None),
        (b'"ping"', -32600, None),
        (b"{}", -32600, None),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600, None),
        (b'{"id": 7, "method": "ping"}', -32600, 7),
        (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', -32600, 7),
        (b'{"jsonrpc": "2.0", "id": 7}', -32600, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": 5}', -32600, 7),
        (b'{"jsonrpc": "2.0", "method": 5}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": [1], "method": "ping"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []}', -32602, 7),
        (b'{"jsonrpc": "2.0", "id": "x", "method": "nope"}', -32601, "x"),
        (b'{"jsonrpc": "2.0", "id": "", "method": ""}', -32601, ""),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}', -32602, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "nope"}}', -32602, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 5}}', -32602, 7),
    ],
)
def test_a_wrong_line_gets_its_error_and_the_connection_lives_on(start_server, line, code, request_id):
    server = start_server()
    server.initialize()
    server.send_raw(line + b"\n")
    answer = server.receive()
    assert (answer["error"]["code"], answer["id"]) == (code, request_id)
    assert server.ask("ping", request_id="after") == {"jsonrpc": "2.0", "id": "after", "result": {}}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"   \r",
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "none"}}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": [1]}}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled"}',
        b'{"jsonrpc": "2.0", "method": "notifications/whatever", "params": []}',
        b'{"jsonrpc": "2.0", "id": 5, "result": {}}',
        b'{"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}}',
    ],
)
def test_what_needs_no_answer_gets_none(start_server, line):
    server = start_server()
    server.initialize()
    server.send_raw(line + b"\n")
    assert server.ask("ping", request_id="next")["id"] == "next"
    assert server.silent()


def test_tools_are_not_served_before_the_handshake_but_ping_is(start_server):
    server = start_server()
    assert server.ask("ping")["result"] == {}
    assert server.ask("tools/list")["error"]["code"] == -32602
    assert server.ask("nope")["error"]["code"] == -32601


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"protocolVersion": 5, "capabilities": {}, "clientInfo": {}},
        {"protocolVersion": "2025-11-25"},
        {"protocolVersion": "2025-11-25", "capabilities": [], "clientInfo": {}},
    ],
)
def test_a_handshake_without_its_parameters_is_refused(start_server, params):
    assert start_server().ask("initialize", params)["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("initialize", initialize_params("2025-11-25"), -32022),
        ("initialize", {"_meta": MODERN_META}, -32022),
        ("tools/list", {}, -32602),
        ("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}, -32602),
        ("tools/list", {"_meta": {**MODERN_META, "io.modelcontextprotocol/protocolVersion": 5}}, -32602),
        ("tools/list", {"_meta": {**MODERN_META, "io.modelcontextprotocol/protocolVersion": "2099"}}, -32022),
    ],
)
def test_a_modern_connection_refuses_what_is_not_modern(start_server, method, params, code):
    server = start_server()
    server.ask("server/discover", modern())
    error = server.ask(method, params)["error"]
    assert error["code"] == code
    if code == -32022:
        assert error["data"]["supported"] == ["2026-07-28"]


def test_a_handshake_connection_refuses_modern_requests(start_server):
    server = start_server()
    server.initialize()
    assert server.ask("tools/list", modern())["error"]["code"] == -32600


def test_a_batch_is_answered_as_one_in_the_one_version_that_has_batches(start_server, backend):
    server = start_server(backends=[litellm(backend)])
    server.initialize("2025-03-26")
    call = {"name": "ask_local_llama", "arguments": {"prompt": "x"}}
    server.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 3, "result": {}},
            {"jsonrpc": "2.0", "id": 4, "method": "nope"},
            5,
        ]
    )
    answers = server.receive()
    assert {answer["id"] for answer in answers} == {1, 2, 4, None}
    assert next(answer for answer in answers if answer["id"] == 2)["result"]["isError"] is False
    server.send([{"jsonrpc": "2.0", "method": "notifications/initialized"}])
    assert server.silent()


def test_a_line_of_ten_megabytes_is_read_and_answered(start_server, backend):
    server = start_server(
        backends=[litellm(backend)], tools={"ask_local_llama": {"max_input_chars": 10_000_000}}
    )
    server.initialize()
    result = server.call("ask_local_llama", {"prompt": "x" * 9_990_000})
    assert said(text_of(result)) == "The capital of France is Paris."
    refused = server.call("ask_local_llama", {"prompt": "x" * 10_000_001})
    assert "Split the material" in text_of(refused)


def test_text_of_every_script_survives_both_ways(start_server, backend):
    backend.answer = "Grüße, 世界, 👩‍🚀, \u2028, \x7f."
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    assert (
        said(text_of(server.call("ask_local_llama", {"prompt": "naïve 你好 👋"})))
        == "Grüße, 世界, 👩‍🚀, \u2028, ."
    )
    assert backend.asked("/v1/chat/completions")[0].body["messages"][1]["content"] == "naïve 你好 👋"


def test_a_broken_config_starts_the_server_and_every_call_names_the_line(start_server, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("version: 1\nbackends:\n  - name: x\n    kind: litellm\n    url: koala\n")
    server = start_server("--config", str(config), "--cache", str(tmp_path / "none.json"))
    server.initialize()
    assert len(server.ask("tools/list")["result"]["tools"]) == 7
    for tool in ("ask_local_llama", "list_available_local_models"):
        result = server.call(tool, {})
        assert result["isError"] is True
        assert f"{config}:5: `backends[0].url` must be an http(s) URL" in text_of(result)
        assert "Do the task yourself" in text_of(result)
        assert "supervisor-setup doctor" in text_of(result)


def test_nothing_that_a_library_prints_reaches_the_wire(tmp_path, backend):
    noisy = tmp_path / "noisy.py"
    noisy.write_text(
        "import os, subprocess, sys\n"
        "from supervisor_mcp import server\n"
        "from supervisor_mcp.backends.openai import OpenAI\n"
        "ask = OpenAI.ask\n"
        "def noisy(*given):\n"
        "    print('PRINTED', flush=True)\n"
        "    sys.stdout.write('WRITTEN')\n"
        "    os.write(1, b'RAW')\n"
        "    subprocess.run(['echo', 'CHILD'], check=True)\n"
        "    return ask(*given)\n"
        "OpenAI.ask = noisy\n"
        "sys.exit(server.main())\n",
        encoding="utf-8",
    )
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"backends": [litellm(backend)]}), encoding="utf-8")
    server = ServerProcess([sys.executable, str(noisy), "--config", str(config)])
    try:
        server.initialize()
        assert (
            said(text_of(server.call("ask_local_llama", {"prompt": "x"})))
            == "The capital of France is Paris."
        )
        assert server.silent()
    finally:
        server.end()
    for noise in (b"PRINTED", b"WRITTEN", b"RAW", b"CHILD"):
        assert noise in server.stderr


def test_a_bug_in_a_tool_is_an_answer_and_a_traceback_on_stderr(tmp_path, backend):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from supervisor_mcp import server\n"
        "from supervisor_mcp.backends.openai import OpenAI\n"
        "def broken(*given): raise RuntimeError('sk-secret in a message')\n"
        "OpenAI.ask = broken\n"
        "sys.exit(server.main())\n",
        encoding="utf-8",
    )
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"backends": [litellm(backend)]}), encoding="utf-8")
    server = ServerProcess([sys.executable, str(broken), "--config", str(config)])
    try:
        server.initialize()
        result = server.call("ask_local_llama", {"prompt": "x"})
    finally:
        server.end()
    assert result["isError"] is True
    assert text_of(result) == (
        "ask_local_llama failed: a bug in supervisor-mcp (RuntimeError). Do the task yourself."
    )
    assert b"Traceback" in server.stderr


def test_a_bug_in_the_server_itself_is_an_internal_error_and_not_the_end(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from supervisor_mcp import core, server\n"
        "core.Core.list_tools = lambda self: 1 / 0\n"
        "sys.exit(server.main())\n",
        encoding="utf-8",
    )
    server = ServerProcess([sys.executable, str(broken)])
    try:
        server.initialize()
        assert server.ask("tools/list")["error"] == {"code": -32603, "message": "Internal error"}
        assert server.ask("ping")["result"] == {}
    finally:
        server.end()
    assert b"ZeroDivisionError" in server.stderr


def test_the_log_of_an_ordinary_session_is_empty(start_server, backend):
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    server.call("ask_local_llama", {"prompt": "x"})
    code, _ = server.end()
    assert (code, server.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(start_server, number):
    server = start_server()
    server.initialize()
    server.process.send_signal(number)
    assert server.process.wait(timeout=2) == -number
    server.end()
    assert server.stderr == b""


def test_a_client_that_closes_only_its_reading_end_is_no_crash():
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    for _ in range(2):
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        time.sleep(0.2)
    _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, "supervisor-mcp 0.1.0"),
        (["--help"], 0, "usage: supervisor-mcp"),
        (["-h"], 0, "usage: supervisor-mcp"),
        (["--config"], 2, "usage: supervisor-mcp"),
        (["--config="], 2, "usage: supervisor-mcp"),
        (["--nope"], 2, "usage: supervisor-mcp"),
        (["file"], 2, "usage: supervisor-mcp"),
    ],
)
def test_the_command_line(arguments, code, said):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == code
    assert said in (done.stderr if code else done.stdout)
    assert (done.stdout if code else done.stderr) == ""


def test_a_person_who_starts_it_by_hand_is_told_what_it_is():
    leader, follower = os.openpty()
    process = subprocess.Popen(COMMAND, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(follower)
    assert b"Claude Code starts it" in process.stderr.readline()
    os.write(leader, b"\x04")
    assert process.wait(timeout=5) == 0
    process.communicate()
    os.close(leader)
