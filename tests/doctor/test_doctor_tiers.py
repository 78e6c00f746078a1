"""What defeats the agents' tiers from outside: two kinds of variables, and a list of models."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from bench import Bench
from faults_tiers import FORCE, HAIKU, NEWER, OLDER, OVERRIDE, tiers

from supervisor_setup.checks import subagent_models
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout


@pytest.fixture
def find(bench: Bench) -> Callable[..., list[Mapping[str, Any]]]:
    """`find("effective")` gives the findings of tiers.effective."""
    return lambda check: bench.findings(f"tiers.{check}", "--offline")


# --- tiers.subagent-override


def test_an_older_client_runs_every_agent_on_the_variable(bench: Bench, find):
    bench.client(OLDER)
    path = bench.write(bench.home.path / ".bashrc", f"# mine\nexport {OVERRIDE}=opus\n")
    bench.set_variable(OVERRIDE, "opus")
    (found,) = find("subagent-override")
    assert found["status"] == "warning"
    assert found["message"] == (
        f"{OVERRIDE}=opus: Claude Code 2.1.197 runs every agent on it, whatever its file asks for"
    )
    assert (found["path"], found["line"]) == (str(path), 2)
    assert found["hint"] == f"remove {OVERRIDE} there, and start a new shell"


def test_a_newer_client_runs_only_agents_without_a_model_on_it(bench: Bench, find):
    bench.client(NEWER)
    bench.set_variable(OVERRIDE, "sonnet")
    bench.agent("cheap", "model: haiku")
    bench.agent("heir", "model: inherit")
    assert find("subagent-override") == []
    bench.agent("untold")
    (found,) = find("subagent-override")
    assert found["status"] == "info"
    assert "the agents that name no model run on it (untold)" in found["message"]
    assert found["hint"] == f"unset {OVERRIDE}"


@pytest.mark.parametrize(("version", "status"), [("2.1.250", "warning"), ("2.1.251", None)])
def test_the_version_in_which_it_changed_decides(bench: Bench, find, version: str, status: str | None):
    bench.client(version)
    bench.set_variable(OVERRIDE, "sonnet")
    assert [one["status"] for one in find("subagent-override")] == ([status] if status else [])


def test_of_an_unknown_client_the_older_ones_are_spoken_of(bench: Bench, find):
    bench.set_variable(OVERRIDE, "sonnet")
    (found,) = find("subagent-override")
    assert found["status"] == "warning"
    assert "Claude Code up to 2.1.250 runs every agent on it" in found["message"]


@pytest.mark.parametrize("value", ["inherit", ""])
def test_a_value_without_effect_is_no_fault(bench: Bench, find, value: str):
    bench.client(OLDER)
    tiers(bench)
    bench.set_variable(OVERRIDE, value)
    assert find("subagent-override") == find("effective") == []


def test_settings_that_take_the_variable_back_leave_no_fault(bench: Bench, find):
    bench.client(OLDER)
    tiers(bench)
    bench.set_variable(OVERRIDE, "opus")
    bench.edit(bench.home.settings, env={OVERRIDE: ""})
    assert find("effective") == []


def test_only_the_strongest_of_several_places_is_told(bench: Bench, find):
    bench.client(OLDER)
    bench.set_variable(OVERRIDE, "opus")
    bench.edit(bench.home.settings, env={OVERRIDE: "haiku"})
    local = bench.edit(bench.project / ".claude" / "settings.local.json", env={OVERRIDE: "sonnet"})
    (found,) = find("subagent-override")
    assert (found["path"], found["line"]) == (str(local), 3)
    assert f"{OVERRIDE}=sonnet" in found["message"]


@pytest.mark.parametrize(
    ("name", "status", "loader"),
    [
        (".bashrc", "warning", "a shell that reads it"),
        (".envrc", "warning", "something that loads this file"),
        (".env", "info", "something that loads this file"),
    ],
)
def test_a_file_that_this_shell_has_not_read_is_told_as_such(
    bench: Bench, find, name: str, status: str, loader: str
):
    bench.client(OLDER)
    folder = bench.home.path if name == ".bashrc" else bench.project
    bench.write(folder / name, f"export {OVERRIDE}=opus\n")
    (found,) = find("subagent-override")
    assert found["status"] == status
    assert found["message"].endswith(f"once {loader} has started the client")


def test_a_value_that_is_worked_out_is_not_shown(bench: Bench, find):
    bench.client(OLDER)
    bench.write(bench.home.path / ".bashrc", f'export {OVERRIDE}="$(pass show models/key)"\n')
    (found,) = find("subagent-override")
    assert found["message"].startswith(f"{OVERRIDE} (worked out there): ")
    assert "pass show" not in str(found)


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
def test_the_force_variable_makes_the_override_hold_again(bench: Bench, find, value: str):
    bench.client(NEWER)
    tiers(bench)
    bench.set_variable(OVERRIDE, "sonnet")
    bench.edit(bench.home.settings, env={FORCE: value})
    override, force = find("subagent-override")
    assert "runs every agent on it" in override["message"]
    assert f"{FORCE}={value}: Claude Code 2.1.330 passes over the model of every agent" in force["message"]
    assert (force["path"], force["line"]) == (str(bench.home.settings), 3)
    astray = {one["message"].partition(" asks")[0] for one in find("effective")}
    assert astray == {"cheap", "deep"}


def test_the_force_variable_alone_puts_all_on_the_main_model(bench: Bench, find):
    bench.client(NEWER)
    tiers(bench)
    bench.set_variable(FORCE, "1")
    (found,) = find("subagent-override")
    assert f"without {OVERRIDE}, runs each on the main conversation's model" in found["message"]
    assert {one["message"].partition(" asks")[0] for one in find("effective")} == {"cheap", "middle"}


@pytest.mark.parametrize(("version", "value"), [(OLDER, "1"), ("2.1.252", "1"), (NEWER, "0"), (NEWER, "x")])
def test_a_force_variable_without_effect_is_no_fault(bench: Bench, find, version: str, value: str):
    bench.client(version)
    tiers(bench)
    bench.set_variable(FORCE, value)
    assert find("subagent-override") == find("effective") == []


# --- tiers.alias-override


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (HAIKU, "claude-haiku-4-5"),
        (HAIKU, "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("ANTHROPIC_DEFAULT_SONNET_MODEL", "claude-sonnet-4-5[1m]"),
        ("ANTHROPIC_DEFAULT_OPUS_MODEL", "claude-opus-4-8"),
        ("ANTHROPIC_DEFAULT_HAIKU_MODEL_NAME", "sonnet"),
        ("ANTHROPIC_SMALL_FAST_MODEL", "claude-opus-4-8"),
        ("ANTHROPIC_MODEL", "claude-opus-4-8"),
    ],
)
def test_a_pinned_model_of_the_same_family_is_no_fault(bench: Bench, find, variable: str, value: str):
    tiers(bench)
    bench.set_variable(variable, value)
    assert find("alias-override") == find("effective") == []


def test_a_model_of_another_family_is_a_warning(bench: Bench, find):
    bench.edit(bench.home.settings, model="opus", env={HAIKU: "claude-opus-4-8"})
    (found,) = find("alias-override")
    assert found["status"] == "warning"
    assert found["message"] == (
        f"{HAIKU}=claude-opus-4-8: what asks for haiku runs on a model of the opus family"
    )
    assert (found["path"], found["line"]) == (str(bench.home.settings), 4)
    assert found["hint"] == f"remove {HAIKU} from `env` there"


@pytest.mark.parametrize("value", ["sonnet", "haiku", "Opus", "sonnet[1m]"])
def test_an_alias_as_the_value_is_an_error(bench: Bench, find, value: str):
    bench.set_variable(HAIKU, value)
    (found,) = find("alias-override")
    assert found["status"] == "error"
    assert "haiku fails" in found["message"]
    assert found["hint"].endswith(f"or unset {HAIKU}")


def test_a_model_that_only_others_have_is_a_warning_without_others(bench: Bench, find):
    bench.set_variable(HAIKU, "qwen3-coder")
    (found,) = find("alias-override")
    assert found["status"] == "warning"
    assert "Anthropic's API does not have" in found["message"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ANTHROPIC_BASE_URL", "http://localhost:4000"), ("CLAUDE_CODE_USE_BEDROCK", "1")],
)
def test_behind_a_gateway_or_a_cloud_any_name_may_be_right(bench: Bench, find, variable: str, value: str):
    tiers(bench)
    bench.edit(bench.home.settings, env={variable: value})
    for name in ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc", "haiku"):
        bench.set_variable(HAIKU, name)
        assert find("alias-override") == find("effective") == []
    bench.set_variable(HAIKU, "sonnet")
    assert [one["status"] for one in find("alias-override")] == ["warning"]


def test_a_value_that_nobody_knows_is_not_judged(bench: Bench, find):
    bench.write(bench.home.path / ".zshrc", f"export {HAIKU}=$MY_MODEL\n")
    assert find("alias-override") == []


# --- tiers.available-models


def test_a_list_without_a_model_that_agents_ask_for_is_a_warning(bench: Bench, find):
    bench.client(NEWER)
    tiers(bench)
    bench.agent("second", "model: haiku")
    bench.edit(bench.home.settings, cleanupPeriodDays=5, availableModels=["opus", "sonnet"])
    (found,) = find("available-models")
    assert found["status"] == "warning"
    assert "leaves out haiku" in found["message"]
    assert found["message"].endswith("for cheap, second")
    assert (found["path"], found["line"]) == (str(bench.home.settings), 3)
    assert found["hint"] == 'add "haiku" to availableModels there'


@pytest.mark.parametrize(
    "models",
    [
        ["haiku", "sonnet", "opus"],
        ["HAIKU", " sonnet ", "opus"],
        ["claude-haiku-5-5", "claude-sonnet-5-5"],
        ["claude-haiku", "claude-sonnet-5"],
        ["haiku-5-5", "sonnet"],
        ["default", "best", "haiku", "sonnet"],
    ],
)
def test_a_list_with_all_that_agents_ask_for_is_no_fault(bench: Bench, find, models: list[str]):
    bench.client(NEWER)
    tiers(bench)
    bench.edit(bench.home.settings, availableModels=models)
    assert find("available-models") == find("effective") == []


def test_a_list_is_no_fault_where_no_agent_asks(bench: Bench, find):
    bench.edit(bench.home.settings, availableModels=["opus"])
    bench.agent("untold")
    bench.agent("heir", "model: inherit")
    assert find("available-models") == find("effective") == []


@pytest.mark.parametrize(("version", "astray"), [(OLDER, True), ("2.1.222", False), (NEWER, False)])
def test_an_older_model_of_the_family_is_taken_by_newer_clients(
    bench: Bench, find, version: str, astray: bool
):
    bench.client(version)
    bench.agent("cheap", "model: haiku")
    bench.edit(bench.home.settings, availableModels=["claude-haiku-3-0", "claude-haiku-4-0"])
    assert bool(find("available-models")) == bool(find("effective")) == astray


@pytest.mark.parametrize("models", ["opus", 5, {}, None, ["opus", 5], [None]])
def test_a_list_of_the_wrong_type_is_not_followed(bench: Bench, find, models: object):
    tiers(bench)
    bench.edit(bench.home.settings, availableModels=models)
    assert find("available-models") == find("effective") == []


def managed(bench: Bench, **settings: Any) -> World:
    """The bench below an administrator's settings."""
    folder = bench.home.path / "managed"
    bench.write(folder / "managed-settings.json", settings)
    layout = replace(Layout.from_environment(), managed=folder)
    return World(layout, {"HOME": str(bench.home.path)})


@pytest.mark.parametrize(
    ("listed", "entries"),
    [(["opus"], ("opus",)), ([5, "haiku"], ("haiku",)), ([], ()), ("opus", ()), (5, ())],
)
def test_an_administrators_list_counts_alone_and_a_wrong_one_forbids_all(
    bench: Bench, listed: object, entries: tuple[str, ...]
):
    bench.edit(bench.home.settings, availableModels=["sonnet"])
    allowed = subagent_models.steering(managed(bench, availableModels=listed)).allowed
    assert allowed is not None
    assert allowed.entries == entries
