"""Which files are taken for agents, in a folder and in a repository, and which of them share a name."""

import os
from pathlib import Path

import pytest

from planted_agents import HEALTHY, change, plant
from supervisor_setup import validate
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Status

ERROR, WARNING, INFO = Status.ERROR, Status.WARNING, Status.INFO


def test_two_agents_of_one_name_in_a_folder_are_both_named(tmp_path: Path):
    first = plant(tmp_path / "agents", HEALTHY, "a.md")
    second = plant(tmp_path / "agents" / "sub", HEALTHY, "b.md")
    (finding,) = validate.validate([tmp_path / "agents"])
    assert (finding.id, finding.path, finding.line) == ("agents.duplicate", second, 2)
    assert str(first) in finding.message


def test_the_same_name_in_two_plugins_is_no_duplicate(tmp_path: Path):
    plant(tmp_path / "plugins" / "one" / "agents", HEALTHY)
    plant(tmp_path / "plugins" / "two" / "agents", HEALTHY)
    assert validate.validate([tmp_path]) == []


def test_a_folder_is_searched_to_the_bottom_through_links_and_past_loops(tmp_path: Path):
    broken = plant(tmp_path / "elsewhere", change("haiku", "gpt-4"))
    folder = tmp_path / "agents"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "link").symlink_to(broken.parent)
    (folder / "deep" / "loop").symlink_to(folder)
    assert [finding.id for finding in validate.validate([folder])] == ["agents.model"]


def test_a_link_to_an_agent_beside_it_is_no_duplicate(tmp_path: Path):
    plant(tmp_path, HEALTHY)
    (tmp_path / "link.md").symlink_to(tmp_path / "helper.md")
    assert validate.validate([tmp_path]) == []


def test_in_a_repository_only_its_agents_folders_are_looked_at(tmp_path: Path):
    plant(tmp_path / ".claude" / "agents", HEALTHY)
    plant(tmp_path / "docs", "# Manual\n", "manual.md")
    plant(tmp_path / "node_modules" / "x" / "agents", "# Not ours\n", "x.md")
    assert validate.validate([tmp_path]) == []


def test_documents_beside_agents_are_passed_over_but_a_nameless_agent_is_not(tmp_path: Path):
    for name in ("README.md", "CLAUDE.md", "CHANGELOG.md"):
        plant(tmp_path, "# About\n", name)
    plant(tmp_path, "You are a helper.\n", "helper.md")
    assert [finding.path for finding in validate.validate([tmp_path])] == [tmp_path / "helper.md"]


def test_a_file_that_is_named_is_checked_whatever_it_is_called(tmp_path: Path):
    path = plant(tmp_path, "# About\n", "README.md")
    assert [finding.id for finding in validate.validate([path])] == ["agents.parse"]


def test_a_file_that_cannot_be_read_is_a_finding_and_not_a_crash(tmp_path: Path):
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    (finding,) = validate.validate([tmp_path])
    assert (finding.id, finding.status) == ("agents.parse", ERROR)
    assert "No such file" in finding.message


def test_a_copy_of_an_agent_is_a_warning(tmp_path: Path):
    plant(tmp_path / "agents", HEALTHY, "a.md")
    plant(tmp_path / "agents", HEALTHY, "b.md")
    (finding,) = validate.validate([tmp_path])
    assert (finding.id, finding.status) == ("agents.duplicate", WARNING)


def test_documentation_among_agents_is_only_worth_knowing(tmp_path: Path):
    plant(tmp_path / "agents", "# Overview\n\nThe agents of this folder.\n", "overview.md")
    plant(tmp_path / "agents", "# The team\n\nYou are the first.\n\nYou are the second.\n", "team.md")
    assert {(one.id, one.status) for one in validate.validate([tmp_path])} == {("agents.parse", INFO)}


@pytest.mark.parametrize(
    "text",
    [
        "You are a helper.\n",
        "# Helper\n\nYou are the helper of the team.\n",
        "name: helper\ndescription: Helps.\n\nHelp.\n",
        "# Helper\n\n- **name:** helper\n",
        "\n---\nname: helper\ndescription: Helps.\n---\n\nHelp.\n",
        "---\nname: helper\ndescription: Helps.\n",
    ],
)
def test_a_file_that_reads_like_an_agents_and_has_no_frontmatter_is_an_error(tmp_path: Path, text: str):
    assert [(one.id, one.status) for one in validate.validate([plant(tmp_path, text)])] == [
        ("agents.parse", ERROR)
    ]


def test_a_repository_may_be_called_agents(tmp_path: Path):
    plant(tmp_path / "agents" / "plugins" / "one" / "agents", HEALTHY)
    plant(tmp_path / "agents" / "docs", "# Manual\n\nYou are a reader.\n", "manual.md")
    plant(tmp_path / "agents" / "plugins" / "one" / "skills" / "x", "---\nname: x\n---\n", "SKILL.md")
    assert validate.validate([tmp_path / "agents"]) == []


def test_all_that_is_below_a_clients_own_agents_folder_belongs_to_it(tmp_path: Path):
    plant(tmp_path / ".claude" / "agents" / "team" / "agents", HEALTHY)
    plant(tmp_path / ".claude" / "agents", change("haiku", "gpt-4"), "other.md")
    findings = validate.validate([tmp_path / ".claude" / "agents"])
    assert {one.id for one in findings} == {"agents.model", "agents.duplicate"}


def test_the_agents_folder_of_a_skill_holds_no_agents_of_the_client(tmp_path: Path):
    plant(tmp_path / "skills" / "maker", "---\nname: maker\n---\n", "SKILL.md")
    plant(tmp_path / "skills" / "maker" / "agents", "You are a grader.\n", "grader.md")
    plant(tmp_path / "agents", HEALTHY)
    assert validate.validate([tmp_path]) == []


@pytest.mark.parametrize("folder", [".github", ".cursor", ".opencode"])
def test_agents_of_other_programs_are_left_alone(tmp_path: Path, folder: str):
    plant(tmp_path / folder / "agents", "You are for another program.\n")
    plant(tmp_path / ".claude" / "agents", HEALTHY)
    assert validate.validate([tmp_path]) == []


def test_in_a_catalogue_without_an_agents_folder_commands_are_passed_over(tmp_path: Path):
    plant(tmp_path / "review", HEALTHY)
    without_tools = change("tools: Read, Grep\n", "")
    plant(tmp_path / "tools", f"{without_tools}\nInput: $ARGUMENTS\n", "list.md")
    plant(tmp_path / "commands", without_tools, "search.md")
    plant(tmp_path, "# How to write one\n\nYou are free to choose.\n", "howto.md")
    assert validate.validate([tmp_path]) == []


def test_a_missing_path_is_an_error_of_the_user(tmp_path: Path):
    with pytest.raises(UserError, match="there is no such file"):
        validate.validate([tmp_path / "nowhere"])


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_not_read(tmp_path: Path, kind: str):
    path = tmp_path / ".claude" / "agents" / "a.md"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    (found,) = validate.validate([tmp_path])
    assert "cannot be read (not a regular file)" in found.message
