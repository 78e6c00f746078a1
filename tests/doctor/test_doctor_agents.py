"""What doctor says of the agents that the client loads here, and what it leaves in peace."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup.findings import Status

INFO, WARNING, ERROR = Status.INFO, Status.WARNING, Status.ERROR
OFFLINE = "--offline"
OLD, NEW = "2.1.197", "2.1.330"


def in_project(bench: Bench, folder: str, name: str, *lines: str, body: str = "Do it.\n") -> Path:
    """An agent in the `.claude/agents` of a folder of the project."""
    return bench.agent(
        name, *lines, body=body, path=bench.project / folder / ".claude" / "agents" / f"{name}.md"
    )


def families(bench: Bench) -> list[tuple[str, str]]:
    """What doctor finds in the whole family: id and status."""
    return [(one["id"], one["status"]) for one in bench.findings("agents", OFFLINE)]


def test_a_finding_names_its_file_and_line(bench: Bench):
    path = bench.agent("helper", "modle: haiku")
    found = bench.one("agents.unknown-key", OFFLINE)
    assert (found["path"], found["line"]) == (str(path), 5)
    assert "runs on the main model" in found["message"]
    assert found["hint"] == "did you mean `model`?"


def test_a_machine_without_agents_and_without_our_product_has_no_findings(bench: Bench):
    assert families(bench) == []


# Which folders


def test_every_folder_from_here_to_the_git_root_is_looked_at_and_none_above(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    fault = "modle: haiku"
    inner = in_project(bench, "a/b", "inner", fault)
    middle = in_project(bench, "a", "middle", fault)
    outer = in_project(bench, "", "outer", fault)
    in_project(bench, "..", "above", fault)
    in_project(bench, "elsewhere", "aside", fault)
    monkeypatch.chdir(bench.project / "a" / "b")
    found = {one["path"] for one in bench.findings("agents.unknown-key", OFFLINE)}
    assert found == {str(inner), str(middle), str(outer)}


def test_without_a_repository_the_folders_above_are_looked_at_up_to_the_home(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    loose = bench.home.path / "loose"
    agent = bench.agent("loose", "modle: haiku", path=loose / ".claude" / "agents" / "loose.md")
    (loose / "inner").mkdir()
    monkeypatch.chdir(loose / "inner")
    bench.agent("mine")
    assert [one["path"] for one in bench.findings("agents", OFFLINE)] == [str(agent)]


def test_without_a_repository_the_folders_above_are_looked_at_up_to_the_top(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    (bench.project / ".git").rmdir()
    above = in_project(bench, "..", "above", "modle: haiku")
    (bench.project / "inner").mkdir()
    monkeypatch.chdir(bench.project / "inner")
    assert [one["path"] for one in bench.findings("agents", OFFLINE)] == [str(above.resolve())]


def test_a_readme_beside_agents_is_left_alone(bench: Bench):
    bench.write(bench.home.agents / "README.md", "# You are the reader of this\n")
    assert families(bench) == []


def test_in_the_home_the_users_folder_is_looked_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.agent("mine", "modle: haiku")
    monkeypatch.chdir(bench.home.path)
    assert len(bench.findings("agents", OFFLINE)) == 1


@pytest.mark.parametrize("own", [False, True])
def test_a_worktree_without_agents_of_its_own_has_those_of_the_main_checkout(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: bool
):
    (bench.project / ".git").rmdir()
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    worktree = tmp_path / "worktree"
    for words in (("init",), ("commit", "--allow-empty", "-m", "x"), ("worktree", "add", str(worktree))):
        subprocess.run((*git, *words), cwd=bench.project, check=True, capture_output=True)
    main = in_project(bench, "", "main", "modle: haiku")
    folder = worktree / ".claude" / "agents"
    mine = bench.agent("mine", "modle: haiku", path=folder / "mine.md") if own else main
    (worktree / "inner").mkdir()
    monkeypatch.chdir(worktree / "inner")
    assert [one["path"] for one in bench.findings("agents.unknown-key", OFFLINE)] == [str(mine)]


def test_a_git_file_that_leads_nowhere_is_a_git_root(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    in_project(bench, "", "outer", "modle: haiku")
    module = bench.project / "module"
    bench.write(module / ".git", "gitdir: ../.git/modules/module\n")
    monkeypatch.chdir(module)
    assert families(bench) == []


def test_the_client_reads_hidden_and_linked_folders_and_a_linked_agent_once(bench: Bench, tmp_path: Path):
    path = bench.agent("hidden", "modle: haiku", path=tmp_path / "far" / ".hidden" / "x.md")
    bench.home.agents.mkdir(parents=True)
    (bench.home.agents / "far").symlink_to(tmp_path / "far")
    (bench.home.agents / "again.md").symlink_to(path)
    (bench.project / ".claude").mkdir()
    (bench.project / ".claude" / "agents").symlink_to(bench.home.agents)
    assert len(bench.findings("agents", OFFLINE)) == 1


def test_a_folder_that_cannot_be_read_is_a_finding(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    closed = bench.home.agents / "closed"
    closed.mkdir(parents=True)
    real = os.scandir

    def refuse(path: str) -> object:  # nothing is closed to root
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = bench.one("agents.parse", OFFLINE)
    assert (found["status"], found["path"]) == (ERROR, str(closed))
    assert found["hint"] == f"ls -ld {closed}"


# Names


def test_two_agents_of_one_name_in_a_folder_are_an_error_that_says_which_one_wins(bench: Bench):
    bench.client(NEW)
    bench.agent("twin")
    other = bench.agent("twin", path=bench.home.agents / "z.md", body="Do something else.\n")
    found = bench.one("agents.duplicate", OFFLINE)
    assert (found["status"], found["path"], found["line"]) == (ERROR, str(other), 2)
    assert "the last by path, this one" in found["message"]


def test_in_an_older_client_it_is_chance_which_of_two_agents_wins(bench: Bench):
    bench.client(OLD)
    bench.agent("twin")
    bench.agent("twin", path=bench.home.agents / "z.md", body="Do something else.\n")
    assert "whichever the folder lists last" in bench.one("agents.duplicate", OFFLINE)["message"]


def test_a_copy_beside_an_agent_is_a_warning(bench: Bench):
    bench.agent("twin")
    bench.agent("twin", path=bench.home.agents / "copy.md")
    found = bench.one("agents.duplicate", OFFLINE)
    assert found["status"] == WARNING
    assert "it is a copy of" in found["message"]


def test_an_agent_that_the_projects_replaces_is_worth_knowing_and_no_more(bench: Bench):
    mine = bench.agent("twin")
    projects = in_project(bench, "", "twin", body="Do something else.\n")
    found = bench.one("agents.duplicate", OFFLINE)
    assert (found["status"], found["path"]) == (INFO, str(mine))
    assert str(projects) in found["message"]


def test_of_nested_folders_the_inner_one_wins(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    outer = in_project(bench, "", "twin")
    inner = in_project(bench, "a", "twin", body="Do something else.\n")
    monkeypatch.chdir(bench.project / "a")
    found = bench.one("agents.duplicate", OFFLINE)
    assert found["path"] == str(outer)
    assert str(inner) in found["message"]


def test_a_file_that_the_client_drops_shares_its_name_with_nobody(bench: Bench):
    bench.agent("twin")
    undescribed = "---\nname: {}\ntools: Read\n---\nDo it.\n"
    bench.write(bench.home.agents / "other.md", undescribed.format("twin"))
    bench.write(bench.project / ".claude" / "agents" / "twin.md", undescribed.format("twin"))
    bench.write(bench.home.agents / "plan.md", undescribed.format("Plan"))
    assert {one["id"] for one in bench.findings("agents", OFFLINE)} == {"agents.required"}


def test_the_same_agent_in_two_scopes_is_not_reported(bench: Bench):
    bench.agent("twin")
    in_project(bench, "", "twin")
    assert families(bench) == []


def test_an_install_into_both_scopes_is_not_reported(bench: Bench):
    bench.install()
    bench.cli("install", "--yes", "--scope", "project")
    assert families(bench) == []


@pytest.mark.parametrize("name", ["Explore", "Plan", "claude", "general-purpose", "statusline-setup"])
def test_an_agent_in_the_place_of_the_clients_own_is_worth_knowing(bench: Bench, name: str):
    path = bench.agent(name)
    found = bench.one("agents.duplicate", OFFLINE)
    assert (found["status"], found["path"]) == (INFO, str(path))


def test_names_of_built_in_agents_are_case_sensitive(bench: Bench):
    bench.agent("explore")
    assert families(bench) == []


def test_our_own_replacement_of_explore_is_not_reported(bench: Bench):
    bench.write(bench.home.config, {"agents": {"replace_explore": True}})
    bench.cli("install", "--yes")
    assert (bench.home.agents / "Explore.md").exists()
    assert families(bench) == []


def test_nothing_in_a_file_breaks_the_checks(bench: Bench):
    for number, value in enumerate(
        ("[]", "{}", "5", "true", "~", "[[1], {a: b}]", "{a: [b]}", "x" * 100_000)
    ):
        keys = ("name", "description", "model", "tools", "disallowedTools", "mcpServers", "hooks", "effort")
        for key in keys:
            fields = {
                "name": f"n{number}{key}",
                "description": "Use it when asked.",
                "tools": "Read",
                key: value,
            }
            text = "\n".join(("---", *(f"{one}: {what}" for one, what in fields.items()), "---", "Do it.\n"))
            bench.write(bench.home.agents / f"{number}{key}.md", text)
    bench.write(bench.home.agents / "binary.md", bytes(range(256)) * 10)
    bench.write(bench.home.agents / "empty.md", b"")
    (bench.home.agents / "folder.md").mkdir()
    assert not [one for one in bench.findings("agents", OFFLINE) if "itself failed" in one["message"]]


def test_a_file_in_the_place_of_the_agents_folder_is_passed_over(bench: Bench):
    bench.write(bench.home.agents, "no folder")
    assert families(bench) == []
