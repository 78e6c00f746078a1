"""What doctor says of hooks that stand twice."""

import pytest
from bench import Bench
from faults_settings import hook

OFFLINE = "--offline"


def hooks_of(bench: Bench, *groups: object, event: str = "PreToolUse") -> list[dict]:
    """What `settings.duplicate-hooks` finds with these groups in the user's settings."""
    bench.edit(bench.home.settings, hooks={event: list(groups)})
    return bench.findings("settings.duplicate-hooks", OFFLINE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (hook("~/log.sh"), hook("$HOME/log.sh")),
        (hook("${HOME}/log.sh a"), hook("~/log.sh  a ")),
        (hook("echo x"), hook("echo  x")),
        (hook("echo x"), hook("echo x ", "*")),
        (hook("echo x", "Edit|Bash"), hook('echo "x"', "Bash")),
        (hook("echo x", ""), hook("echo x ", "^Notebook.*")),
    ],
)
def test_one_command_in_two_spellings_runs_twice(bench: Bench, one: dict, other: dict):
    (found,) = hooks_of(bench, one, other)
    assert found["status"] == "warning"
    assert "runs both, each time" in found["message"]
    assert "`hooks.PreToolUse[1].hooks[0]` and hooks.PreToolUse[0].hooks[0]" in found["message"]


@pytest.mark.parametrize(
    "groups",
    [
        (hook("echo x"), hook("echo y")),
        (hook("echo x", "Bash"), hook("echo x ", "Edit")),
        (hook("echo x", "Bash"), hook("echo x", "Edit")),
        (hook("echo x", "Bash"), hook("echo x", "*")),
        (hook("echo x", **{"if": "Bash(git *)"}), hook("echo x", **{"if": "Bash(npm *)"})),
        (hook("echo 'a  b'"), hook("echo 'a b'")),
        (hook("echo 'open"), hook("echo 'open x")),
        ({"hooks": [{"type": "prompt", "prompt": "x"}]}, {"hooks": [{"type": "prompt", "prompt": "x"}]}),
    ],
)
def test_different_hooks_are_no_finding(bench: Bench, groups: tuple[dict, ...]):
    assert hooks_of(bench, *groups) == []


def test_the_same_hook_twice_in_a_file_is_worth_knowing(bench: Bench):
    (found,) = hooks_of(bench, hook("echo x"), hook("echo x"))
    assert found["status"] == "info"
    assert "runs it once" in found["message"]


def test_the_same_hook_in_two_files_is_no_finding(bench: Bench):
    bench.edit(bench.project / ".claude" / "settings.json", hooks={"PreToolUse": [hook("echo x")]})
    assert hooks_of(bench, hook("echo x")) == []


def test_of_the_same_hook_with_other_options_the_last_counts(bench: Bench):
    path = bench.project / ".claude" / "settings.json"
    bench.edit(path, hooks={"PreToolUse": [hook("echo x", timeout=5)]})
    (found,) = hooks_of(bench, hook("echo x"))
    assert (found["status"], found["path"]) == ("warning", str(path))
    assert "of ~/.claude/settings.json" in found["message"]
    assert "with those given here" in found["message"]


def test_three_alike_are_two_findings(bench: Bench):
    assert len(hooks_of(bench, hook("echo x"), hook("echo x"), hook("echo x"))) == 2


def test_hooks_that_are_switched_off_run_not_even_once(bench: Bench):
    bench.edit(bench.home.settings, disableAllHooks=True)
    assert hooks_of(bench, hook("echo x"), hook("echo  x")) == []


@pytest.mark.parametrize(
    "value", ["x", [], None, {"PreToolUse": "x"}, {"PreToolUse": ["x", {"hooks": "x"}, {"hooks": [5, {}]}]}]
)
def test_hooks_of_another_shape_are_left_to_the_schema(bench: Bench, value: object):
    bench.edit(bench.home.settings, hooks=value)
    assert bench.findings("settings.duplicate-hooks", OFFLINE) == []


def test_very_many_hooks_do_not_take_long(bench: Bench):
    bench.edit(bench.home.settings, hooks={"Stop": [hook(f"echo {number}") for number in range(3_000)]})
    assert bench.findings("settings.duplicate-hooks", OFFLINE) == []
