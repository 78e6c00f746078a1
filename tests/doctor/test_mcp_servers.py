"""Which MCP servers the client has here: scopes, approval, skipped entries, and how it names a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bench import Bench

from supervisor_setup.checks import approval, expansion, mcp_servers, project_key, server_spec
from supervisor_setup.checks.approval import Standing
from supervisor_setup.checks.mcp_servers import ServerScope
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout


def entry(word: str) -> dict[str, Any]:
    """An entry that differs by a word."""
    return {"command": word}


@pytest.fixture
def world(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world of the bench, with nothing installed and nothing read yet."""
    return World(Layout.from_environment(), {"SET": "value", "EMPTY": ""})


def project(bench: Bench, **keys: Any) -> None:
    """What the state file knows of the bench's project."""
    bench.edit(bench.home.client, projects={str(bench.project): keys})


def used(world: World) -> Mapping[str, str]:
    """The word of the entry that is used, by name."""
    return {one.name: one.settings["command"] for one in mcp_servers.read_by_client(world)}


def test_the_folders_own_entry_wins_over_the_approved_project_and_the_user(bench: Bench, world: World):
    bench.edit(bench.home.client, mcpServers={"x": entry("user"), "y": entry("user"), "z": entry("user")})
    bench.edit(
        bench.home.client,
        projects={str(bench.project): {"mcpServers": {"x": entry("local")}, "hasTrustDialogAccepted": True}},
    )
    bench.write(bench.project / ".mcp.json", {"mcpServers": {"x": entry("project"), "y": entry("project")}})
    bench.write(bench.home.settings, {"enableAllProjectMcpServers": True})
    assert used(world) == {"x": "local", "y": "project", "z": "user"}


def test_a_project_entry_that_waits_hides_no_other(bench: Bench, world: World):
    bench.edit(bench.home.client, mcpServers={"x": entry("user")})
    bench.write(bench.project / ".mcp.json", {"mcpServers": {"x": entry("project"), "y": entry("project")}})
    assert used(world) == {"x": "user", "y": "project"}
    assert [one.name for one in mcp_servers.started(world)] == ["x"]


def test_an_entry_that_the_client_skips_hides_no_other(bench: Bench, world: World):
    bench.edit(bench.home.client, mcpServers={"x": entry("user")})
    bench.edit(bench.home.client, projects={str(bench.project): {"mcpServers": {"x": {"command": 5}}}})
    assert used(world) == {"x": "user"}


def test_settings_files_give_no_server(bench: Bench, world: World):
    bench.edit(bench.home.settings, mcpServers={"x": entry("settings")})
    assert used(world) == {}
    assert [one.scope for one in mcp_servers.configured(world)] == [ServerScope.SETTINGS]


def test_an_administrators_servers_leave_room_for_no_others(bench: Bench, tmp_path: Path):
    bench.edit(bench.home.client, mcpServers={"x": entry("user")})
    bench.write(tmp_path / "managed" / "managed-mcp.json", {"mcpServers": {"m": entry("managed")}})
    from dataclasses import replace

    layout = replace(Layout.from_environment(), managed=tmp_path / "managed")
    assert used(World(layout, {})) == {"m": "managed"}


def test_every_mcp_json_above_is_read_and_the_nearest_wins(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    inner = bench.project / "a" / "b"
    inner.mkdir(parents=True)
    bench.write(
        bench.project.parent / ".mcp.json", {"mcpServers": {"x": entry("above"), "y": entry("above")}}
    )
    bench.write(inner / ".mcp.json", {"mcpServers": {"x": entry("near")}})
    monkeypatch.chdir(inner)
    assert used(World(Layout.from_environment(), {})) == {"x": "near", "y": "above"}


def test_in_a_repository_the_state_file_knows_its_root_only(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    inner = bench.project / "inner"
    (inner / ".claude").mkdir(parents=True)
    places = {str(bench.project): "root", str(inner): "inner"}
    bench.edit(
        bench.home.client, projects={key: {"mcpServers": {"x": entry(word)}} for key, word in places.items()}
    )
    monkeypatch.chdir(inner)
    assert used(World(Layout.from_environment(), {})) == {"x": "root"}


def work_tree(main: Path, linked: Path, *, own: Path | None = None) -> None:
    """A work tree as `git worktree add` makes it, or with its part of the repository elsewhere."""
    own = own or main / ".git" / "worktrees" / "linked"
    (main / ".git").mkdir(parents=True)
    linked.mkdir(exist_ok=True)
    own.mkdir(parents=True)
    (own / "commondir").write_text(f"{main / '.git'}\n")
    (own / "gitdir").write_text(f"{linked / '.git'}\n")
    (linked / ".git").write_text(f"gitdir: {own}\n")


def test_a_linked_work_tree_is_known_by_the_main_one(tmp_path: Path):
    work_tree(tmp_path / "main", tmp_path / "linked")
    assert project_key.of(tmp_path / "linked" / "deep") == tmp_path / "main"


def test_a_folder_that_claims_to_belong_to_a_repository_does_not(tmp_path: Path):
    work_tree(
        tmp_path / "trusted", tmp_path / "unpacked", own=tmp_path / "unpacked" / "own" / "worktrees" / "x"
    )
    assert project_key.of(tmp_path / "unpacked") == tmp_path / "unpacked"


def test_a_work_tree_that_was_copied_is_its_own(tmp_path: Path):
    work_tree(tmp_path / "main", tmp_path / "linked")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / ".git").write_bytes((tmp_path / "linked" / ".git").read_bytes())
    assert project_key.of(tmp_path / "copy") == tmp_path / "copy"


@pytest.mark.parametrize("content", ["", "gitdir: /nowhere\n", "x", "gitdir: ../.git/modules/sub"])
def test_another_git_file_marks_a_root_of_its_own(tmp_path: Path, content: str):
    (tmp_path / ".git").write_text(content)
    assert project_key.of(tmp_path / "deep") == tmp_path


def test_without_a_repository_the_folder_is_its_own_key(tmp_path: Path):
    assert project_key.of(tmp_path / "deep") == tmp_path / "deep"


SETTINGS = ".claude/settings.json"
LOCAL = ".claude/settings.local.json"


ALL, SOME, NONE = "enableAllProjectMcpServers", "enabledMcpjsonServers", "disabledMcpjsonServers"
TRUSTED = {"hasTrustDialogAccepted": True}


@pytest.mark.parametrize(
    ("words", "standing"),
    [
        ({}, Standing.PENDING),
        ({"user": {ALL: True}}, Standing.USED),
        ({"user": {SOME: ["x y"]}}, Standing.USED),
        ({"user": {SOME: ["other"]}}, Standing.PENDING),
        ({"user": {SOME: "x y"}}, Standing.PENDING),
        ({"user": {ALL: "true"}}, Standing.PENDING),
        ({"shared": {ALL: True}}, Standing.PENDING),
        ({"local": {SOME: ["x y"]}}, Standing.PENDING),
        ({"shared": {ALL: True}, "state": TRUSTED}, Standing.USED),
        ({"local": {SOME: ["x y"]}, "state": TRUSTED}, Standing.USED),
        ({"local": {SOME: ["x y"]}, "state": {"hasTrustDialogAccepted": 1}}, Standing.PENDING),
        ({"state": {SOME: ["x y"]}}, Standing.PENDING),
        ({"state": {SOME: ["x y"], **TRUSTED}}, Standing.USED),
        ({"user": {ALL: True}, "shared": {NONE: ["x_y"]}}, Standing.REJECTED),
        ({"user": {ALL: True}, "state": {NONE: ["x y"]}}, Standing.REJECTED),
        ({"user": {ALL: True}, "state": {"disabledMcpServers": ["x y"]}}, Standing.DISABLED),
        ({"user": {ALL: True}, "state": {"disabledMcpServers": "x y"}}, Standing.USED),
        ({"user": {SOME: [1, None]}, "state": {"disabledMcpServers": [{}]}}, Standing.PENDING),
    ],
)
def test_a_projects_server_needs_its_users_word(bench: Bench, world: World, words: Any, standing: Standing):
    bench.write(bench.home.settings, words.get("user", {}))
    bench.write(bench.project / SETTINGS, words.get("shared", {}))
    bench.write(bench.project / LOCAL, words.get("local", {}))
    project(bench, **words.get("state", {}))
    assert approval.of_project_server(world, "x y") is standing


def test_settings_of_the_root_approve_nothing_in_a_folder_inside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    (bench.project / "inner").mkdir()
    bench.write(bench.project / SETTINGS, {"enableAllProjectMcpServers": True})
    project(bench, hasTrustDialogAccepted=True)
    monkeypatch.chdir(bench.project / "inner")
    assert approval.of_project_server(World(Layout.from_environment(), {}), "x") is Standing.PENDING


def test_any_server_can_be_switched_off(bench: Bench, world: World):
    bench.edit(bench.home.client, mcpServers={"x": entry("user")})
    project(bench, disabledMcpServers=["x"])
    (one,) = mcp_servers.read_by_client(world)
    assert mcp_servers.standing(world, one) is Standing.DISABLED
    assert mcp_servers.started(world) == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"command": "x"},
        {
            "type": "stdio",
            "command": "x",
            "args": ["a"],
            "env": {"A": "b"},
            "timeout": 5,
            "alwaysLoad": False,
        },
        {"command": "x", "unknown": 5, "timeout": 60000.0},
        {"type": "http", "url": "not a url", "headers": {"A": "b"}},
        {"type": "streamable-http", "url": "http://x"},
        {"type": "sse", "url": "http://x"},
        {"type": "ws", "url": "ws://x"},
    ],
)
def test_the_client_takes_these_entries(spec: Any):
    assert server_spec.problems(spec) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, "not an object"),
        ("x", "not an object"),
        ({}, "no `command`"),
        ({"type": "stdio"}, "no `command`"),
        ({"command": 5}, "not a string"),
        ({"command": ["x", "y"]}, "not a string"),
        ({"command": ""}, "empty"),
        ({"command": "x", "args": "y"}, "`args` is not a list"),
        ({"command": "x", "args": [5]}, "not a string"),
        ({"command": "x", "env": "A"}, "`env` is not an object"),
        ({"command": "x", "env": {"A": 1}}, "`env.A` is not a string"),
        ({"command": "x", "type": "banana"}, "unknown `type`"),
        ({"command": "x", "type": "HTTP"}, "unknown `type`"),
        ({"command": "x", "type": ["http"]}, "unknown `type`"),
        ({"command": "x", "type": "sdk"}, "only other programs"),
        ({"url": "http://x"}, '"type": "http"'),
        ({"type": "http"}, "no `url`"),
        ({"type": "http", "url": "http://x", "headers": {"A": 1}}, "`headers.A` is not a string"),
        ({"command": "x", "timeout": "60"}, "`timeout`"),
        ({"command": "x", "timeout": 0}, "`timeout`"),
        ({"command": "x", "timeout": True}, "`timeout`"),
        ({"command": "x", "timeout": 1.5}, "`timeout`"),
        ({"command": "x", "alwaysLoad": "true"}, "`alwaysLoad`"),
    ],
)
def test_the_client_skips_these_entries(spec: Any, said: str):
    (problem,) = server_spec.problems(spec)
    assert said in problem


def test_references_are_expanded_as_the_client_does(world: World):
    text = "${SET} ${EMPTY}| ${EMPTY:-d}| ${NO:-a:-b} ${NO} $SET ${ SET}"
    given = expansion.environment(world)
    assert expansion.expanded({"a": [text, 5]}, given) == {"a": ["value | | a:-b ${NO} $SET ${ SET}", 5]}


def test_the_env_of_the_users_settings_counts_and_a_projects_does_not(bench: Bench, world: World):
    bench.write(bench.home.settings, {"env": {"FROM_USER": "u", "ODD": 5}})
    bench.write(bench.project / SETTINGS, {"env": {"FROM_PROJECT": "p"}})
    given = expansion.environment(world)
    assert given["FROM_USER"] == "u"
    assert "ODD" not in given
    assert "FROM_PROJECT" not in given


@pytest.mark.parametrize("value", [[], "x", 5, None, {"x": None}, {"x": []}])
def test_odd_files_break_nothing(bench: Bench, world: World, value: Any):
    bench.write(bench.home.client, {"mcpServers": value, "projects": value})
    bench.write(bench.project / ".mcp.json", {"mcpServers": value})
    bench.write(bench.home.settings, {"mcpServers": value, "env": value, "enabledMcpjsonServers": value})
    assert mcp_servers.read_by_client(world) == ()
    assert expansion.environment(world)["SET"] == "value"
