"""install, diff and uninstall on a user's home, through the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AGENTS = [
    "architect",
    "classifier",
    "debugger",
    "doc-writer",
    "explorer",
    "implementer",
    "local-delegate",
    "reviewer",
    "security-auditor",
    "summarizer",
    "test-runner",
]


def decisions(ran, path=None):
    return [one["decision"] for one in ran.json["operations"] if path is None or one["path"] == str(path)]


def test_an_empty_home_gets_agents_server_skill_and_permission(cli, home):
    cli("install", "--yes")
    assert sorted(path.stem for path in home.agents.iterdir()) == AGENTS
    entry = home.json(home.client)["mcpServers"]["local-models"]
    assert home.json(home.settings)["mcpServers"]["local-models"] == entry
    assert home.allowed("mcp__") == ["mcp__local-models"]
    assert (home.path / ".claude/skills/delegation/SKILL.md").is_file()


def test_the_server_entry_names_an_absolute_program_and_no_secret(cli, home, monkeypatch):
    monkeypatch.setenv("LITELLM_API_KEY", "sk-do-not-write-me")
    cli("install", "--yes")
    entry = home.json(home.client)["mcpServers"]["local-models"]
    assert Path(entry["command"]).is_absolute()
    assert os.access(entry["command"], os.X_OK)
    assert entry["env"] == {"LITELLM_API_KEY": "${LITELLM_API_KEY:-}"}
    assert entry["alwaysLoad"] is True
    for path in home.path.rglob("*"):
        assert path.is_dir() or b"sk-do-not-write-me" not in path.read_bytes()


def test_the_clients_state_file_is_private_when_we_create_it(cli, home):
    cli("install", "--yes")
    assert home.client.stat().st_mode & 0o777 == 0o600


def test_a_second_install_changes_no_byte_and_no_time(cli, home):
    cli("install", "--yes")
    before = {path: path.stat().st_mtime_ns for path in home.path.rglob("*") if path.name != "lock"}
    files = home.files()
    ran = cli("--json", "install", "--yes")
    assert not ran.json["changed"]
    assert home.files() == files
    after = {path: path.stat().st_mtime_ns for path in home.path.rglob("*") if path.name != "lock"}
    assert after == before


def test_uninstall_gives_an_empty_home_back(cli, home):
    cli("install", "--yes")
    cli("uninstall", "--yes")
    assert home.files() == {}
    assert not (home.path / ".claude").exists()


def test_uninstall_gives_the_users_files_back_to_the_byte(cli, home):
    home.write(home.settings, b'{"permissions":{"deny":["Bash(rm:*)"]},\r\n\t"x": 1.0}')
    home.write(home.client, '{\n    "numStartups": 12345678901234567890,\n    "mcpServers": {}\n}\n')
    home.write(home.agents / "mine.md", "---\nname: mine\ndescription: mine\n---\nHello\n")
    before = home.files()
    cli("install", "--yes")
    assert home.files() != before
    cli("uninstall", "--yes")
    assert home.files() == before


def test_the_users_own_servers_and_rules_stay(cli, home):
    home.write(home.client, json.dumps({"mcpServers": {"mine": {"command": "x"}}, "theme": "dark"}))
    home.write(home.settings, json.dumps({"permissions": {"allow": ["Read"]}}))
    cli("install", "--yes")
    assert home.json(home.client)["mcpServers"]["mine"] == {"command": "x"}
    assert home.allowed()[:2] == ["Read", "mcp__local-models"]
    cli("uninstall", "--yes")
    assert home.json(home.client) == {"mcpServers": {"mine": {"command": "x"}}, "theme": "dark"}
    assert home.json(home.settings) == {"permissions": {"allow": ["Read"]}}


def test_a_rule_that_the_user_had_already_survives_uninstall(cli, home):
    home.write(home.settings, '{"permissions": {"allow": ["mcp__local-models"]}}')
    assert "adopt" in decisions(cli("--json", "install", "--yes"), home.settings)
    cli("uninstall", "--yes")
    assert home.json(home.settings) == {"permissions": {"allow": ["mcp__local-models"]}}


def test_an_agent_that_the_user_changed_is_kept_and_named(cli, home):
    cli("install", "--yes")
    mine = home.write(home.agents / "explorer.md", "---\nname: explorer\ndescription: mine\n---\nMine\n")
    ran = cli("install", "--yes")
    assert mine.read_text().endswith("Mine\n")
    assert "~/.claude/agents/explorer.md" in ran.out
    assert "was changed by you; kept" in ran.out


def test_overwrite_takes_ours_and_keeps_a_backup_of_theirs(cli, home):
    cli("install", "--yes")
    ours = (home.agents / "explorer.md").read_bytes()
    home.write(home.agents / "explorer.md", "mine")
    backup = cli("--json", "install", "--yes", "--overwrite").json["backup"]
    assert (home.agents / "explorer.md").read_bytes() == ours
    assert [path.read_bytes() for path in (home.state / "backups" / backup).glob("*explorer.md")] == [b"mine"]


def test_uninstall_leaves_an_agent_that_the_user_changed(cli, home):
    cli("install", "--yes")
    home.write(home.agents / "explorer.md", "mine")
    ran = cli("uninstall", "--yes")
    assert home.files() == {".claude/agents/explorer.md": b"mine"}
    assert "changed by you; kept" in ran.out


def test_an_agent_of_the_users_own_of_the_same_name_is_not_touched(cli, home):
    home.write(home.agents / "explorer.md", "the user's")
    assert decisions(cli("--json", "install", "--yes"), home.agents / "explorer.md") == ["keep-users"]
    cli("uninstall", "--yes")
    assert home.files() == {".claude/agents/explorer.md": b"the user's"}


def test_uninstall_gives_back_what_overwrite_had_replaced(cli, home):
    home.write(home.agents / "explorer.md", "the user's")
    home.write(
        home.client, '{"mcpServers": {"local-models": {"command":  "theirs", "env": {"K": "secret"}}}}'
    )
    before = home.files()
    cli("install", "--yes", "--overwrite")
    assert home.files() != before
    manifest = next((home.state / "manifests").glob("*.json")).read_text()
    assert "secret" not in manifest
    cli("uninstall", "--yes")
    assert home.files() == before


def test_a_deleted_agent_is_restored_and_named(cli, home):
    cli("install", "--yes")
    (home.agents / "explorer.md").unlink()
    assert decisions(cli("--json", "install", "--yes"), home.agents / "explorer.md") == ["restore"]
    assert (home.agents / "explorer.md").is_file()


def test_one_line_of_the_config_moves_all_agents_of_a_tier(cli, home):
    cli("install", "--yes")
    cli("config", "set", "tiers.fast", "sonnet")
    ran = cli("--json", "install", "--yes")
    assert decisions(ran).count("update") == 6 + 1  # the six fast agents, and the skill that lists them
    assert "model: sonnet" in (home.agents / "explorer.md").read_text()


def test_an_excluded_agent_is_removed(cli, home):
    cli("install", "--yes")
    cli("config", "set", "agents.exclude", "[doc-writer]")
    assert decisions(cli("--json", "install", "--yes"), home.agents / "doc-writer.md") == ["remove"]
    assert not (home.agents / "doc-writer.md").exists()


def test_an_excluded_agent_that_the_user_changed_becomes_the_users(cli, home):
    cli("install", "--yes")
    home.write(
        home.agents / "doc-writer.md", "---\nname: doc-writer\ndescription: d\ntools: Read\n---\nMine\n"
    )
    cli("config", "set", "agents.exclude", "[doc-writer]")
    cli("install", "--yes")
    assert not any(one["id"].startswith("drift") and one["status"] != "ok" for one in findings(cli, 0))
    cli("uninstall", "--yes")
    assert list(home.files()) == [".claude/agents/doc-writer.md"]


def findings(cli, code):
    return cli("--json", "doctor", "--offline", code=code).json["findings"]


def test_the_dry_run_writes_nothing_at_all(cli, home):
    home.write(home.settings, "{}")
    before = {str(path) for path in home.path.rglob("*")}
    ran = cli("--json", "install", "--dry-run")
    assert ran.json["changed"]
    assert {str(path) for path in home.path.rglob("*")} == before


def test_diff_shows_the_change_and_exits_with_2_until_it_is_installed(cli, home):
    home.write(home.settings, '{\n  "theme": "dark"\n}\n')
    ran = cli("diff", code=2)
    assert f"+++ {home.settings} mcpServers.local-models" in ran.out
    assert '+  "alwaysLoad": true' in ran.out
    assert "dark" not in ran.out
    cli("install", "--yes")
    assert cli("diff").out.strip() == "Nothing would change."


def test_without_a_terminal_and_without_yes_it_refuses(cli, home):
    ran = cli("install", code=2)
    assert "--yes" in ran.err
    assert home.files() == {}


@pytest.mark.parametrize(
    ("target", "in_settings", "in_client"),
    [("settings", True, False), ("client", False, True), ("both", True, True)],
)
def test_the_mcp_target_says_which_files_get_the_entry(cli, home, target, in_settings, in_client):
    cli("install", "--yes", "--mcp-target", target)
    assert ("mcpServers" in home.json(home.settings)) is in_settings
    assert home.client.exists() is in_client


def test_the_mcp_target_is_remembered_by_later_commands(cli, home):
    cli("install", "--yes", "--mcp-target", "client")
    assert not cli("--json", "install", "--yes").json["changed"]
    cli("diff", code=0)
    cli("doctor", "--offline", code=0)


def test_a_narrower_mcp_target_removes_the_other_entry(cli, home):
    cli("install", "--yes")
    cli("install", "--yes", "--mcp-target", "client")
    assert "mcpServers" not in home.json(home.settings)


@pytest.mark.parametrize("part", ["agents", "mcp", "skills", "permissions"])
def test_only_installs_one_part_and_leaves_the_rest_alone(cli, home, part):
    ran = cli("--json", "install", "--yes", "--only", part)
    assert {one["group"] for one in ran.json["operations"]} <= {part, "config"}
    cli("doctor", "--offline", code=0)
    cli("install", "--yes")
    assert sorted(path.stem for path in home.agents.iterdir()) == AGENTS


def test_only_on_a_full_install_removes_nothing(cli, home):
    cli("install", "--yes")
    files = home.files()
    cli("install", "--yes", "--only", "agents")
    assert home.files() == files
    cli("uninstall", "--yes")
    assert home.files() == {}


def test_the_url_options_are_kept_in_the_config(cli, home):
    cli("install", "--yes", "--litellm-url", "http://127.0.0.1:9/x", "--ollama-url", "http://127.0.0.1:10")
    shown = cli("--json", "config", "show").json["config"]
    assert [backend["url"] for backend in shown["backends"]] == [
        "http://127.0.0.1:9/x",
        "http://127.0.0.1:10",
    ]
    before = home.config.read_text()
    cli("install", "--yes", "--litellm-url", "http://127.0.0.1:11")
    assert home.config.read_text() == before.replace("http://127.0.0.1:9/x", "http://127.0.0.1:11")


def test_a_bad_url_is_refused_before_anything_is_written(cli, home):
    ran = cli("install", "--yes", "--litellm-url", "koala:4000", code=1)
    assert "backends[0].url" in ran.err
    assert home.files() == {}


def test_an_unreachable_backend_is_said_and_does_not_matter(cli, home):
    ran = cli("install", "--yes", "--litellm-url", "http://127.0.0.1:9", "--ollama-url", "http://127.0.0.1:9")
    assert "litellm at http://127.0.0.1:9 cannot be reached now" in ran.out
    assert "--litellm-url" in ran.out


def test_the_config_dir_variable_moves_everything(cli, home, monkeypatch, tmp_path):
    elsewhere = tmp_path / "else where ü"
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(elsewhere))
    cli("install", "--yes")
    assert (elsewhere / ".claude.json").is_file()
    assert (elsewhere / "settings.json").is_file()
    assert (elsewhere / "agents" / "explorer.md").is_file()
    assert home.files() == {}


def test_the_older_state_file_is_used_where_it_exists(cli, home):
    old = home.write(home.path / ".claude" / ".config.json", "{}")
    cli("install", "--yes")
    assert "local-models" in home.json(old)["mcpServers"]
    assert not home.client.exists()


def test_project_scope_writes_into_the_project_from_any_subfolder(cli, home, tmp_path, monkeypatch):
    project = tmp_path / "a project"
    (project / ".git").mkdir(parents=True)
    (project / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project / "src" / "deep")
    cli("install", "--yes", "--scope", "project")
    assert "local-models" in home.json(project / ".mcp.json")["mcpServers"]
    assert (project / ".claude" / "agents" / "explorer.md").is_file()
    assert home.allowed("mcp__", project / ".claude" / "settings.json") == ["mcp__local-models"]
    assert not home.client.exists()
    cli("uninstall", "--yes", "--scope", "project")
    assert sorted(path.name for path in project.iterdir()) == [".git", "src"]


def test_the_home_folder_is_not_a_project(cli, home, monkeypatch):
    monkeypatch.chdir(home.path)
    assert "is not a project" in cli("install", "--yes", "--scope", "project", code=2).err


def test_a_broken_config_stops_install_with_its_line_and_writes_nothing(cli, home):
    home.write(home.config, "version: 1\ntiers:\n  fast: 5\n")
    ran = cli("install", "--yes", code=1)
    assert f"{home.config}:3: `tiers.fast`" in ran.err
    assert "hint:" in ran.err
    assert home.files() == {}


def test_errors_are_json_too_when_that_was_asked_for(cli, home):
    home.write(home.settings, '{"a": 1,}')
    error = cli("--json", "install", "--yes", code=1).json["error"]
    assert error["message"].startswith(f"{home.settings}:1:8: ")
    assert error["exit_code"] == 1


def test_the_installed_program_works_from_any_folder(home, tmp_path):
    program = Path(sys.executable).parent / "supervisor-setup"
    environment = {"HOME": str(home.path), "PATH": os.defpath}
    ran = subprocess.run(
        [program, "install", "--yes"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    entry = home.json(home.client)["mcpServers"]["local-models"]
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    served = subprocess.run(
        [entry["command"], *entry["args"]],
        cwd="/",
        env=environment,
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert json.loads(served.stdout.splitlines()[0]) == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize(
    "before", [b"{ }", b'{\n\t"theme": "dark"\n}\n', b'{"permissions": {"allow": [ ]}, "mcpServers": {}}']
)
def test_after_a_change_of_the_servers_name_an_uninstall_still_gives_the_bytes_back(cli, home, before):
    home.write(home.settings, before)
    home.write(home.client, before)
    cli("install", "--yes")
    cli("config", "set", "server.name", "house")
    cli("install", "--yes")
    assert list(home.json(home.client)["mcpServers"]) == ["house"]
    cli("uninstall", "--yes")
    assert home.settings.read_bytes() == before
    assert home.client.read_bytes() == before


def test_another_server_name_leaves_no_trace_of_the_first(cli, home):
    home.write(home.client, '{"theme": "dark"}')
    cli("install", "--yes")
    home.write(home.config, "server: {name: my-models}")
    cli("install", "--yes")
    assert list(home.json(home.client)["mcpServers"]) == ["my-models"]
    assert home.allowed("mcp__") == ["mcp__my-models"]
    cli("uninstall", "--yes")
    assert home.files() == {".claude.json": b'{"theme": "dark"}'}


def test_the_xdg_variables_move_config_and_state(cli, home, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    cli("install", "--yes")
    assert (tmp_path / "configs" / "supervisor-setup" / "config.yaml").is_file()
    assert (tmp_path / "states" / "supervisor-setup" / "manifests").is_dir()
    assert not (home.path / ".config").exists()
    assert not (home.path / ".local").exists()
    cli("uninstall", "--yes")
    assert home.files() == {}


def test_files_of_other_scopes_are_never_written(cli, home, tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    monkeypatch.chdir(project)
    local = home.write(project / ".claude" / "settings.local.json", "{}")
    shared = home.write(project / ".claude" / "settings.json", "{}")
    cli("install", "--yes")
    assert (local.read_bytes(), shared.read_bytes()) == (b"{}", b"{}")
    assert not (project / ".mcp.json").exists()
    cli("install", "--yes", "--scope", "project")
    assert local.read_bytes() == b"{}"
