"""What doctor finds about the client itself, and how it asks it."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from faults_server import stdio

DEEP = ("--deep",)


def users(bench: Bench, **entries: Any) -> None:
    """The user's servers."""
    bench.write(bench.home.client, {"mcpServers": entries})


def listing(*lines: str) -> str:
    """A client whose `mcp list` says these lines."""
    return f"import sys\nif sys.argv[1:] == ['mcp', 'list']: print({chr(10).join(lines)!r})"


def no_client(bench: Bench) -> None:
    """A PATH with nothing but what the test plants."""
    bench.set_variable("PATH", str(bench.bin))


# client.installed, client.version


def test_no_client_is_a_warning_with_the_way_to_one(bench: Bench):
    no_client(bench)
    found = bench.one("client.installed", "--offline")
    assert found["status"] == "warning"
    assert "https://code.claude.com/docs/en/setup" in found["hint"]


@pytest.mark.parametrize("place", [".local/bin/claude", ".claude/local/claude"])
def test_a_client_that_path_does_not_lead_to_is_mentioned(bench: Bench, place: str):
    no_client(bench)
    program = bench.write(bench.home.path / place, "")
    found = bench.one("client.installed", "--offline")
    assert (found["status"], found["path"]) == ("info", str(program))
    assert found["hint"] == f"add {program.parent} to PATH"


def second_client(bench: Bench, version: str) -> Path:
    """Another client, further down on PATH."""
    real = bench.client(version)
    folder = bench.bin.parent / "second"
    folder.mkdir()
    (folder / "claude").symlink_to(real)
    bench.set_variable("PATH", f"{bench.bin}:{folder}")
    return folder / "claude"


def test_two_versions_on_path_are_mentioned(bench: Bench):
    other = second_client(bench, "2.1.197")
    bench.client("2.1.330")
    found = bench.one("client.installed", "--offline")
    assert (found["status"], found["path"]) == ("info", str(other))
    assert "is Claude Code 2.1.197, but this shell starts 2.1.330" in found["message"]


def test_one_client_by_two_names_is_one(bench: Bench):
    second_client(bench, "2.1.330")
    assert bench.findings("client.installed", "--offline") == []


@pytest.mark.parametrize("version", ["2.1.197", "2.1.250", "2.1.330", "3.0.0"])
def test_measured_and_newer_versions_are_fine(bench: Bench, version: str):
    bench.client(version)
    assert bench.findings("client", "--offline") == []


def test_an_older_version_is_a_warning(bench: Bench):
    bench.client("2.0.76")
    found = bench.one("client.version", "--offline")
    assert "nothing before 2.1.197 was measured" in found["message"]
    assert found["hint"] == "claude update"


def test_a_version_that_nobody_can_tell_is_no_finding(bench: Bench):
    bench.program("claude", "")
    assert bench.findings("client", "--offline") == []


# client.sees-server


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x: program - \N{HEAVY CHECK MARK} Connected", None),
        ("x: http://x (HTTP) - ! Needs authentication", None),
        ("x: program - - \N{BALLOT X} Failed to connect", "Failed to connect"),
        ("x: program - \N{BALLOT X} Failed to connect \N{EM DASH} ENOENT: no - such", "ENOENT: no - such"),
        ("x: program - ! Connected \N{MIDDLE DOT} tools fetch failed", "tools fetch failed"),
        ("xy: program - \N{HEAVY CHECK MARK} Connected", "does not list it"),
        ("", "does not list it"),
    ],
)
def test_the_clients_own_word_counts(bench: Bench, line: str, words: str | None):
    bench.client(code=listing("Checking MCP server health\N{HORIZONTAL ELLIPSIS}", "", line))
    users(bench, x=stdio())
    found = bench.findings("client.sees-server", *DEEP)
    assert [words in one["message"] for one in found if words] == ([True] if words else [])
    assert bool(found) == (words is not None)


def test_a_server_in_settings_alone_is_what_the_client_does_not_see(bench: Bench):
    bench.client(code=listing("No MCP servers configured."))
    users(bench)
    bench.write(bench.home.settings, {"mcpServers": {"unseen": stdio()}})
    found = bench.one("client.sees-server", *DEEP)
    assert found["path"] == str(bench.home.settings)
    assert "the client reads no servers from a settings file" in found["message"]


def test_servers_that_wait_or_are_off_need_not_be_seen(bench: Bench):
    bench.client(code=listing("No MCP servers configured."))
    bench.write(bench.project / ".mcp.json", {"mcpServers": {"waiting": stdio()}})
    bench.write(
        bench.home.client,
        {"mcpServers": {"off": stdio()}, "projects": {str(bench.project): {"disabledMcpServers": ["off"]}}},
    )
    assert bench.findings("client.sees-server", *DEEP) == []


def test_the_client_lists_servers_on_a_copy_of_its_state(bench: Bench):
    code = listing("x: program - \N{HEAVY CHECK MARK} Connected") + (
        "; import os; open(os.environ['CLAUDE_CONFIG_DIR'] + '/.claude.json', 'r+').truncate()"
        "; os.remove(os.environ['CLAUDE_CONFIG_DIR'] + '/settings.json')"
    )
    bench.client(code=code)
    users(bench, x=stdio())
    bench.write(bench.home.settings, {"model": "opus"})
    before = bench.home.files()
    assert bench.findings("client.sees-server", *DEEP) == []
    assert bench.home.files() == before


@pytest.mark.parametrize("entry", ["", ".", "tools"])
def test_a_client_that_the_working_directory_brings_along_is_no_client(bench: Bench, entry: str):
    bench.client().rename(bench.write(bench.project / entry / "claude", ""))
    no_client(bench)
    bench.set_variable("PATH", f"{bench.bin}/none:{entry}:/none")
    assert "no `claude` on PATH" in bench.one("client.installed", "--offline")["message"]


def skipped(bench: Bench, check: str) -> str:
    """Why the check was skipped."""
    ran = bench.cli("--json", "doctor", "--deep", "--check", check, code=0)
    (one,) = ran.json["findings"]
    assert one["status"] == "skipped"
    return str(one["message"])


@pytest.mark.parametrize("check", ["client.sees-server", "client.sees-agents"])
def test_the_client_is_never_started_on_a_state_file_that_it_would_reset(bench: Bench, check: str):
    started = bench.bin.parent / "started"
    bench.client(code=f"open({str(started)!r}, 'w')")
    bench.agent("helper")
    bench.write(bench.home.client, '{"mcpServers": {},}')
    before = bench.home.files()
    assert "would reset" in skipped(bench, check)
    assert not started.exists()
    assert bench.home.files() == before


def test_the_client_is_not_started_where_it_never_was(bench: Bench):
    bench.client(code="raise SystemExit('started')")
    assert "never started here" in skipped(bench, "client.sees-server")


def test_without_a_client_nothing_can_be_asked(bench: Bench):
    no_client(bench)
    bench.agent("helper")
    assert skipped(bench, "client.sees-agents") == "the client is not installed"


@pytest.mark.parametrize("check", ["client.sees-server", "client.sees-agents"])
def test_a_client_that_fails_is_said_to(bench: Bench, check: str):
    bench.client(code="import sys; sys.exit('unknown option sk-ant-0123456789abcdef')")
    bench.agent("helper")
    users(bench)
    found = bench.one(check, *DEEP)
    assert found["status"] == "warning"
    assert "exit code 1, so nothing is known: unknown option ********" in found["message"]


def test_a_client_that_hangs_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("supervisor_setup.checks.client_runs.SECONDS", 0.3)
    bench.client(code="import time; time.sleep(60)")
    bench.agent("helper")
    users(bench)
    assert {one["status"] for one in bench.findings("client", *DEEP)} == {"warning"}


def test_a_client_that_cannot_be_started_is_said_to(bench: Bench):
    bench.client().write_text("\0")
    users(bench)
    assert "cannot be started" in bench.one("client.sees-server", *DEEP)["message"]


# client.sees-agents

SPY = """
import json, os, sys
json.dump({"argv": sys.argv, "env": dict(os.environ), "here": sorted(os.listdir(".claude")),
           "project": os.listdir(".claude/agents"), "above": sorted(os.listdir("..")),
           "agents": os.listdir(os.environ["CLAUDE_CONFIG_DIR"] + "/agents")}, open(SEEN, "w"))
print("no JSON")
print(json.dumps({"type": "system", "subtype": "hook_started"}))
print(json.dumps({"type": "system", "subtype": "init", "agents": ["helper", 5]}), flush=True)
import time
time.sleep(60)
"""


def test_the_client_is_asked_apart_from_everything(bench: Bench, tmp_path: Path):
    seen = tmp_path / "seen.json"
    bench.client(code=SPY.replace("SEEN", repr(str(seen))))
    bench.set_variable("ANTHROPIC_AUTH_TOKEN", "a-token-of-the-users")
    bench.set_variable("CLAUDE_CODE_USE_BEDROCK", "1")
    bench.set_variable("https_proxy", "http://proxy:1")
    bench.agent("helper")
    bench.agent("helper", path=bench.project / ".claude" / "agents" / "theirs.md")
    bench.write(bench.project / ".claude" / "settings.json", {"apiKeyHelper": "false"})
    before = bench.home.files()
    assert bench.findings("client.sees-agents", *DEEP) == []
    assert bench.home.files() == before
    found = json.loads(seen.read_text())
    environment = found["env"]
    assert found["agents"] == ["helper.md"]
    assert found["project"] == ["theirs.md"]
    assert found["here"] == ["agents"]  # the project's settings name programs that print mode would run
    assert found["above"] == [".git", "inner"]
    assert "--strict-mcp-config" in found["argv"]
    assert '{"disableAllHooks":true}' in found["argv"]
    assert environment["ANTHROPIC_BASE_URL"] == environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert environment["ANTHROPIC_API_KEY"] == "not-a-key"
    assert not {"ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "https_proxy"} & set(environment)
    assert not Path(environment["CLAUDE_CONFIG_DIR"]).exists()


def test_each_agent_that_the_client_does_not_have_is_named(bench: Bench):
    bench.client(code='print(\'{"subtype": "init", "agents": ["helper"]}\')')
    bench.agent("helper")
    missing = bench.agent("other")
    bench.write(bench.home.agents / "README.md", "no agent")
    found = bench.one("client.sees-agents", *DEEP)
    assert found["path"] == str(missing)
    assert "does not load the agent `other`" in found["message"]


def test_without_agents_the_client_is_not_started(bench: Bench):
    bench.client(code="raise SystemExit('started')")
    assert bench.findings("client.sees-agents", *DEEP) == []


def test_a_healthy_installation_has_no_findings_in_a_deep_run(bench: Bench):
    bench.install()
    assert bench.findings("client", *DEEP) == []
