"""What doctor finds about MCP servers, and what it must leave alone."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from faults_server import OURS, ours, projects, servers, stdio, users

SECRET = "s3cret-value-of-a-key"


def said(found: list[dict[str, Any]]) -> str:
    """All that a reader sees."""
    return json.dumps(found)


# server.entry


def test_each_entry_that_the_client_skips_is_named_at_its_line(bench: Bench):
    users(bench, good=stdio(), bad={"command": "x", "env": {"A": 1}})
    found = bench.one("server.entry", "--offline")
    assert found["message"] == "mcpServers.bad: `env.A` is not a string, so the client skips the server"
    assert found["path"] == str(bench.home.client)
    assert found["line"] == bench.home.client.read_text().splitlines().index('    "bad": {') + 1


def test_malformed_entries_in_settings_are_not_our_business_here(bench: Bench):
    bench.write(bench.home.settings, {"mcpServers": {"x": 5}})
    assert bench.findings("server.entry", "--offline") == []


@pytest.mark.parametrize("value", [[], "x", 5])
def test_servers_that_are_no_object_are_all_lost(bench: Bench, value: Any):
    bench.write(bench.home.client, {"mcpServers": value})
    assert "reads no server from this file" in bench.one("server.entry", "--offline")["message"]


@pytest.mark.parametrize("content", [{"x": stdio()}, "[1]", "5"])
def test_a_project_file_without_the_key_is_found(bench: Bench, content: Any):
    bench.write(bench.project / ".mcp.json", content)
    assert bench.one("server.entry", "--offline")["message"].startswith("it has no `mcpServers`")


@pytest.mark.parametrize("content", ["{}", '{"mcpServers": {}}', '{"mcpServers": null}', "// broken", ""])
def test_empty_and_broken_project_files_are_left_to_others(bench: Bench, content: str):
    bench.write(bench.project / ".mcp.json", content)
    assert all("mcpServers" not in one["message"] for one in bench.findings("server.entry", "--offline"))


# server.command


def test_the_last_words_of_a_server_that_dies_are_shown_without_its_secrets(bench: Bench):
    users(bench, dying=stdio("die", env={"A_KEY": SECRET}))
    found = bench.one("server.command")
    assert "ends at its start (exit code 3): the reason ********" in found["message"]
    assert SECRET not in said(bench.findings("server"))


def test_secrets_of_the_environment_and_of_flags_are_masked(bench: Bench):
    bench.set_variable("SOME_TOKEN", SECRET)
    users(
        bench,
        dying=stdio("die", "--api-key", "another-secret", env={"A_KEY": "${SOME_TOKEN} another-secret"}),
    )
    message = bench.one("server.command")["message"]
    assert SECRET not in message
    assert "another-secret" not in message


def test_a_long_complaint_is_cut_and_control_characters_are_taken_out(bench: Bench):
    code = "import sys; sys.exit('\\x1b[31m' + 'word ' * 1000)"
    users(bench, dying={"command": "python3", "args": ["-c", code]})
    message = bench.one("server.command")["message"]
    assert len(message) < 450
    assert "\x1b" not in message


def test_a_signal_is_named(bench: Bench):
    code = "import os; os.kill(os.getpid(), 9)"
    users(bench, dying={"command": "python3", "args": ["-c", code]})
    assert "killed by SIGKILL" in bench.one("server.command")["message"]


def test_a_program_that_is_missing_is_found_with_its_line(bench: Bench):
    users(bench, gone={"command": "no-such-program"})
    found = bench.one("server.command")
    assert found["message"] == (
        "mcpServers.gone: its program 'no-such-program' is not found, so Claude has no tools of it"
    )
    assert "claude mcp remove gone -s user" in found["hint"]


def test_a_tilde_is_not_expanded(bench: Bench):
    users(bench, gone={"command": "~/server"})
    assert "does not expand `~`" in bench.one("server.command")["hint"]


def test_a_file_that_is_no_program_is_found(bench: Bench):
    bench.program("broken", "").write_text("\0\0")
    users(bench, broken={"command": "broken"})
    assert bench.one("server.command")["status"] == "error"


def test_the_servers_own_path_is_searched(bench: Bench):
    folder = bench.bin.parent / "elsewhere"
    folder.mkdir()
    (folder / "hidden-server").symlink_to(bench.program("hidden-server-program", "import sys; sys.exit(4)"))
    users(bench, x={"command": "hidden-server", "env": {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}})
    assert "exit code 4" in bench.one("server.command")["message"]


def test_lines_that_are_no_messages_are_mentioned(bench: Bench):
    users(bench, loud=stdio("noise"))
    found = bench.one("server.command")
    assert found["status"] == "info"
    assert "`Server listening on stdio`" in found["message"]


def test_words_before_an_answer_are_a_warning(bench: Bench):
    users(bench, loud=stdio("glued"))
    found = bench.one("server.command")
    assert found["status"] == "warning"
    assert "`loading...`" in found["message"]


def test_a_server_gets_what_the_client_would_give_it(bench: Bench, tmp_path: Path):
    seen = tmp_path / "seen.json"
    trust = {"projects": {str(bench.project): {"hasTrustDialogAccepted": True}}}
    bench.set_variable("OUTER", "outer")
    bench.write(bench.home.settings, {"env": {"FROM_SETTINGS": "s"}})
    users(bench, x=stdio(f"touch={seen}", env={"OWN": "${OUTER}-${FROM_SETTINGS}-${NOBODY:-d}"}))
    bench.edit(bench.home.client, **trust)
    assert bench.findings("server.command") == []
    environment = json.loads(seen.read_text())
    assert environment["OWN"] == "outer-s-d"
    assert environment["OUTER"] == "outer"
    assert environment["cwd"] == environment["CLAUDE_PROJECT_DIR"] == str(bench.project)


def test_a_project_that_nobody_trusts_gives_a_server_no_code_to_run(bench: Bench):
    bench.write(bench.project / "helper.py", "import sys; sys.exit('the code of a clone')")
    users(bench, x={"command": sys.executable, "args": ["-m", "helper"]})
    found = bench.one("server.command")
    assert "the code of a clone" not in found["message"]
    assert "No module named helper" in found["message"]
    assert "never told to trust this project" in found["hint"]
    users(bench, x={"command": "./start"})
    assert "never told to trust this project" in bench.one("server.command")["hint"]


def test_each_server_is_started_once_for_all_checks(bench: Bench, tmp_path: Path):
    code = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')"
    users(bench, x={"command": "python3", "args": ["-c", code]})
    bench.findings("server")
    assert (tmp_path / "starts").read_text() == "x"


def test_a_server_ends_by_the_end_of_its_input(bench: Bench, tmp_path: Path):
    users(bench, x=stdio(f"ended={tmp_path / 'ended'}"))
    assert bench.findings("server.command") == []
    assert (tmp_path / "ended").read_text() == "by its input's end"


@pytest.mark.parametrize("why", ["pending", "untrusted", "rejected", "disabled"])
def test_what_nobody_approved_is_never_started(bench: Bench, tmp_path: Path, why: str):
    started = tmp_path / "started"
    projects(bench, x=stdio(f"touch={started}"))
    if why == "untrusted":
        bench.write(bench.project / ".claude/settings.json", {"enableAllProjectMcpServers": True})
    elif why == "rejected":
        bench.write(
            bench.home.settings, {"enableAllProjectMcpServers": True, "disabledMcpjsonServers": ["x"]}
        )
    elif why == "disabled":
        bench.write(bench.home.settings, {"enableAllProjectMcpServers": True})
        bench.edit(bench.home.client, projects={str(bench.project): {"disabledMcpServers": ["x"]}})
    bench.findings("server", "--deep")
    assert not started.exists()


def test_offline_starts_nothing(bench: Bench, tmp_path: Path):
    users(bench, x=stdio(f"touch={tmp_path / 'started'}"))
    bench.findings("server", "--offline")
    assert not (tmp_path / "started").exists()


def test_an_approved_server_of_the_project_is_started(bench: Bench, tmp_path: Path):
    projects(bench, x=stdio(f"touch={tmp_path / 'started'}"))
    bench.write(bench.home.settings, {"enabledMcpjsonServers": ["x"]})
    bench.findings("server.command")
    assert (tmp_path / "started").exists()


def test_a_server_behind_a_url_of_this_machine_must_answer(bench: Bench):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://me:{SECRET}@127.0.0.1:{port}/mcp?token={SECRET}"
    users(bench, x={"type": "http", "url": url, "headers": {"Authorization": SECRET}})
    found = bench.one("server.command")
    assert f"nothing answers at http://127.0.0.1:{port} (Connection refused)" in found["message"]
    assert SECRET not in said([found])


def test_a_server_behind_a_url_that_listens_is_fine(bench: Bench):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        users(bench, x={"type": "sse", "url": f"http://127.0.0.1:{port}/"})
        assert bench.findings("server.command") == []


@pytest.mark.parametrize(
    "url",
    ["https://mcp.example.com/mcp", "http://8.8.8.8/mcp", "nonsense", "http://[", "http://${NO}.example.com"],
)
def test_servers_out_in_the_world_are_not_probed(bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str):
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    users(bench, x={"type": "http", "url": url})
    assert bench.findings("server.command") == []


# server.handshake


def test_a_healthy_server_gives_no_finding(bench: Bench):
    users(bench, x=stdio(alwaysLoad=True), y=stdio("asks"), z=stdio("pages"), none=stdio("no-tools"))
    assert bench.findings("server") == []


def test_an_error_is_shown_without_secrets(bench: Bench):
    users(bench, x=stdio("refuse", env={"A_KEY": SECRET}))
    found = bench.one("server.handshake")
    assert "answers `initialize` with an error" in found["message"]
    assert "no licence ********" in found["message"]


@pytest.mark.parametrize("code", [-32601, -32022])
def test_a_server_of_the_newer_protocol_alone_is_no_fault(bench: Bench, code: int):
    users(bench, x=stdio("refuse", f"code={code}"))
    assert bench.findings("server.handshake") == []


def test_a_list_of_tools_that_fails_is_found(bench: Bench):
    users(bench, x=stdio("error=tools/list"))
    assert "answers `tools/list` with an error" in bench.one("server.handshake")["message"]


@pytest.mark.parametrize("version", ["2024-10-07", "2024-11-05", "2025-03-26", "2025-11-25"])
def test_every_version_that_the_client_takes_is_fine(bench: Bench, version: str):
    users(bench, x=stdio(f"version={version}"))
    assert bench.findings("server.handshake") == []


@pytest.mark.parametrize("version", ["2026-07-28", "nonsense"])
def test_another_version_is_found(bench: Bench, version: str):
    users(bench, x=stdio(f"version={version}"))
    assert f"protocol version {version}" in bench.one("server.handshake")["message"]


def test_a_tool_that_makes_the_client_drop_all_is_found(bench: Bench):
    users(bench, x=stdio("no-schema"))
    assert "its tool plain has no name or no `inputSchema`" in bench.one("server.handshake")["message"]


def test_a_server_that_keeps_silent_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("supervisor_setup.checks.server_start.ANSWER_SECONDS", 0.3)
    users(bench, x=stdio("mute"))
    found = bench.one("server.handshake")
    assert found["status"] == "warning"
    assert "does not answer `initialize` within" in found["message"]


def test_a_slow_start_counts_where_the_client_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("supervisor_setup.checks.server_running._SLOW", 0.0)
    users(bench, waited_for=stdio(alwaysLoad=True), other=stdio())
    found = bench.one("server.handshake")
    assert "mcpServers.waited_for" in found["message"]
    assert "every session waits for it" in found["message"]
    monkeypatch.setattr("supervisor_setup.checks.server_running.FIRST_REQUEST_WAITS", 0.0)
    assert "the first request goes out without its tools" in bench.one("server.handshake")["message"]


def test_a_server_that_died_is_one_finding_and_not_two(bench: Bench):
    users(bench, x=stdio("die"), y={"command": "no-such-program"})
    assert bench.findings("server.handshake") == []


# server.description-length


def test_long_texts_are_counted_and_named(bench: Bench):
    bench.client("2.1.197")
    users(bench, x=stdio("long=2049", "instructions=3000"))
    found = bench.one("server.description-length")
    assert "its instructions (3,000), the description of plain (2,049)" in found["message"]
    assert found["status"] == "info"


def test_the_limit_is_that_of_the_client_at_hand(bench: Bench):
    bench.client("2.1.330")
    users(bench, x=stdio("long=4096"))
    assert bench.findings("server.description-length") == []


# what was installed


def test_our_server_gone_from_its_place_is_found_once(bench: Bench):
    bench.install()
    ours(bench, command="/nowhere/supervisor-mcp")
    found = bench.findings("server")
    assert [one["id"] for one in found] == ["server.entry"]
    assert "'/nowhere/supervisor-mcp' is not a program" in found[0]["message"]


def test_other_servers_beside_ours_change_nothing(bench: Bench):
    bench.install()
    servers(bench, other=stdio())
    assert bench.findings("server") == []
    assert OURS in bench.home.client.read_text()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 5000, b'{"mcpServers": {"x": {"command": "x"}', b"5"]
)
def test_unreadable_files_are_survived(bench: Bench, content: bytes):
    for path in (bench.home.client, bench.home.settings, bench.project / ".mcp.json"):
        bench.write(path, content)
    assert all("itself failed" not in one["message"] for one in bench.findings("server"))


@pytest.mark.parametrize("value", [None, [], "x", 5, {}, {"command": None}, {"command": "x" * 100_000}])
def test_odd_entries_are_survived(bench: Bench, value: Any):
    users(bench, x=value, **{"y" * 500: value})
    assert all("itself failed" not in one["message"] for one in bench.findings("server"))
