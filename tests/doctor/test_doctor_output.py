"""What doctor shows a person, and what it promises a program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup import report
from supervisor_setup.checks import registry
from supervisor_setup.result import Result

MAKE_PAGE = Path(__file__).parents[2] / "docs" / "make_doctor.py"


def test_the_page_about_the_checks_is_up_to_date():
    ran = subprocess.run([sys.executable, MAKE_PAGE, "--check"], check=False)
    assert ran.returncode == 0, "python docs/make_doctor.py"


def test_the_list_of_checks_names_each_with_what_it_catches(bench: Bench):
    shown = bench.cli("doctor", "--list-checks").out
    listed = bench.cli("--json", "doctor", "--list-checks").json["checks"]
    for check in registry.CHECKS:
        assert f"{check.id} " in shown
    assert [one["id"] for one in listed] == [check.id for check in registry.CHECKS]
    assert {one["reach"] for one in listed} == {"files", "local", "deep"}


def test_ids_are_unique_and_of_one_family_each_in_one_piece():
    ids = [check.id for check in registry.CHECKS]
    assert len(set(ids)) == len(ids)
    families = list(dict.fromkeys(check.family for check in registry.CHECKS))
    assert sorted(ids, key=lambda one: families.index(one.partition(".")[0])) == ids


def test_the_worst_family_comes_first_and_counts_come_last(bench: Bench):
    bench.install()
    bench.agent("odd", "colour: blue")
    (bench.home.agents / "explorer.md").unlink()
    lines = bench.cli("doctor", "--offline", code=2).out.splitlines()
    assert lines[0].startswith("error   drift.missing")
    assert lines[1].startswith("        hint: to bring it back: ")
    assert lines[2].startswith("warning agents.unknown-key")
    assert lines[-1].endswith("1 warning, 1 error")


def test_a_repositorys_names_cannot_steer_the_terminal(bench: Bench):
    name = "x\x1b]0;owned\x07\nok      all is well"
    bench.write(bench.project / ".mcp.json", {"mcpServers": {name: {"command": 5}}})
    out = bench.cli("--color", "always", "doctor", "--offline", "--check", "server", code=2).out
    assert r"mcpServers.x\x1b]0;owned\x07\nok      all is well: `command` is not" in out
    assert "\x1b]" not in out


def test_home_is_shown_as_a_tilde_in_messages_and_hints(bench: Bench):
    bench.install()
    bench.write(bench.home.settings, "{,}")
    out = bench.cli("doctor", "--offline", code=2).out
    assert "~/.claude/settings.json:1: " in out
    assert "python3 -m json.tool ~/.claude/settings.json" in out
    assert str(bench.home.path) not in out


def test_a_home_at_the_root_shortens_nothing():
    finding = {"id": "a.b", "family": "a", "status": "info", "message": "see https://x/y", "hint": "ls //x"}
    finding |= {"path": None, "line": None}
    data = {"findings": [finding], "counts": {}, "diffs": [], "mended": [], "verbose": False}
    shown = report.text(Result("doctor", data), Path("/"))
    assert "see https://x/y" in shown
    assert "ls //x" in shown


def test_a_path_in_quotes_keeps_its_home(bench: Bench):
    bench.install()
    (bench.home.agents / "explorer.md").unlink()
    config = bench.write(bench.home.path / "my files" / "config.yaml", "{}")
    out = bench.cli("--config", str(config), "doctor", "--offline", code=2).out
    assert f"--config '{config}' install" in out


def test_what_was_not_looked_at_is_told_with_its_reason(bench: Bench):
    bench.install()
    out = bench.cli("doctor", "--offline").out
    assert "not looked at with --offline" in out
    assert "only looked at with --deep" in out


def test_verbose_shows_the_difference_of_what_drifted(bench: Bench):
    bench.install()
    bench.write(bench.home.agents / "explorer.md", "mine\n")
    assert "-mine" in bench.cli("doctor", "--offline", "--verbose", code=2).out
    assert "-mine" not in bench.cli("doctor", "--offline", code=2).out


def test_a_family_can_be_asked_for_alone(bench: Bench):
    bench.install()
    for word in ("drift", "drift.*"):
        ran = bench.cli("--json", "doctor", "--offline", "--check", word)
        assert {one["family"] for one in ran.json["findings"]} == {"drift"}


def test_a_misspelt_check_is_answered_with_the_nearest(bench: Bench):
    ran = bench.cli("doctor", "--check", "drift.mising", code=2)
    assert "did you mean drift.missing?" in ran.err


def test_offline_and_deep_exclude_each_other(bench: Bench):
    assert "exclude each other" in bench.cli("doctor", "--offline", "--deep", code=2).err


@pytest.mark.parametrize("strict", [False, True])
def test_only_strict_lets_a_warning_count(bench: Bench, strict: bool):
    bench.install()
    bench.agent("wide", "disallowedTools: nothing", body="")
    options = ("--strict",) if strict else ()
    bench.cli("doctor", "--offline", "--check", "agents", *options, code=2 if strict else 0)


def test_doctor_runs_in_a_home_where_everything_is_broken_and_changes_nothing(bench: Bench):
    bench.install()
    for path in (bench.home.settings, bench.home.client, bench.home.config):
        bench.write(path, b"\xff{")
    for path in (bench.home.state / "manifests").iterdir():
        path.write_bytes(b"\x00")
    (bench.home.agents / "folder.md").mkdir()
    before = bench.home.files()
    ran = bench.cli("--json", "doctor", code=2)
    assert json.dumps(ran.json)
    assert bench.home.files() == before
