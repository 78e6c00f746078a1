"""The skill `document-pipeline`: what is installed of it, when, and how it goes again."""

import ast
import shlex
import sys
from pathlib import Path

import pytest

from supervisor_setup import pipeline_skill
from supervisor_setup.frontmatter import Frontmatter, parse

NOT_INSTALLED = ("anthropic", "dbos")


@pytest.fixture
def without_extra(monkeypatch):
    """An installation without the extra `orchestrate`."""
    monkeypatch.setattr(pipeline_skill, "find_spec", lambda name: None if name in NOT_INSTALLED else object())


def folder(home):
    return home.path / ".claude" / "skills" / "document-pipeline"


def script(home):
    return folder(home) / "pipeline.py"


def command(home):
    """How Claude starts the script: the words of its rules, in their very spelling."""
    return shlex.join((str(Path(sys.executable).with_name("python")), str(script(home))))


def test_an_install_brings_the_manual_the_script_and_a_rule_for_each_of_its_two_commands(cli, home):
    cli("install", "--yes")
    assert sorted(path.name for path in folder(home).iterdir()) == ["SKILL.md", "pipeline.py"]
    assert home.allowed("Bash(") == [f"Bash({command(home)} run:*)", f"Bash({command(home)} status:*)"]


def test_the_first_install_says_what_claude_may_spend_from_now_on(cli):
    cli("config", "set", "pipeline.budget_usd", "2.5")
    first, second = cli("install", "--yes").out, cli("install", "--yes").out
    assert "without asking, for at most 2.5 USD a run, where SUPERVISOR_ANTHROPIC_API_KEY is set" in first
    assert "USD" not in second


def test_the_manual_has_a_name_and_a_description_that_the_client_shows_whole(cli, home):
    cli("install", "--yes")
    found = parse((folder(home) / "SKILL.md").read_bytes())
    assert isinstance(found, Frontmatter)
    assert found.fields["name"].value == "document-pipeline"
    assert 200 < len(str(found.fields["description"].value)) <= 1024


def test_every_command_of_the_manual_begins_with_what_the_rules_allow(cli, home):
    cli("install", "--yes")
    manual = (folder(home) / "SKILL.md").read_text(encoding="utf-8")
    commands = [line.strip() for line in manual.splitlines() if str(script(home)) in line]
    allowed = tuple(rule.removeprefix("Bash(").removesuffix(":*)") for rule in home.allowed("Bash("))
    assert len(commands) == 3
    assert all(one.startswith(allowed) for one in commands)


def test_the_manual_always_passes_the_budget_of_the_config(cli, home):
    cli("config", "set", "pipeline.budget_usd", "2.5")
    cli("install", "--yes")
    manual = (folder(home) / "SKILL.md").read_text(encoding="utf-8")
    runs = [one for one in manual.splitlines() if f"{script(home)} run " in one]
    spending = [one for one in runs if "--estimate" not in one]
    assert spending
    assert all("--budget 2.5" in one for one in spending)


def test_the_script_asks_the_model_of_the_config_and_is_bound_by_it(cli, home):
    cli("config", "set", "pipeline.model", "claude-haiku-5-5")
    cli("install", "--yes")
    text = script(home).read_text(encoding="utf-8")
    assert 'model="claude-haiku-5-5"' in text
    assert "from supervisor_pipelines.guarded import main" in text
    assert f"main(pipeline, config={str(home.config)!r})" in text
    assert "# /// script" not in text  # it runs on the Python of the rule


@pytest.mark.parametrize("name", ["a home", "it's", "a(b)*", "\u00fc\u00f1\u00ef", 'say "x"', "a$b"])
def test_any_home_has_rules_for_the_command_as_the_manual_spells_it(cli, home, monkeypatch, name):
    odd = home.path / name
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(odd))
    cli("install", "--yes")
    path = odd / "skills" / "document-pipeline" / "pipeline.py"
    rules = [rule for rule in home.json(odd / "settings.json")["permissions"]["allow"] if "Bash(" in rule]
    words = [shlex.split(rule.removeprefix("Bash(").removesuffix(":*)")) for rule in rules]
    assert [one[1:] for one in words] == [[str(path), "run"], [str(path), "status"]]
    ast.parse(path.read_bytes())
    cli("doctor", "--offline")


def test_whichever_name_python_was_started_by_the_rules_stay_the_same(cli, home, monkeypatch):
    cli("install", "--yes")
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).with_name("python3")))
    assert not cli("--json", "install", "--yes").json["changed"]


def test_outside_of_a_virtual_environment_it_is_the_python_that_runs(monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.99")
    assert pipeline_skill.python() == Path("/usr/bin/python3.99")


def test_an_equal_config_in_another_place_binds_the_script_from_then_on(cli, home):
    cli("install", "--yes")
    other = home.write(home.path / "other.yaml", home.config.read_bytes())
    cli("--config", str(other), "install", "--yes")
    assert repr(str(other)) in script(home).read_text(encoding="utf-8")


def test_without_the_extra_nothing_of_it_is_installed(cli, home, without_extra):
    cli("install", "--yes")
    assert not folder(home).exists()
    assert home.allowed("Bash(") == []


def test_when_the_extra_has_gone_so_does_the_skill(cli, home, request):
    cli("install", "--yes")
    request.getfixturevalue("without_extra")
    assert "is not wanted any more" in cli("doctor", "--offline", code=2).out
    cli("install", "--yes")
    assert list(folder(home).iterdir()) == []
    assert home.allowed("Bash(") == []
    cli("uninstall", "--yes")
    assert home.files() == {}


def test_the_config_switches_it_off_and_on(cli, home):
    cli("config", "set", "pipeline.skill", "false")
    cli("install", "--yes")
    assert not folder(home).exists()
    cli("config", "set", "pipeline.skill", "true")
    cli("install", "--yes")
    assert script(home).is_file()


@pytest.mark.parametrize("part", ["skills", "permissions"])
def test_a_rule_is_there_only_beside_the_script_that_it_is_for(cli, home, part):
    cli("install", "--yes", "--only", part)
    assert home.settings.exists() is (part == "permissions")
    assert script(home).exists() is (part == "skills")
    if part == "permissions":
        assert home.allowed("Bash(") == []


def test_a_script_that_was_edited_is_kept_and_named_and_its_rules_stay(cli, home):
    cli("install", "--yes")
    script(home).write_text("print('mine')\n", encoding="utf-8")
    assert "was changed since it was installed" in cli("doctor", "--offline", code=2).out
    cli("install", "--yes")
    assert script(home).read_text(encoding="utf-8") == "print('mine')\n"
    assert len(home.allowed("Bash(")) == 2


def test_a_rule_of_the_users_own_survives_uninstall(cli, home):
    rule = f"Bash({command(home)} run:*)"
    home.write(home.settings, f'{{"permissions": {{"allow": ["{rule}"]}}}}')
    cli("install", "--yes")
    cli("uninstall", "--yes")
    assert home.allowed() == [rule]
    assert not folder(home).exists()


def test_the_project_scope_has_its_own_script_and_rules(cli, home, tmp_path):
    project = tmp_path / "work"
    (project / ".git").mkdir()
    cli("install", "--yes", "--scope", "project")
    path = project / ".claude" / "skills" / "document-pipeline" / "pipeline.py"
    assert path.is_file()
    rules = home.allowed("Bash(", project / ".claude" / "settings.json")
    assert all(f"{path} " in rule for rule in rules)
    assert len(rules) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pipeline: {budget_usd: -1}", "pipeline.budget_usd"),
        ("pipeline: {skill: 5}", "pipeline.skill"),
        ("pipeline: {model: 'x\"; import os'}", "pipeline.model"),
        ("pipeline: {local_model: ''}", "pipeline.local_model"),
        ("pipeline: {sckill: true}", "sckill"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused_with_its_line(cli, home, line, said):
    home.write(home.config, f"version: 1\n{line}\n")
    err = cli("install", "--yes", code=1).err
    assert f"{home.config}:2: " in err
    assert said in err
