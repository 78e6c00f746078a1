"""doctor on what install has made of a home."""

import json

import pytest

AGENT = "explorer.md"


def bad(ran):
    return {
        (one["id"], one["status"]) for one in ran.json["findings"] if one["status"] in ("error", "warning")
    }


def test_a_fresh_install_is_healthy_and_strictly_so(cli, home):
    cli("install", "--yes")
    ran = cli("--json", "doctor", "--offline", "--strict", code=0)
    assert bad(ran) == set()
    assert ran.json["counts"]["ok"] > 5


def test_an_empty_home_is_said_to_have_nothing_installed(cli, home):
    ran = cli("--json", "doctor", "--offline", code=0)
    assert ("drift.manifest", "info") in {(one["id"], one["status"]) for one in ran.json["findings"]}


def test_doctor_writes_nothing(cli, home):
    cli("doctor", "--offline", code=0)
    assert list(home.path.iterdir()) == []


def test_an_agent_broken_by_hand_is_named(cli, home):
    cli("install", "--yes")
    path = home.write(home.agents / AGENT, "no frontmatter at all\n")
    ran = cli("--json", "doctor", "--offline", code=2)
    named = {one["id"] for one in ran.json["findings"] if one["path"] == str(path)}
    assert "drift.edited" in named
    assert any(name.startswith("agents.") for name in named)
    assert "~/.claude/agents/explorer.md" in cli("doctor", "--offline", code=2).out


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda home: (home.agents / AGENT).unlink(), "drift.missing"),
        (lambda home: home.write(home.agents / AGENT, "x"), "drift.edited"),
        (lambda home: home.write(home.config, "tiers: {fast: sonnet}"), "drift.outdated"),
        (lambda home: home.write(home.config, "agents: {exclude: [explorer]}"), "drift.orphan"),
        (lambda home: home.write(home.config, "tiers: 5"), "config.parse"),
        (lambda home: home.write(home.settings, '{"a": 1, // c\n}'), "settings.parse"),
        (lambda home: home.write(home.client, '{"a": '), "settings.parse"),
        (lambda home: home.write(home.client, "{}"), "server.entry"),
        (
            lambda home: home.write(home.client, '{"mcpServers": {"local-models": {"command": "/no"}}}'),
            "server.entry",
        ),
        (lambda home: next((home.state / "manifests").iterdir()).write_bytes(b"x"), "drift.manifest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_is_found(cli, home, fault, expected):
    cli("install", "--yes")
    fault(home)
    assert (expected, "error") in bad(cli("--json", "doctor", "--offline", code=2))


def test_an_edit_under_a_changed_config_is_both_changed(cli, home):
    cli("install", "--yes")
    home.write(home.agents / AGENT, "x")
    home.write(home.config, "tiers: {fast: sonnet}")
    assert ("drift.both-changed", "error") in bad(cli("--json", "doctor", "--offline", code=2))


def test_the_users_own_agent_of_our_name_is_a_warning(cli, home):
    home.write(home.agents / AGENT, "---\nname: explorer\ndescription: mine\ntools: Read\n---\nMine\n")
    cli("install", "--yes")
    assert ("drift.conflict", "warning") in bad(cli("--json", "doctor", "--offline", code=0))
    cli("doctor", "--offline", "--strict", code=2)


def test_an_entry_that_stands_only_where_the_client_ignores_it_is_a_warning(cli, home):
    cli("install", "--yes", "--mcp-target", "settings")
    assert ("server.entry", "warning") in bad(cli("--json", "doctor", "--offline", code=0))


def test_settings_that_do_not_parse_are_told_with_line_and_consequence(cli, home):
    home.write(home.settings, '{\n  "permissions": {"deny": ["Bash"],}\n}')
    ran = cli("doctor", "--offline", code=2)
    assert "~/.claude/settings.json:2: column 35: " in ran.out
    assert "deny rules included" in ran.out


def test_one_model_for_all_subagents_is_found_where_it_is_set(cli, home, monkeypatch):
    cli("install", "--yes")
    home.write(home.settings, '{"env": {"CLAUDE_CODE_SUBAGENT_MODEL": "opus"}}')
    monkeypatch.setenv("CLAUDE_CODE_SUBAGENT_MODEL", "sonnet")
    # The settings overrule the environment; once they are mended, the environment's holds.
    for path, value in ((home.settings, "opus"), (None, "sonnet")):
        (found,) = cli("--json", "doctor", "--check", "tiers.subagent-override").json["findings"]
        assert (found["status"], found["path"]) == ("warning", str(path) if path else None)
        assert f"CLAUDE_CODE_SUBAGENT_MODEL={value}" in found["message"]
        home.write(home.settings, "{}")


def test_an_interrupted_run_is_told(cli, home):
    cli("install", "--yes")
    (manifest,) = (home.state / "manifests").iterdir()
    body = {"schema_version": 1, "after": json.loads(manifest.read_bytes()), "temps": []}
    manifest.with_suffix(".journal").write_text(json.dumps(body), encoding="utf-8")
    assert ("drift.manifest", "error") in bad(cli("--json", "doctor", "--offline", code=2))
    cli("install", "--yes")
    assert bad(cli("--json", "doctor", "--offline", code=0)) == set()


def test_verbose_shows_what_was_changed(cli, home):
    cli("install", "--yes")
    home.write(home.agents / AGENT, "mine\n")
    assert "-mine" in cli("doctor", "--offline", "--verbose", code=2).out


def test_fix_restores_what_is_missing_and_checks_again(cli, home):
    cli("install", "--yes")
    (home.agents / AGENT).unlink()
    cli("doctor", "--fix", "--yes", code=0)
    assert (home.agents / AGENT).exists()


def test_fix_keeps_what_the_user_changed(cli, home):
    cli("install", "--yes")
    home.write(home.agents / AGENT, "mine")
    cli("doctor", "--fix", "--yes", code=2)
    assert (home.agents / AGENT).read_text() == "mine"


def test_fix_without_a_terminal_needs_yes(cli, home):
    assert "--yes" in cli("doctor", "--fix", code=2).err


def test_one_check_can_be_run_alone(cli, home):
    ran = cli("--json", "doctor", "--check", "settings.parse", code=0)
    assert [one["id"] for one in ran.json["findings"]] == ["settings.parse"]
