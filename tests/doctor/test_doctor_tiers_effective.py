"""On which model each agent will run, and why."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from bench import Bench
from faults_tiers import HAIKU, NEWER, OLDER, OVERRIDE, summary, tiers

from supervisor_setup.checks import subagent_models
from supervisor_setup.checks.model_names import families, family
from supervisor_setup.checks.subagent_models import Steering
from supervisor_setup.checks.variables import Assignment, Source
from supervisor_setup.checks.world import World
from supervisor_setup.client_facts import measured
from supervisor_setup.layout import Layout

BETWEEN = "2.1.240"


@pytest.fixture
def find(bench: Bench) -> Callable[..., list[Mapping[str, Any]]]:
    """`find("effective")` gives the findings of tiers.effective."""
    return lambda check: bench.findings(f"tiers.{check}", "--offline")


def test_the_table_names_every_agent_and_its_model(bench: Bench):
    bench.client(NEWER)
    tiers(bench)
    assert summary(bench, "effective") == (
        "5 agents: 1 on claude-haiku-5-5 (cheap), 1 on claude-opus-5-5 (deep), 1 on claude-sonnet-5-5 "
        "(middle), 2 on the main conversation's model (heir, untold)"
    )


def test_the_table_of_a_client_that_nobody_knows_names_families(bench: Bench):
    bench.agent("cheap", "model: claude-haiku-4-5")
    bench.agent("second", "model: Haiku")
    assert summary(bench, "effective") == "2 agents: 2 on haiku (cheap, second)"


def test_a_long_table_is_cut(bench: Bench):
    bench.client(NEWER)
    for number in range(25):
        bench.agent(f"agent-{number:02}", "model: haiku")
    assert summary(bench, "effective").endswith("agent-19 and 5 more)")


def test_without_agents_nothing_is_said(bench: Bench):
    assert summary(bench, "effective") == "nothing found"


def test_agents_that_go_astray_alike_are_one_finding_at_the_cause(bench: Bench, find):
    bench.client(OLDER)
    tiers(bench)
    bench.agent("second", "model: haiku")
    path = bench.write(bench.home.path / ".zshrc", f"\nexport {OVERRIDE}=opus\n")
    bench.set_variable(OVERRIDE, "opus")
    haiku, sonnet = find("effective")
    assert haiku["status"] == "error"
    assert haiku["message"] == (
        f"cheap, second ask for haiku and run on claude-opus-4-8: {OVERRIDE}=opus overrides it"
    )
    assert sonnet["message"].startswith("middle asks for sonnet and runs on claude-opus-4-8: ")
    assert (haiku["path"], haiku["line"]) == (str(path), 2)
    assert haiku["hint"] == f"remove {OVERRIDE} there, and start a new shell"


def test_a_cause_without_a_file_is_told_at_the_agent(bench: Bench, find):
    bench.client(OLDER)
    path = bench.agent("cheap", "model: haiku")
    bench.set_variable(OVERRIDE, "opus")
    (found,) = find("effective")
    assert (found["path"], found["line"]) == (str(path), 5)
    assert found["hint"] == f"unset {OVERRIDE}"


def test_what_only_some_clients_do_is_a_warning(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    bench.set_variable(OVERRIDE, "opus")
    (found,) = find("effective")
    assert found["status"] == "warning"
    assert "may run, as some versions of the client have it, on opus" in found["message"]


def test_a_dated_fact_is_certain_between_the_measured_versions(bench: Bench, find):
    bench.client(BETWEEN)
    bench.agent("cheap", "model: haiku")
    bench.set_variable(OVERRIDE, "opus")
    (found,) = find("effective")
    assert found["status"] == "error"
    assert "runs on opus: " in found["message"]


def test_a_forbidden_model_gives_the_main_conversations(bench: Bench, find):
    bench.client(NEWER)
    bench.agent("cheap", "model: haiku")
    bench.edit(bench.home.settings, model="sonnet", availableModels=["sonnet", "opus"])
    (found,) = find("effective")
    assert found["message"] == (
        "cheap asks for haiku and runs on the main conversation's model (claude-sonnet-5-5): "
        "availableModels does not allow it"
    )


def test_an_enforced_list_also_steers_the_main_conversation(bench: Bench, find):
    bench.client(NEWER)
    tiers(bench)
    bench.edit(bench.home.settings, availableModels=["haiku"], enforceAvailableModels=True)
    assert {one["message"].partition(" asks")[0] for one in find("effective")} == {"middle", "deep"}
    assert all("main conversation's model (claude-haiku-5-5)" in one["message"] for one in find("effective"))
    bench.edit(bench.home.settings, availableModels=["haiku"], enforceAvailableModels=False)
    assert {one["message"].partition(" asks")[0] for one in find("effective")} == {"middle"}


def test_an_agent_of_the_main_conversations_family_runs_on_its_very_model(bench: Bench):
    bench.client(NEWER)
    bench.agent("middle", "model: sonnet")
    bench.edit(bench.home.settings, model="claude-sonnet-4-5")
    assert summary(bench, "effective") == "1 agent: 1 on claude-sonnet-4-5 (middle)"


def test_other_names_for_models_are_followed(bench: Bench, find):
    bench.client(NEWER)
    tiers(bench)
    bench.edit(bench.home.settings, modelOverrides={"claude-haiku-5-5": "arn:aws:profile/1"})
    assert "1 on arn:aws:profile/1 (cheap)" in summary(bench, "effective")
    bench.edit(bench.home.settings, modelOverrides={"claude-haiku-5-5": "claude-opus-4-8"})
    (found,) = find("effective")
    assert found["message"].endswith(
        "runs on claude-opus-4-8: modelOverrides puts claude-opus-4-8 in the place of claude-haiku-5-5"
    )
    assert found["line"] == 3


def test_an_agent_of_the_projects_goes_before_the_users(bench: Bench):
    bench.client(NEWER)
    bench.agent("cheap", "model: haiku")
    bench.agent("cheap", "model: opus", path=bench.project / ".claude" / "agents" / "mine.md")
    assert summary(bench, "effective") == "1 agent: 1 on claude-opus-5-5 (cheap)"


@pytest.mark.parametrize(
    "text",
    [
        b"no frontmatter",
        b"---\nname: x\n---\n",
        b"---\nname: 5\ndescription: x\n---\n",
        b"---\nname: x\ndescription:\n---\n",
        b"---\nname: x\ndescription: 5\n---\n",
        b'---\nname: "x\n---\n',
        b"\xef\xbb\xbf---\nname: x\ndescription: x\nmodel: haiku\n---\n",
    ],
)
def test_a_file_that_the_client_drops_is_no_agent(bench: Bench, text: bytes):
    bench.client(OLDER)
    bench.write(bench.home.agents / "x.md", text)
    assert summary(bench, "effective") == "nothing found"


def test_of_two_agents_with_one_name_nobody_knows_which_runs(bench: Bench):
    bench.agent("cheap", "model: haiku")
    bench.agent("cheap", "model: opus", path=bench.home.agents / "second.md")
    assert summary(bench, "effective") == "nothing found"


@pytest.mark.parametrize("model", ["5", "[haiku]", "{a: b}", "''", "true"])
def test_a_model_that_is_no_text_is_none(bench: Bench, model: str):
    bench.agent("odd", f"model: {model}")
    assert "on the main conversation's model (odd)" in summary(bench, "effective")


@pytest.mark.parametrize(
    "settings",
    [
        [],
        "x",
        {"model": 5, "env": 5, "modelOverrides": [1]},
        {"env": {HAIKU: "claude-opus-4-8"}, "availableModels": ["opus"], "permissions": {"allow": "x"}},
    ],
)
def test_settings_that_the_client_ignores_steer_nothing(bench: Bench, settings: object):
    bench.client(NEWER)
    bench.agent("cheap", "model: haiku")
    bench.write(bench.home.settings, json.dumps(settings))
    assert summary(bench, "effective") == "1 agent: 1 on claude-haiku-5-5 (cheap)"


def test_no_key_and_no_page_of_text_is_shown(bench: Bench, find):
    bench.client(OLDER)
    bench.agent("cheap", "model: haiku")
    bench.set_variable(OVERRIDE, "sk-ant-api03-secret")
    assert "secret" not in str(find("effective") + find("subagent-override"))
    bench.set_variable(OVERRIDE, "opus " * 10_000)
    assert all(len(one["message"]) < 400 for one in find("effective") + find("subagent-override"))


def setting(name: str, value: str) -> Assignment:
    return Assignment(name, value, Source.ENVIRONMENT, live=True)


def steered(**changes: Any) -> Steering:
    nothing: dict[str, Any] = {
        "override": None,
        "force": None,
        "aliases": {},
        "allowed": None,
        "renamed": {},
        "main": None,
    }
    return Steering(**{**nothing, **changes})


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("haiku", "claude-haiku-5-5"),
        ("sonnet[1m]", "claude-sonnet-5-5"),
        ("best", "claude-opus-5-5"),
        ("opusplan", "claude-sonnet-5-5"),
        ("fable", "claude-fable-5-2"),
        ("gpt-4", "gpt-4"),
        ("claude-opus-4-1", "claude-opus-4-1"),
        ("inherit", "claude-opus-5-5"),
        (None, "claude-opus-5-5"),
    ],
)
def test_without_anything_that_steers_the_file_decides(asked: str | None, sent: str):
    found = subagent_models.outcome(asked, measured()[NEWER], steered())
    assert found.model == sent
    assert not subagent_models.differs(asked, found)


def test_an_override_that_is_forbidden_leaves_the_main_model(bench: Bench):
    bench.edit(bench.home.settings, availableModels=["opus"])
    allowed = subagent_models.steering(World(Layout.from_environment(), {})).allowed
    by = steered(override=setting(OVERRIDE, "sonnet"), allowed=allowed)
    for version in (OLDER, NEWER):
        found = subagent_models.outcome("haiku", measured()[version], by)
        assert found.main
        assert found.cause is not None
        assert found.cause.text == "availableModels does not allow it"


def test_an_override_steps_in_for_a_forbidden_model(bench: Bench):
    bench.edit(bench.home.settings, availableModels=["sonnet"])
    allowed = subagent_models.steering(World(Layout.from_environment(), {})).allowed
    by = steered(override=setting(OVERRIDE, "sonnet"), allowed=allowed)
    assert subagent_models.outcome("haiku", measured()[NEWER], by).model == "claude-sonnet-5-5"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-haiku-4-5-20251001", "haiku"),
        ("eu.anthropic.claude-opus-4-8-v1:0", "opus"),
        ("Sonnet", "sonnet"),
        ("opusplan", None),
        ("best", None),
        ("inherit", None),
        ("gpt-4", None),
        ("", None),
    ],
)
def test_a_family_is_known_by_the_name(name: str, expected: str | None):
    assert family(name) == expected


def test_some_aliases_mean_several_families():
    assert families("best") == {"opus", "fable"}
    assert families("opusplan") == {"opus", "sonnet"}
    assert families("inherit") == frozenset()
