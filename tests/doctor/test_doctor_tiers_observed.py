"""What the client's own transcripts say of the models that agents ran on."""

import os
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from bench import Bench
from faults_tiers import ran, summary

from supervisor_setup.checks import transcripts
from supervisor_setup.checks.loaded_agents import loaded
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout


@pytest.fixture
def find(bench: Bench) -> Callable[..., list[Mapping[str, Any]]]:
    """`find("effective")` gives the findings of tiers.effective."""
    return lambda check: bench.findings(f"tiers.{check}", "--offline")


def test_a_run_on_another_model_is_found(bench: Bench, find):
    path = bench.agent("cheap", "model: haiku")
    for _ in range(2):
        ran(bench, "cheap", "claude-opus-5-5")
    ran(bench, "cheap", "claude-haiku-5-5")
    (found,) = find("observed")
    assert found["status"] == "warning"
    assert found["message"] == (
        "cheap asks for haiku; 2 of its last 3 runs ran on claude-opus-5-5 (last on 2099-01-01)"
    )
    assert (found["path"], found["line"]) == (str(path), 5)
    command = shlex.split(found["hint"].partition(": ")[2])
    assert command[0] == "supervisor-setup"
    assert "tiers.effective" in bench.cli(*command[1:], "--offline", code=None).out


def test_several_wrong_models_are_counted(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    for model in ("claude-opus-5-5", "claude-opus-5-5", "claude-sonnet-5-5"):
        ran(bench, "cheap", model)
    (found,) = find("observed")
    assert "3 of its last 3 runs ran on claude-opus-5-5 and 1 more" in found["message"]


def test_runs_as_the_file_asks_are_no_fault(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    bench.agent("deep", "model: claude-opus-4-8")
    ran(bench, "cheap", "claude-haiku-4-5-20251001")
    ran(bench, "deep", "claude-opus-5-5")
    assert find("observed") == []
    assert summary(bench, "observed") == "2 agents ran as their files ask, by the last 2 runs"


def test_runs_before_the_file_was_changed_do_not_count(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    ran(bench, "cheap", "claude-opus-5-5", started="2020-01-01T10:00:00.000Z")
    assert find("observed") == []
    assert summary(bench, "observed") == "nothing found"


def test_a_run_that_began_before_the_change_and_ended_after_it_does_not_count(bench: Bench, find):
    path = bench.agent("cheap", "model: haiku")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    ran(bench, "cheap", "claude-opus-5-5", started="2023-11-14T22:13:19Z")
    assert find("observed") == []
    ran(bench, "cheap", "claude-opus-5-5", started="2023-11-14T22:13:21Z")
    assert "its last run ran on claude-opus-5-5 (last on 2023-11-" in find("observed")[0]["message"]


def test_what_has_been_mended_is_forgotten_after_five_runs(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    ran(bench, "cheap", "claude-opus-5-5", started="2098-01-01T00:00:00Z")
    for day in range(1, 5):
        ran(bench, "cheap", "claude-haiku-5-5", started=f"2099-01-0{day}T00:00:00Z")
    assert "1 of its last 5 runs" in find("observed")[0]["message"]
    ran(bench, "cheap", "claude-haiku-5-5", started="2099-01-05T00:00:00Z")
    assert find("observed") == []


def test_only_the_last_thirty_runs_count(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    for number in range(40):
        ran(bench, "cheap", "claude-opus-5-5", started=f"2099-01-01T00:00:{number:02}Z")
    assert "30 of its last 30 runs" in find("observed")[0]["message"]


def test_a_model_that_claude_named_in_the_call_is_worth_knowing(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    ran(bench, "cheap", "claude-opus-5-5", named="opus")
    (found,) = find("observed")
    assert found["status"] == "info"
    assert found["message"].endswith("; Claude named that model in the call")
    assert "CLAUDE.md" in found["hint"]
    ran(bench, "cheap", "claude-opus-5-5", named="claude-opus-5-5")
    (found,) = find("observed")
    assert found["status"] == "warning"
    assert found["message"].endswith("; Claude named that model in the call in 1 of them")


@pytest.mark.parametrize("model", ["inherit", "gpt-4", "best"])
def test_what_may_run_on_several_models_is_compared_by_family_or_not_at_all(bench: Bench, find, model: str):
    bench.agent("some", f"model: {model}")
    ran(bench, "some", "claude-opus-5-5")
    assert find("observed") == []


def test_a_model_that_tells_no_family_is_not_compared(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    ran(bench, "cheap", "my-deployment")
    ran(bench, "cheap", "<synthetic>")
    assert find("observed") == []


def test_an_agent_without_a_model_and_one_that_is_gone_are_not_compared(bench: Bench, find):
    bench.agent("untold")
    ran(bench, "untold", "claude-opus-5-5")
    ran(bench, "Explore", "claude-opus-5-5")
    assert find("observed") == []


def test_an_agent_of_another_projects_with_the_same_name_is_another(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    other = bench.home.path / "other"
    bench.agent("cheap", "model: opus", path=other / ".claude" / "agents" / "x.md")
    ran(bench, "cheap", "claude-opus-5-5", cwd=str(other / "src"))
    assert find("observed") == []
    ran(bench, "cheap", "claude-opus-5-5", cwd=str(bench.home.path / "third"))
    assert "its last run" in find("observed")[0]["message"]


def test_a_projects_agent_is_compared_with_runs_in_the_project(bench: Bench, find):
    bench.agent("cheap", "model: haiku", path=bench.project / ".claude" / "agents" / "cheap.md")
    ran(bench, "cheap", "claude-opus-5-5", cwd=str(bench.home.path / "other"))
    assert find("observed") == []
    ran(bench, "cheap", "claude-opus-5-5", cwd=str(bench.project / "src"))
    assert "its last run" in find("observed")[0]["message"]


GOOD_FIRST = '{"type":"user","timestamp":"2099-01-01T00:00:00Z","cwd":"/x"}'
ANSWER = '{"type":"assistant","message":{"model":"claude-opus-5-5","role":"assistant"}}'


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "\n\n",
        GOOD_FIRST,
        f"{GOOD_FIRST}\n{ANSWER[:-30]}",
        f"{ANSWER}\n",
        f'{GOOD_FIRST}\n{{"type":"assistant","message":5}}\n',
        f'{GOOD_FIRST}\n{{"type":"assistant","message":{{"model":5}}}}\n',
        f'{GOOD_FIRST}\n["assistant"]\n',
        f"{GOOD_FIRST.replace('2099-01-01T00:00:00Z', 'yesterday')}\n{ANSWER}\n",
        f'{{"type":"user","timestamp":5,"cwd":"/x"}}\n{ANSWER}\n',
        f"[{GOOD_FIRST}]\n{ANSWER}\n",
        "[" * 50_000,
        "\xff\x00",
    ],
)
def test_a_broken_transcript_is_no_run(bench: Bench, find, lines: str):
    bench.agent("cheap", "model: haiku")
    folder = bench.home.path / ".claude/projects/-x/y/subagents"
    bench.write(folder / "agent-1.jsonl", lines.encode("latin-1"))
    bench.write(folder / "agent-1.meta.json", {"agentType": "cheap"})
    assert find("observed") == []


@pytest.mark.parametrize("meta", ["", "{", "[]", "5", '{"agentType": 5}', '{"agentType": null}'])
def test_a_broken_description_is_no_run(bench: Bench, find, meta: str):
    bench.agent("cheap", "model: haiku")
    folder = bench.home.path / ".claude/projects/-x/y/subagents"
    bench.write(folder / "agent-1.jsonl", f"{GOOD_FIRST}\n{ANSWER}\n")
    assert find("observed") == []
    bench.write(folder / "agent-1.meta.json", meta)
    assert find("observed") == []


def test_a_half_written_last_line_does_not_hide_the_run(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    folder = bench.home.path / ".claude/projects/-x/y/subagents"
    bench.write(folder / "agent-1.jsonl", f'{GOOD_FIRST}\n{ANSWER}\n{{"type":"assistant","mess')
    bench.write(folder / "agent-1.meta.json", {"agentType": "cheap"})
    assert "its last run ran on claude-opus-5-5" in find("observed")[0]["message"]


@pytest.mark.parametrize(
    ("before", "after"), [(200_000, 0), (200_000, 1_000), (0, 3_000_000)], ids=["late", "middle", "early"]
)
def test_of_a_long_transcript_the_ends_are_read(bench: Bench, find, before: int, after: int):
    bench.agent("cheap", "model: haiku")
    folder = bench.home.path / ".claude/projects/-x/y/subagents"
    text = "\n".join((GOOD_FIRST, "x" * before, ANSWER, "y" * after, ""))
    bench.write(folder / "agent-1.jsonl", text)
    bench.write(folder / "agent-1.meta.json", {"agentType": "cheap"})
    assert "its last run ran on claude-opus-5-5" in find("observed")[0]["message"]


def test_a_transcript_whose_answer_is_far_inside_is_known_by_its_description(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    folder = bench.home.path / ".claude/projects/-x/y/subagents"
    bench.write(folder / "agent-1.jsonl", "\n".join((GOOD_FIRST, "x" * 200_000, ANSWER, "y" * 200_000, "")))
    bench.write(folder / "agent-1.meta.json", {"agentType": "cheap"})
    assert find("observed") == []
    bench.write(folder / "agent-1.meta.json", {"agentType": "cheap", "model": "claude-sonnet-5-5"})
    assert "its last run ran on claude-sonnet-5-5" in find("observed")[0]["message"]


def test_other_files_among_the_transcripts_are_passed_over(bench: Bench, find):
    bench.agent("cheap", "model: haiku")
    projects = bench.home.path / ".claude" / "projects"
    bench.write(projects / "README", "x")
    bench.write(projects / "-x" / "session.jsonl", ANSWER)
    bench.write(projects / "-x" / "session" / "subagents", "not a folder")
    (projects / "-x" / "other" / "subagents" / "agent-1.jsonl").mkdir(parents=True)
    assert find("observed") == []


def many(bench: Bench, runs: int, sessions: int) -> None:
    for number in range(sessions):
        folder = bench.home.path / f".claude/projects/-x{number % 20}/{number}/subagents"
        folder.mkdir(parents=True)
        for run in range(runs // sessions):
            (folder / f"agent-{run}.jsonl").write_text(f"{GOOD_FIRST}\n{ANSWER}\n", encoding="utf-8")
            (folder / f"agent-{run}.meta.json").write_text('{"agentType": "cheap"}', encoding="utf-8")


def test_of_very_many_transcripts_only_the_newest_are_looked_at(
    bench: Bench, find, monkeypatch: pytest.MonkeyPatch
):
    bench.agent("cheap", "model: haiku")
    many(bench, runs=1_000, sessions=100)
    monkeypatch.setattr(transcripts, "MAX_CPU_SECONDS", 60.0)
    assert len(transcripts.recent(bench.home.path / ".claude", {"cheap"}, 0.0, 60).runs) == 60
    (found,) = find("observed")
    assert "30 of its last 30 runs" in found["message"]
    assert "not looked at" not in found["message"]


def test_it_is_told_when_older_runs_were_left_out(bench: Bench, find, monkeypatch: pytest.MonkeyPatch):
    bench.agent("cheap", "model: haiku")
    many(bench, runs=40, sessions=4)
    monkeypatch.setattr(transcripts, "MAX_RUNS", 10)
    (found,) = find("observed")
    assert "10 of its last 10 runs" in found["message"]
    assert found["message"].endswith("; older runs were not looked at")


@pytest.mark.parametrize("limit", ["MAX_SECONDS", "MAX_CPU_SECONDS"])
def test_the_time_is_a_limit_too(bench: Bench, monkeypatch: pytest.MonkeyPatch, limit: str):
    many(bench, runs=40, sessions=4)
    monkeypatch.setattr(transcripts, limit, -1.0)
    assert transcripts.recent(bench.home.path / ".claude", {"cheap"}, 0.0, 60).runs == ()


def test_agents_are_read_once_for_all_checks(bench: Bench):
    bench.agent("cheap", "model: haiku")
    world = World(Layout.from_environment(), {})
    assert loaded(world) is loaded(world)
