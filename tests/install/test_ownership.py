"""Who owns what over time: installs, edits and changes of mind, and what uninstall gives back."""

import json
import os

import pytest

MINE = "---\nname: explorer\ndescription: mine\ntools: Read\n---\nMine\n"


def test_a_file_that_became_a_link_is_emptied_and_stays_a_link(cli, home):
    cli("install", "--yes")
    real = home.write(home.path / "dotfiles" / "settings.json", home.settings.read_bytes())
    home.settings.unlink()
    home.settings.symlink_to(real)
    cli("uninstall", "--yes")
    assert home.settings.is_symlink()
    assert real.read_bytes() == b"{}\n"


def test_what_an_overwrite_replaced_comes_back_even_after_a_deletion_and_a_restore(cli, home):
    home.write(home.agents / "explorer.md", MINE)
    home.write(home.client, '{"mcpServers": {"local-models": {"command":  "mine"}}}')
    before = home.files()
    cli("install", "--yes", "--overwrite")
    (home.agents / "explorer.md").unlink()
    home.write(home.client, '{"mcpServers": {}}')
    cli("install", "--yes")
    cli("uninstall", "--yes")
    assert (home.agents / "explorer.md").read_text() == MINE
    assert home.json(home.client) == json.loads(before[".claude.json"])


def test_a_lost_copy_of_what_was_replaced_stops_uninstall_before_it_writes(cli, home):
    home.write(home.agents / "explorer.md", MINE)
    cli("install", "--yes", "--overwrite")
    for blob in (home.state / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    files = home.files()
    assert "the copy of what was replaced there is gone" in cli("uninstall", "--yes", code=1).err
    assert home.files() == files


@pytest.mark.parametrize(
    "steps",
    [
        [["--only", "permissions"], []],
        [["--only", "mcp"], ["--only", "permissions"], []],
        [[], ["--mcp-target", "client"]],
        [["--mcp-target", "client"], ["--mcp-target", "both"], ["--mcp-target", "settings"]],
    ],
    ids=str,
)
@pytest.mark.parametrize("original", [b"{\n}\n", b"{ }", b'{"permissions": { }}', b'{"mcpServers":{\t}}'])
def test_whatever_order_the_parts_came_in_the_bytes_come_back(cli, home, steps, original):
    home.write(home.settings, original)
    for step in steps:
        cli("install", "--yes", *step)
    cli("uninstall", "--yes")
    assert home.files() == {".claude/settings.json": original}


def test_a_file_that_the_user_made_anew_is_not_removed(cli, home):
    cli("install", "--yes")
    home.write(home.settings, "{}")
    cli("install", "--yes")
    cli("uninstall", "--yes")
    assert home.settings.read_bytes() == b"{}"


def test_a_hard_linked_file_is_refused(cli, home):
    home.write(home.settings, "{}")
    os.link(home.settings, home.path / "other.json")
    assert "hard links" in cli("install", "--yes", code=1).err


def test_two_names_of_one_home_are_one_owner(cli, home, monkeypatch, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(home.path)
    monkeypatch.setenv("HOME", str(link))
    cli("install", "--yes")
    monkeypatch.setenv("HOME", str(home.path))
    assert not cli("--json", "install", "--yes").json["changed"]
    cli("uninstall", "--yes")
    assert home.files() == {}


def test_another_config_dir_has_an_entry_of_its_own(cli, home, monkeypatch):
    cli("install", "--yes")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home.path / ".claude"))
    cli("install", "--yes")
    inner = home.path / ".claude" / ".claude.json"
    assert "local-models" in home.json(inner)["mcpServers"]
    assert "local-models" in home.json(home.client)["mcpServers"]
    cli("uninstall", "--yes")
    assert not inner.exists()
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    cli("uninstall", "--yes")
    assert home.files() == {}


def test_a_project_without_git_is_found_below_a_home_that_is_a_link(cli, home, monkeypatch, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(home.path)
    (home.path / ".git").mkdir()
    project = home.path / "proj"
    project.mkdir()
    monkeypatch.setenv("HOME", str(link))
    monkeypatch.chdir(link / "proj")
    cli("install", "--yes", "--scope", "project")
    assert (project / ".mcp.json").exists()


def test_a_project_whose_folder_is_the_user_scope_is_refused(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "work" / ".claude"))
    assert "is not a project" in cli("install", "--yes", "--scope", "project", code=2).err


def test_doctor_fix_brings_back_only_what_was_installed(cli, home):
    cli("install", "--yes", "--only", "agents")
    (home.agents / "explorer.md").unlink()
    assert "--only agents" in cli("doctor", "--offline", code=2).out
    cli("doctor", "--fix", "--yes", "--offline")
    assert (home.agents / "explorer.md").exists()
    assert not home.client.exists()


def test_doctor_fix_installs_nothing_where_nothing_was_installed(cli, home):
    cli("doctor", "--fix", "--yes", "--offline")
    assert home.files() == {}


def test_a_target_for_a_part_that_is_left_out_is_a_usage_error(cli, home):
    cli("install", "--yes", "--only", "agents", "--mcp-target", "client", code=2)
    assert home.files() == {}


def test_secrets_of_the_users_are_not_printed(cli, home):
    secret = {
        "mcpServers": {"local-models": {"command": "x", "env": {"T": "sk-1"}, "headers": {"A": "sk-2"}}}
    }
    home.write(home.client, json.dumps({**secret, "oauth": "sk-3"}))
    for command in (
        ["diff", "--overwrite"],
        ["--json", "diff", "--overwrite"],
        ["doctor", "--verbose", "--offline"],
    ):
        ran = cli(*command, code=None)
        assert "sk-" not in ran.out + ran.err
    cli("install", "--yes")
    assert "sk-" not in cli("doctor", "--verbose", "--offline", code=None).out


def test_nothing_of_the_users_stays_behind_in_the_state_but_backups(cli, home):
    home.write(home.agents / "explorer.md", "a secret of mine")
    cli("install", "--yes", "--overwrite")
    cli("uninstall", "--yes")
    assert not [path for path in (home.state / "blobs").rglob("*") if path.is_file()]


def test_changes_of_the_config_at_the_same_time_are_both_kept(cli, home):
    from concurrent.futures import ThreadPoolExecutor

    from supervisor_setup.commands import config
    from supervisor_setup.layout import Layout

    cli("config", "init")
    layout = Layout.from_environment()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda tier: config.set_value(layout, f"tiers.{tier}", "inherit"), ["fast", "deep"]))
    tiers = cli("--json", "config", "show").json["config"]["tiers"]
    assert (tiers["fast"], tiers["deep"]) == ("inherit", "inherit")


def test_a_config_that_changed_while_we_asked_is_not_taken_for_the_one_that_was_read(cli, home):
    cli("install", "--yes")
    home.write(home.config, "tiers: {fast: sonnet}\nbackends: []\n")
    cli("diff", code=2)
    cache = next((home.state / "servers").iterdir())
    assert json.loads(cache.read_bytes())["source"]["size"] != home.config.stat().st_size
    cli("install", "--yes")
    assert json.loads(cache.read_bytes())["settings"]["backends"] == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["install", "--scope", "project"], "supervisor-setup install --scope project --yes"),
        (["uninstall"], "supervisor-setup uninstall --yes"),
        (["doctor", "--fix"], "supervisor-setup doctor --fix --yes"),
    ],
)
def test_the_refusal_without_a_terminal_names_the_very_command(cli, home, arguments, hint):
    assert f"hint: {hint}\n" in cli(*arguments, code=2).err
