"""What keeps Claude from using a server that is there: rules, limits, variables, and other entries."""

from typing import Any

import pytest
from bench import Bench
from faults_server import our_entry, projects, stdio, users

ALL_OF_OURS = (
    *("ask_local_llama", "ask_coding_model", "summarize_files", "ask_about_files"),
    *("classify", "extract", "list_available_local_models"),
)


# server.deferred


@pytest.mark.parametrize(
    ("version", "variables", "found"),
    [
        ("2.1.330", {}, True),
        ("2.1.330", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, True),
        ("2.1.330", {"ENABLE_TOOL_SEARCH": "false"}, False),
        ("2.1.330", {"ENABLE_TOOL_SEARCH": "0"}, False),
        ("2.1.330", {"ENABLE_TOOL_SEARCH": "auto"}, False),
        ("2.1.330", {"ENABLE_TOOL_SEARCH": "auto:50"}, False),
        ("2.1.330", {"ENABLE_TOOL_SEARCH": "auto:0"}, True),
        ("2.1.330", {"CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1"}, False),
        ("2.1.330", {"CLAUDE_CODE_USE_BEDROCK": "1"}, False),
        ("2.1.197", {}, True),
        ("2.1.197", {"ANTHROPIC_BASE_URL": "https://api.anthropic.com"}, True),
        ("2.1.197", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, False),
        ("2.1.197", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1", "ENABLE_TOOL_SEARCH": "true"}, True),
        ("2.1.250", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, False),
    ],
)
def test_deferral_depends_on_the_client_and_its_variables(
    bench: Bench, version: str, variables: dict[str, str], found: bool
):
    bench.client(version)
    for name, value in variables.items():
        bench.set_variable(name, value)
    users(bench, x=our_entry(alwaysLoad=False))
    assert bool(bench.findings("server.deferred", "--offline")) == found


def test_only_our_server_needs_its_descriptions_in_the_first_request(bench: Bench):
    users(bench, x=stdio(), y=our_entry())
    assert bench.findings("server.deferred", "--offline") == []


def test_deferral_by_config_is_only_mentioned(bench: Bench):
    bench.install()
    bench.cli("config", "set", "server.always_load", "false")
    bench.cli("install", "--yes")
    found = bench.one("server.deferred", "--offline")
    assert found["status"] == "info"
    assert "config set server.always_load true" in found["hint"]


# server.permission


def allow(bench: Bench, *rules: Any, **more: Any) -> None:
    """The user's rules."""
    bench.write(bench.home.settings, {"permissions": {"allow": list(rules), **more}})


@pytest.mark.parametrize(
    "rules",
    [
        ["mcp__my_server"],
        ["mcp__my_server__*"],
        [f"mcp__my_server__{tool}" for tool in ALL_OF_OURS],
        [f"mcp__my_server__{tool}" for tool in ("ask_*", "list_*", "summarize_*", "classify", "extract")],
        ["Read", 5, None, "mcp__my_server"],
    ],
)
def test_rules_that_let_our_tools_through(bench: Bench, rules: list[Any]):
    allow(bench, *rules)
    users(bench, **{"my server": our_entry()})
    assert bench.findings("server.permission", "--offline") == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([], "no rule in permissions.allow is mcp__my_server,"),
        (["mcp__*"], "has mcp__*, which the client does not take"),
        (["*"], "has *, which the client does not take"),
        (["mcp__my_server*"], "has mcp__my_server*, which the client does not take"),
        (["mcp__my_server()"], "has mcp__my_server(), which the client does not take"),
        (["mcp__my server"], "no rule"),
        (["mcp__my-server"], "no rule"),
        (["mcp__my_server__"], "has mcp__my_server__, which"),
        (
            ["mcp__my_server__ask_*"],
            "has no rule for summarize_files, classify, extract, list_available_local_models,",
        ),
    ],
)
def test_rules_that_do_not(bench: Bench, rules: list[str], words: str):
    allow(bench, *rules)
    users(bench, **{"my server": our_entry()})
    found = bench.one("server.permission", "--offline")
    assert found["status"] == "warning"
    assert words in found["message"]
    assert 'add "mcp__my_server" to permissions.allow' in found["hint"]


@pytest.mark.parametrize("mode", ["bypassPermissions", "auto"])
def test_a_mode_that_does_not_ask_needs_no_rule(bench: Bench, mode: str):
    allow(bench, defaultMode=mode)
    users(bench, x=our_entry())
    assert bench.findings("server.permission", "--offline") == []


@pytest.mark.parametrize("rule", ["mcp__x", "mcp__x__*", "mcp__*", "*"])
def test_a_deny_rule_takes_the_tools_away(bench: Bench, rule: str):
    allow(bench, "mcp__x")
    local = bench.write(
        bench.project / ".claude/settings.local.json", {"permissions": {"deny": ["Bash", rule]}}
    )
    users(bench, x=our_entry())
    found = bench.one("server.permission", "--offline")
    assert (found["status"], found["path"], found["line"]) == ("error", str(local), 3)
    assert f"the rule {rule} takes all tools of x away" in found["message"]


def test_a_rule_against_a_single_tool_is_only_mentioned(bench: Bench):
    allow(bench, "mcp__x", deny=["mcp__x__ask_coding_model"], ask=["mcp__x__ask_local_llama"])
    users(bench, x=our_entry())
    found = bench.findings("server.permission", "--offline")
    assert [one["status"] for one in found] == ["info", "info"]


def test_rules_about_other_servers_are_left_alone(bench: Bench):
    allow(bench, "mcp__x", deny=["mcp__xy", "mcp__y__*", "Bash(*)"], ask=["mcp__xy__*"])
    users(bench, x=our_entry(), y=stdio())
    assert bench.findings("server.permission", "--offline") == []


@pytest.mark.parametrize("rules", ["mcp__x", {"mcp__x": 1}, 5, [[]]])
def test_rules_of_a_wrong_type_are_no_rules(bench: Bench, rules: Any):
    bench.write(bench.home.settings, {"permissions": {"allow": rules, "deny": rules, "ask": rules}})
    users(bench, x=our_entry())
    assert bench.one("server.permission", "--offline")["status"] == "warning"


# server.env


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"command": "${GONE}"}, "error"),
        ({"type": "http", "url": "http://${GONE}/"}, "error"),
        ({"command": "x", "args": ["a", "${GONE}"]}, "warning"),
        ({"command": "x", "env": {"A": "${GONE}"}}, "warning"),
        ({"type": "http", "url": "http://x", "headers": {"A": "Bearer ${GONE}"}}, "warning"),
    ],
)
def test_an_unset_variable_is_found(bench: Bench, entry: Any, status: str):
    users(bench, x=entry)
    found = bench.one("server.env", "--offline")
    assert found["status"] == status
    assert "GONE: not set here" in found["message"]


def test_variables_that_have_a_value_or_a_default_are_fine(bench: Bench):
    bench.set_variable("EMPTY", "")
    bench.write(bench.home.settings, {"env": {"MINE": "x"}})
    bench.write(bench.project / ".claude/settings.json", {"env": {"SHARED": "x"}})
    users(
        bench, x={"command": "x", "args": ["${EMPTY}", "${MINE}", "${SHARED}", "${GONE:-}", "$GONE", "${1}"]}
    )
    assert bench.findings("server.env", "--offline") == []


def test_a_profile_that_sets_the_variable_is_named(bench: Bench):
    profile = bench.write(bench.home.path / ".bashrc", "export GONE=1\n")
    users(bench, x={"command": "x", "env": {"A": "${GONE}"}})
    assert bench.one("server.env", "--offline")["hint"].startswith(f"{profile} sets it")


# server.timeout


def test_a_short_limit_counts_for_local_models_only(bench: Bench):
    users(bench, x=our_entry(timeout=30_000), y=stdio(timeout=30_000), z=our_entry(timeout=300_000))
    found = bench.one("server.timeout", "--offline")
    assert found["message"].startswith("mcpServers.x: calls are cut after 30 s")
    assert found["line"]


def test_seconds_instead_of_milliseconds_are_found(bench: Bench):
    users(bench, x=stdio(timeout=300))
    assert bench.one("server.timeout", "--offline")["hint"] == "write it in milliseconds: 300000"


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("MCP_TOOL_TIMEOUT", "abc", "warning"),
        ("MCP_TOOL_TIMEOUT", "0", "warning"),
        ("MCP_TOOL_TIMEOUT", "60", "error"),
        ("MCP_TOOL_TIMEOUT", "60s", "error"),
        ("MCP_TOOL_TIMEOUT", "30000", "warning"),
        ("MCP_TOOL_TIMEOUT", "300000", None),
        ("MCP_TIMEOUT", "abc", "warning"),
        ("MCP_TIMEOUT", "30s", "error"),
        ("MCP_TIMEOUT", "5000", None),
    ],
)
def test_time_limits_of_the_environment(bench: Bench, name: str, value: str, status: str | None):
    bench.set_variable(name, value)
    users(bench, x=our_entry())
    found = bench.findings("server.timeout", "--offline")
    assert [one["status"] for one in found] == ([status] if status else [])


def test_a_limit_of_its_own_outweighs_the_variable(bench: Bench):
    bench.set_variable("MCP_TOOL_TIMEOUT", "30000")
    users(bench, x=our_entry(timeout=300_000))
    assert bench.findings("server.timeout", "--offline") == []


def test_without_servers_no_limit_matters(bench: Bench):
    for name in ("MCP_TOOL_TIMEOUT", "MCP_TIMEOUT", "MAX_MCP_OUTPUT_TOKENS"):
        bench.set_variable(name, "1")
    assert bench.findings("server", "--offline") == []


# server.output-limit


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abc", "is not a number above 0 and is ignored"),
        ("-5", "is not a number above 0 and is ignored"),
        ("25k", "lets about 100 characters through"),
        ("4000", "results of up to 20,000 characters end up in a file"),
    ],
)
def test_an_output_limit_that_is_too_small(bench: Bench, value: str, words: str):
    bench.set_variable("MAX_MCP_OUTPUT_TOKENS", value)
    users(bench, x=our_entry())
    assert words in bench.one("server.output-limit", "--offline")["message"]


@pytest.mark.parametrize("value", ["5000", "25000", "100000"])
def test_an_output_limit_that_is_enough(bench: Bench, value: str):
    bench.set_variable("MAX_MCP_OUTPUT_TOKENS", value)
    users(bench, x=our_entry())
    assert bench.findings("server.output-limit", "--offline") == []


def test_a_limit_that_hurts_only_local_models_is_fine_without_them(bench: Bench):
    bench.set_variable("MAX_MCP_OUTPUT_TOKENS", "4000")
    users(bench, x=stdio())
    assert bench.findings("server.output-limit", "--offline") == []


# server.shadowed


def test_the_entry_that_is_not_used_is_named_with_the_one_that_is(bench: Bench):
    bench.edit(bench.home.client, mcpServers={"x": stdio("pages")})
    bench.edit(bench.home.client, projects={str(bench.project): {"mcpServers": {"x": stdio()}}})
    found = bench.one("server.shadowed", "--offline")
    assert "has another one (local scope), which wins" in found["message"]
    assert found["hint"] == "keep one of them, for example: claude mcp remove x -s user"


def test_equal_entries_shadow_nothing(bench: Bench):
    plain = {key: value for key, value in stdio().items() if key != "type"}
    bench.edit(bench.home.client, mcpServers={"x": stdio()})
    bench.edit(bench.home.client, projects={str(bench.project): {"mcpServers": {"x": plain}}})
    assert bench.findings("server.shadowed", "--offline") == []


def test_a_waiting_server_is_mentioned_and_ours_is_a_warning(bench: Bench):
    projects(bench, theirs=stdio(), ours=our_entry())
    found = bench.findings("server.shadowed", "--offline")
    assert {one["message"].partition(":")[0]: one["status"] for one in found} == {
        "mcpServers.theirs": "info",
        "mcpServers.ours": "warning",
    }
    assert "waits for your approval" in found[0]["message"]


def test_a_waiting_server_names_the_one_in_its_place(bench: Bench):
    users(bench, x=stdio())
    projects(bench, x=stdio("pages"))
    assert (
        f"until then the client uses the one in {bench.home.client}"
        in bench.one("server.shadowed", "--offline")["message"]
    )


def test_servers_switched_off_are_their_users_choice_unless_ours(bench: Bench):
    bench.write(bench.home.settings, {"disabledMcpjsonServers": ["theirs", "ours"]})
    projects(bench, theirs=stdio(), ours=our_entry())
    bench.edit(bench.home.client, mcpServers={"off": stdio(), "my": our_entry()})
    bench.edit(bench.home.client, projects={str(bench.project): {"disabledMcpServers": ["off", "my"]}})
    found = bench.findings("server.shadowed", "--offline")
    assert {one["message"].partition(":")[0] for one in found} == {"mcpServers.ours", "mcpServers.my"}
