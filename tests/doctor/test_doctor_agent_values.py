"""What doctor says of agents' models and tools, which depends on the machine and the client's version."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup.checks import agent_models, surroundings
from supervisor_setup.findings import Status
from supervisor_setup.frontmatter import Field, Frontmatter

INFO, WARNING, ERROR = Status.INFO, Status.WARNING, Status.ERROR
OFFLINE = "--offline"
OLD, NEW = "2.1.197", "2.1.330"


def families(bench: Bench) -> list[tuple[str, str]]:
    """What doctor finds in the whole family: id and status."""
    return [(one["id"], one["status"]) for one in bench.findings("agents", OFFLINE)]


def test_a_retired_model_is_an_error_that_names_what_takes_its_place(bench: Bench):
    bench.agent("helper", "model: claude-sonnet-4-20250514")
    found = bench.one("agents.model", OFFLINE)
    assert (found["status"], found["line"]) == (ERROR, 5)
    assert "2026-06-15" in found["message"]
    assert "model: sonnet" in found["hint"]
    assert "claude-sonnet-4-6" in found["hint"]


def test_a_model_that_the_client_resends_as_its_newest_is_a_warning(bench: Bench):
    bench.agent("helper", "model: claude-opus-4-20250514")
    found = bench.one("agents.model", OFFLINE)
    assert found["status"] == WARNING
    assert "sends its newest opus instead" in found["message"]


def test_a_client_that_is_told_not_to_resend_fails_with_it(bench: Bench):
    bench.agent("helper", "model: claude-opus-4-20250514")
    bench.set_variable("CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP", "1")
    assert bench.one("agents.model", OFFLINE)["status"] == ERROR


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4000"),
        ("ANTHROPIC_BASE_URL", "$GATEWAY"),
        ("CLAUDE_CODE_USE_BEDROCK", "1"),
        ("CLAUDE_CODE_USE_VERTEX", "1"),
    ],
)
@pytest.mark.parametrize("model", ["gpt-4", "claude-3-5-haiku-20241022"])
def test_models_of_a_gateway_or_another_provider_are_not_judged(
    bench: Bench, name: str, value: str, model: str
):
    bench.agent("helper", f"model: {model}")
    bench.edit(bench.home.settings, env={name: value})
    assert families(bench) == []


def test_a_provider_that_is_switched_off_is_none(bench: Bench):
    bench.agent("helper", "model: gpt-4")
    bench.set_variable("CLAUDE_CODE_USE_BEDROCK", "0")
    assert families(bench) == [("agents.model", ERROR)]


@pytest.mark.parametrize("url", ["https://api.anthropic.com", "https://api.anthropic.com/"])
def test_anthropics_own_address_is_no_gateway(bench: Bench, url: str):
    bench.agent("helper", "model: gpt-4")
    bench.set_variable("ANTHROPIC_BASE_URL", url)
    assert families(bench) == [("agents.model", ERROR)]


# Tools


def with_tools(bench: Bench, tools: str, *lines: str) -> None:
    """An agent with this `tools` value."""
    fields = ("name: helper", "description: Use it when asked.", f"tools: {tools}", *lines)
    bench.write(bench.home.agents / "helper.md", "\n".join(("---", *fields, "---", "Do it.", "")))


def test_a_tool_of_a_server_that_nobody_has_configured_is_a_warning(bench: Bench):
    with_tools(bench, "Read, mcp__nowhere__ask")
    found = bench.one("agents.unknown-tool", OFFLINE)
    assert (found["status"], found["line"]) == (WARNING, 4)
    assert "`mcp__nowhere__ask`" in found["message"]
    assert found["hint"] == "claude mcp add nowhere -- COMMAND"


@pytest.mark.parametrize(("version", "effect"), [(OLD, "starts without any"), (NEW, "refuses to start")])
@pytest.mark.parametrize("tools", ["mcp__nowhere", "codebase"])
def test_what_becomes_of_an_agent_without_any_tool_depends_on_the_client(
    bench: Bench, version: str, effect: str, tools: str
):
    bench.client(version)
    with_tools(bench, tools)
    assert effect in bench.one("agents.unknown-tool", OFFLINE)["message"]


def test_unknown_tools_and_unknown_servers_together_leave_nothing(bench: Bench):
    bench.client(NEW)
    with_tools(bench, "codebase, mcp__nowhere__ask")
    found = bench.findings("agents.unknown-tool", OFFLINE)
    assert [one["status"] for one in found] == [ERROR, WARNING]
    assert all("refuses to start" in one["message"] for one in found)


@pytest.mark.parametrize(
    ("server", "tools"),
    [
        ("box", "mcp__box"),
        ("box", "mcp__box__ask"),
        ("box", "mcp__box__*"),
        ("my box", "mcp__my_box__ask"),
        ("a.b", "mcp__a_b__ask"),
        ("x__y", "mcp__x__y__ask"),
    ],
)
def test_tools_of_a_configured_server_are_let_through(bench: Bench, server: str, tools: str):
    bench.edit(bench.home.client, mcpServers={server: {"type": "stdio", "command": "true"}})
    with_tools(bench, tools)
    assert families(bench) == []


@pytest.mark.parametrize(
    "tools",
    [
        "mcp__plugin_kit_box__ask",
        "mcp__claude_ai_Slack__send",
        "mcp__ide__getDiagnostics",
        "mcp__claude-in-chrome__navigate",
    ],
)
def test_tools_of_plugins_connectors_and_the_client_itself_are_let_through(bench: Bench, tools: str):
    with_tools(bench, tools)
    assert families(bench) == []


def test_a_server_of_the_project_or_of_a_folder_above_is_known(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.write(bench.project / ".mcp.json", {"mcpServers": {"box": {"command": "true"}}})
    (bench.project / "inner").mkdir()
    monkeypatch.chdir(bench.project / "inner")
    with_tools(bench, "mcp__box__ask")
    assert families(bench) == []


@pytest.mark.parametrize("servers", ["mcpServers: [box]", "mcpServers:\n  - box:\n      command: x"])
def test_a_server_that_the_agent_brings_along_is_known(bench: Bench, servers: str):
    with_tools(bench, "mcp__box__ask", servers)
    assert families(bench) == []


def test_a_server_in_settings_alone_is_none(bench: Bench):
    bench.edit(bench.home.settings, mcpServers={"box": {"command": "true"}})
    with_tools(bench, "Read, mcp__box__ask")
    assert families(bench) == [("agents.unknown-tool", WARNING)]


def test_a_misspelt_server_is_answered_with_the_right_one(bench: Bench):
    bench.edit(bench.home.client, mcpServers={"local-models": {"type": "stdio", "command": "true"}})
    with_tools(bench, "Read, mcp__local_models__ask")
    assert bench.one("agents.unknown-tool", OFFLINE)["hint"] == "did you mean mcp__local-models?"


@pytest.mark.parametrize("name", [".claude.json", "work/.mcp.json"])
def test_where_the_servers_cannot_be_read_their_tools_are_not_judged(bench: Bench, name: str):
    path = bench.home.client if name == ".claude.json" else bench.project / ".mcp.json"
    bench.write(path, "{")
    with_tools(bench, "Read, mcp__nowhere__ask")
    assert families(bench) == []


# What depends on the client


@pytest.mark.parametrize(("version", "expected"), [(OLD, [ERROR]), (NEW, []), (None, [WARNING])])
def test_a_byte_order_mark_matters_by_version(bench: Bench, version: str | None, expected: list[Status]):
    if version:
        bench.client(version)
    path = bench.agent("helper")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found = bench.findings("agents.required", OFFLINE)
    assert [one["status"] for one in found] == expected
    assert all(str(path) in one["hint"] for one in found)


def test_the_hint_for_a_byte_order_mark_removes_it(bench: Bench):
    path = bench.agent("helper")
    clean = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + clean)
    hint = bench.one("agents.required", OFFLINE)["hint"]
    subprocess.run(hint, shell=True, check=True)
    assert path.read_bytes() == clean


@pytest.mark.parametrize(("version", "status"), [(OLD, WARNING), (NEW, ERROR), (None, ERROR)])
@pytest.mark.parametrize("name", ["my:helper", "h" * 257])
def test_an_odd_name_is_refused_by_newer_clients_only(
    bench: Bench, version: str | None, status: Status, name: str
):
    if version:
        bench.client(version)
    bench.agent(name, path=bench.home.agents / "helper.md")
    assert bench.one("agents.required", OFFLINE)["status"] == status


@pytest.mark.parametrize(("version", "effect"), [(OLD, "runs without them"), (NEW, "drops the agent")])
def test_hooks_that_cannot_be_loaded_cost_the_agent_or_themselves(bench: Bench, version: str, effect: str):
    bench.client(version)
    bench.agent("helper", "hooks: x")
    assert bench.one("agents.ignored-value", OFFLINE)["message"].endswith(effect)


def test_every_retired_model_has_a_day_and_a_current_replacement():
    retired = surroundings.retirements()
    assert retired
    for name, one in retired.items():
        assert one.retired == "-".join(part.zfill(2) for part in one.retired.split("-")), name
        assert one.replacement not in retired, name
        assert one.alias in ("haiku", "sonnet", "opus"), name


def test_a_deprecated_model_is_a_warning_until_its_day_and_an_error_from_then_on():
    parsed = Frontmatter({"model": Field("claude-sonnet-4-5", 3)}, "", bom=False, requoted=None, cut=None)
    around = surroundings.anywhere()

    def found(today: str) -> tuple[Status, str]:
        (one,) = agent_models.model(Path("x.md"), parsed, replace(around, today=today))
        return one.status, one.message

    assert found("2026-11-29") == (
        WARNING,
        "the model `claude-sonnet-4-5` is retired on 2026-11-30: every delegation fails from then on",
    )
    assert found("2026-11-30")[0] is ERROR
    assert "404" in found("2027-01-01")[1]
