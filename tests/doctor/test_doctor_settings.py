"""What doctor says of the client's settings files, and what it leaves alone."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench
from faults_settings import hook

from supervisor_setup.checks import settings, settings_hooks, settings_values
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding
from supervisor_setup.layout import Layout

SECRET = "sk-ant-very-secret-000"
OFFLINE = "--offline"


def world(**changes: object) -> World:
    """What the checks would look at from here."""
    return World(replace(Layout.from_environment(), **changes), dict(os.environ))


def schema(bench: Bench, content: object) -> list[dict]:
    """What `settings.schema` finds in the user's settings."""
    bench.write(bench.home.settings, json.dumps(content, indent=2))
    return bench.findings("settings.schema", OFFLINE)


# settings.parse


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('{\n  // mine\n  "model": "opus"\n}', 2, "a comment is not JSON"),
        ('{\n  "model": "opus",\n}', 2, "a trailing comma is not JSON"),
        ('{\n  "model": "op', 2, ""),
        ("{\n", 2, "ends in the middle"),
        ("{'model': 1}", 1, "double quotes"),
    ],
)
def test_a_broken_settings_file_is_told_with_its_place(bench: Bench, content: str, line: int, words: str):
    bench.write(bench.home.settings, content)
    found = bench.one("settings.parse", OFFLINE)
    assert (found["status"], found["line"], found["path"]) == ("error", line, str(bench.home.settings))
    assert words in found["message"]
    assert "the client ignores the whole file" in found["message"]


@pytest.mark.parametrize(
    "where", [".claude/settings.json", ".claude/settings.local.json", ".mcp.json", "../.mcp.json"]
)
def test_the_projects_files_are_looked_at_too(bench: Bench, where: str):
    path = bench.write(bench.project / where, "{,}")
    assert Path(bench.one("settings.parse", OFFLINE)["path"]).resolve() == path.resolve()


def test_a_broken_state_file_has_a_hint_at_the_clients_backups(bench: Bench):
    bench.write(bench.home.client, "{,}")
    found = bench.one("settings.parse", OFFLINE)
    assert "resets it to its defaults" in found["message"]
    assert found["hint"].startswith("close the client first")
    assert str(bench.home.path / ".claude" / "backups") in found["hint"]


@pytest.mark.parametrize("content", ["[]", "null", '"x"', "5"])
def test_a_file_that_is_json_but_no_object_is_an_error(bench: Bench, content: str):
    for path in (bench.home.client, bench.project / ".mcp.json"):
        bench.write(path, content)
    found = bench.findings("settings.parse", OFFLINE)
    assert [one["status"] for one in found] == ["error", "error"]
    assert all("no object" in one["message"] for one in found)


@pytest.mark.parametrize("content", ["", " \n", "\ufeff"])
def test_an_empty_settings_file_is_only_worth_knowing(bench: Bench, content: str):
    path = bench.write(bench.home.settings, content)
    found = bench.one("settings.parse", OFFLINE)
    assert (found["status"], found["path"]) == ("info", str(path))


@pytest.mark.parametrize("content", ["{}", '\ufeff{"model": "opus"}', '{"a": "\\ud800"}', '{"n": 1e400}'])
def test_what_the_client_reads_is_no_finding(bench: Bench, content: str):
    bench.write(bench.home.settings, content)
    assert bench.findings("settings.parse", OFFLINE) == []


def test_a_folder_in_place_of_a_file_is_told(bench: Bench):
    bench.home.settings.mkdir(parents=True)
    found = bench.one("settings.parse", OFFLINE)
    assert "folder" in found["message"]
    assert found["hint"]


def test_a_link_to_nowhere_is_told(bench: Bench):
    bench.home.settings.parent.mkdir()
    bench.home.settings.symlink_to(bench.home.path / "gone")
    assert "does not exist" in bench.one("settings.parse", OFFLINE)["message"]


def test_a_key_that_stands_twice_is_told_with_the_second_place(bench: Bench):
    bench.write(bench.home.settings, '{\n"permissions": {"deny": ["Bash"]},\n"permissions": {}\n}')
    found = bench.one("settings.parse", OFFLINE)
    assert (found["status"], found["line"]) == ("warning", 3)
    assert "`permissions` stands twice" in found["message"]


def test_a_key_that_stands_twice_further_in_is_told_too(bench: Bench):
    bench.write(bench.project / ".mcp.json", '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}')
    assert "`a` stands twice" in bench.one("settings.parse", OFFLINE)["message"]


def test_a_key_that_stands_twice_with_one_value_is_harmless(bench: Bench):
    bench.write(bench.home.settings, '{"model": "opus", "model": "opus"}')
    assert bench.findings("settings.parse", OFFLINE) == []


def test_broken_managed_settings_say_what_versions_do(bench: Bench, tmp_path: Path):
    bench.write(tmp_path / "managed" / "managed-settings.d" / "10.json", "{,}")
    (found,) = settings.parse(world(managed=tmp_path / "managed"))
    assert "2.1.330 does not start because of it" in found.message


# settings.schema


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"permissions": {"allow": "Bash"}}, "`permissions.allow` is a string, not a list"),
        ({"permissions": []}, "`permissions` is a list, not an object"),
        ({"permissions": {"defaultMode": "ask"}}, "`permissions.defaultMode` is none of acceptEdits, auto"),
        ({"permissions": {"disableBypassPermissionsMode": True}}, "is none of disable"),
        ({"permissions": {"additionalDirectories": ["/a", 5]}}, "additionalDirectories[1]` is a number"),
        ({"env": []}, "`env` is a list, not an object"),
        ({"model": None}, "`model` is null, not a string"),
        ({"cleanupPeriodDays": 0}, "`cleanupPeriodDays` is below 1"),
        ({"cleanupPeriodDays": 1.5}, "is a number, not a whole number"),
        ({"includeCoAuthoredBy": "true"}, "`includeCoAuthoredBy` is a string, not true or false"),
        ({"statusLine": {"type": "command"}}, "`statusLine` lacks `command`"),
        ({"enabledPlugins": {"a@b": 1}}, "`enabledPlugins.a@b` is a number, not true or false or a list"),
        ({"enabledPlugins": {"a@b": [1]}}, "`enabledPlugins.a@b[0]` is a number"),
        ({"sandbox": {"network": {"allowedDomains": "x"}}}, "`sandbox.network.allowedDomains` is a string"),
        ({"skillListingBudgetFraction": 0}, "is not above 0"),
        ({"feedbackSurveyRate": 2}, "is above 1"),
        (
            {"hooks": {"PreToolUse": [{"hooks": [{"type": "command"}]}]}},
            "`hooks.PreToolUse[0].hooks[0]` lacks",
        ),
        ({"hooks": {"PreToolUse": [hook("x", timeout="5")]}}, "hooks[0].timeout` is a string, not a number"),
        ([1], "the file is a list, not an object"),
    ],
)
def test_a_value_that_costs_the_whole_file_is_an_error(bench: Bench, content: object, words: str):
    bench.client("2.1.330")
    (found,) = schema(bench, content)
    assert found["status"] == "error"
    assert words in found["message"]
    assert "the client ignores the whole file without a word, deny rules included" in found["message"]
    assert found["hint"]


@pytest.mark.parametrize(
    "content",
    [
        {"permissions": {"deny": ["Read(./x", "read(./x)", "Read (./x)", 5]}},
        {"effortLevel": "enormous", "viewMode": 5, "theme": [], "hooks": "x"},
        {"hooks": {"Stop": "x"}, "allowedMcpServers": "x", "deniedMcpServers": [5], "forceLoginMethod": "a"},
    ],
)
def test_a_value_that_is_ignored_alone_is_a_warning(bench: Bench, content: object):
    found = schema(bench, content)
    assert len(found) == 4
    assert {one["status"] for one in found} == {"warning"}
    assert all(one["message"].endswith("the client ignores it") for one in found)


@pytest.mark.parametrize(
    ("version", "status"),
    [("2.1.197", "error"), ("2.1.330", None), ("2.1.250", "warning"), (None, "warning")],
)
def test_what_versions_take_differently_follows_the_client(
    bench: Bench, version: str | None, status: str | None
):
    if version:
        bench.client(version)
    else:
        (bench.bin / "claude").unlink(missing_ok=True)
        bench.set_variable("PATH", str(bench.bin))
    found = schema(bench, {"attribution": False})
    assert [one["status"] for one in found] == ([status] if status else [])
    if status == "warning":
        assert "2.1.197 ignores the whole file" in found[0]["message"]


def test_a_newer_client_may_know_more_words_but_not_more_kinds(bench: Bench):
    bench.client("2.1.999")
    found = {one["message"].split("`")[1]: one for one in schema(bench, {"tui": "fancy", "model": 5})}
    assert found["model"]["status"] == "error"
    assert found["tui"]["status"] == "warning"
    assert "2.1.330 ignores the whole file" in found["tui"]["message"]


def test_the_line_is_that_of_the_key(bench: Bench):
    (found,) = schema(bench, {"env": {}, "permissions": {"deny": [], "allow": "x"}})
    assert found["line"] == 5


def test_quotes_around_true_have_a_hint(bench: Bench):
    (found,) = schema(bench, {"enableAllProjectMcpServers": "true"})
    assert found["hint"] == "write true there without quotes"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"noSuchKey": 5, "permissions": {"noSuchRule": 5}, "sandbox": {"noSuch": 1}},
        {"hooks": {"NoSuchEvent": "x", "PreToolUse": None}},
        {"hooks": None},
        {"env": {"A": 1, "B": True, "C": None}},
        {
            "permissions": {
                "deny": ["*", "Bash", "Read(./x)", "mcp__a__*", 'Bash(git commit -m "a (b")', "Agent(x)"]
            }
        },
        {
            "permissions": {
                "allow": ["WebFetch(domain:example.com)", "Bash(npm run test:*)", "mcp__local-models"]
            }
        },
        {"permissions": {"allow": ["Bash(for i in 1\n do echo $i)"], "defaultMode": "dontAsk"}},
        {
            "hooks": {
                "Stop": [{"hooks": [{"type": "prompt", "prompt": "x"}, {"type": "http", "url": "http://a"}]}]
            }
        },
        {
            "forceLoginOrgUUID": ["a"],
            "enabledPlugins": {"a@b": True, "c@d": ["^1"]},
            "cleanupPeriodDays": 30.0,
        },
        {"extraKnownMarketplaces": {"m": {"source": {"source": "github", "repo": "a/b"}}}},
        {"model": "", "$schema": "https://json.schemastore.org/claude-code-settings.json"},
        {"mcpServers": {"a": 5}},
    ],
)
def test_what_the_client_takes_is_no_finding(bench: Bench, content: object):
    bench.client("2.1.330")
    assert schema(bench, content) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"permission": {"deny": ["Bash"]}}, "`permission` is probably meant to be `permissions`"),
        ({"Env": {}}, "meant to be `env`"),
        ({"available_models": ["opus"]}, "meant to be `availableModels`"),
        ({"hooks": {"preToolUse": []}}, "`hooks.preToolUse` is probably meant to be `PreToolUse`"),
        ({"deny": ["Bash"]}, "`deny` belongs into `permissions`: permissions.deny"),
    ],
)
def test_a_misspelt_name_of_weight_is_a_warning(bench: Bench, content: object, words: str):
    (found,) = schema(bench, content)
    assert (found["status"], found["line"] is not None) == ("warning", True)
    assert words in found["message"]


@pytest.mark.parametrize(
    "content",
    [
        {"permission": {}, "permissions": {}},
        {"modelSettings": {}, "models": {}, "hook-runner": {}, "envFile": ".env"} | {"model": "opus"},
        {"hooks": {"PreToolUse": [], "preToolUse": []}},
    ],
)
def test_another_name_is_left_alone(bench: Bench, content: object):
    assert schema(bench, content) == []


def test_no_value_is_ever_shown(bench: Bench):
    content = {
        "model": [SECRET],
        "env": {"KEY": SECRET, "x": [SECRET]},
        "apiKeyHelper": {"a": SECRET},
        "tui": SECRET,
        "permissions": {"deny": [SECRET], "defaultMode": SECRET},
        "hooks": {"PreToolUse": [hook(f"curl -H {SECRET}"), hook(f"curl  -H {SECRET}")]},
        "mcpServers": {"a": {"env": {"K": SECRET}, "args": [SECRET]}},
    }
    bench.write(bench.home.settings, json.dumps(content))
    ran = bench.cli("--json", "doctor", OFFLINE, "--verbose", "--check", "settings", code=2)
    assert ran.json["counts"]["error"] >= 4
    assert SECRET not in ran.out + ran.err
    bench.write(bench.home.settings, '{"model": "' + SECRET + '", // x\n}')
    assert SECRET not in bench.cli("doctor", OFFLINE, "--check", "settings", code=2).out


def test_many_faults_in_one_file_are_cut(bench: Bench):
    assert len(schema(bench, {"permissions": {"deny": [5] * 500}})) == 20


def test_managed_settings_lose_a_policy_not_the_file(bench: Bench, tmp_path: Path):
    bench.write(tmp_path / "managed" / "managed-settings.json", {"model": 5})
    (found,) = settings_values.schema(world(managed=tmp_path / "managed"))
    assert (found.status, "leaves that policy out" in found.message) == ("warning", True)


# settings.inert-mcp


def test_a_server_that_stands_only_in_the_settings_is_an_error(bench: Bench):
    bench.edit(bench.home.settings, mcpServers={"my notes": {"command": "x", "env": {"K": SECRET}}})
    found = bench.one("settings.inert-mcp", OFFLINE)
    assert (found["status"], found["line"]) == ("error", 3)
    assert "`my notes` stands only here" in found["message"]
    assert "--scope user 'my notes'" in found["hint"]


def test_a_server_in_the_projects_settings_is_told_for_the_project(bench: Bench):
    bench.write(bench.project / ".claude" / "settings.local.json", {"mcpServers": {"a": {"command": "x"}}})
    assert "--scope local a " in bench.one("settings.inert-mcp", OFFLINE)["hint"]


@pytest.mark.parametrize("target", ["client", "mcp.json"])
def test_a_server_that_is_also_read_is_no_finding(bench: Bench, target: str):
    servers = {"mcpServers": {"notes": {"command": "x"}}}
    bench.write(bench.home.settings, servers)
    bench.write(bench.home.client if target == "client" else bench.project / ".mcp.json", servers)
    assert bench.findings("settings.inert-mcp", OFFLINE) == []


@pytest.mark.parametrize("options", [(), ("--mcp-target", "settings")])
def test_our_own_server_is_another_checks_business(bench: Bench, options: tuple[str, ...]):
    bench.install(*options)
    if not options:
        bench.write(bench.home.client, {})
    assert bench.findings("settings.inert-mcp", OFFLINE) == []
    assert bench.findings("server.entry", OFFLINE) != []


@pytest.mark.parametrize("servers", [[], "x", None, 5])
def test_servers_of_another_kind_are_left_alone(bench: Bench, servers: object):
    bench.edit(bench.home.settings, mcpServers=servers)
    assert bench.findings("settings.inert-mcp", OFFLINE) == []


@pytest.mark.parametrize("check", [settings.parse, settings.inert_mcp, settings_values.schema])
def test_a_home_of_nonsense_breaks_no_check(bench: Bench, check):
    for content in (
        "[]",
        "null",
        '{"permissions": 1, "hooks": [1], "mcpServers": [{}], "env": "x"}',
        "\0",
        "{" * 9000,
    ):
        for path in (bench.home.settings, bench.home.client, bench.project / ".mcp.json"):
            bench.write(path, content)
        assert all(isinstance(one, Finding) for one in check(world()))
        assert list(settings_hooks.duplicate_hooks(world())) == []
