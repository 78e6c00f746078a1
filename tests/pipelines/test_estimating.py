"""`run --estimate`, as it is typed: it looks at everything, spends nothing and leaves nothing behind."""

import pytest
from local_api import asked
from runs import DIGEST, Desk


def test_before_anything_was_run_it_says_what_it_would_cost_and_writes_nothing(desk: Desk) -> None:
    desk.write(5, empty="")
    ran = desk.run("--estimate")
    assert ran.code == 0, ran
    assert ran.out.startswith("5 different documents of ")
    assert "claude-sonnet-5-5: 5 requests\n" in ran.out
    assert "as the API counts 5 of them" in ran.out
    assert "cost: $0.0" in ran.out
    assert "1 further path would be skipped" in ran.out
    assert not desk.out.exists()
    assert desk.api.billed() == []
    assert asked(desk.local) == []


def test_what_is_done_costs_nothing_more(desk: Desk) -> None:
    desk.write(3)
    assert desk.run().code == 0
    desk.write(5)
    ran = desk.run("--estimate")
    assert "5 different documents" in ran.out
    assert "; 3 of them are settled" in ran.out
    assert "claude-sonnet-5-5: 2 requests" in ran.out
    assert len(desk.api.billed()) == 3


def test_without_paths_it_looks_at_those_of_the_run(desk: Desk) -> None:
    desk.write(3)
    assert desk.run("--local-only").code == 0
    ran = desk.run("run", "--estimate", "--no-local-only", "--model", "claude-haiku-5-5")
    assert "claude-haiku-5-5: 3 requests" in ran.out
    nothing = desk.run("run", "--estimate")
    assert "Claude would not be asked" in nothing.out  # as in the run's last command


def test_without_any_path_it_says_so(desk: Desk) -> None:
    ran = desk.run("run", "--estimate")
    assert ran.code == 2
    assert "no PATH was given, now or earlier" in ran.err
    assert not desk.out.exists()


def test_it_needs_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_ANTHROPIC_API_KEY")
    desk.write(2)
    ran = desk.run("--estimate")
    assert ran.code == 0, ran
    assert "reckoned from bytes; with SUPERVISOR_ANTHROPIC_API_KEY set" in ran.out
    assert desk.api.counted == []


def test_a_wrong_key_is_told_before_anything_is_done_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_ANTHROPIC_API_KEY", "sk-ant-wrong")
    desk.write(2)
    ran = desk.run("--estimate")
    assert ran.code == 1
    assert "refuses the key" in ran.err


def test_a_digest_is_one_request_over_all(desk: Desk) -> None:
    desk.write(4)
    ran = desk.run("--estimate", pipeline=DIGEST)
    assert "claude-sonnet-5-5: 1 request\n" in ran.out
    assert desk.run("--estimate", "--model", "claude-opus-5-5", pipeline=DIGEST).out.count("opus") == 1


def test_the_folder_of_another_pipeline_is_not_looked_into(desk: Desk) -> None:
    desk.write(1)
    assert desk.run().code == 0
    ran = desk.run("--estimate", pipeline=DIGEST)
    assert ran.code == 1
    assert "holds the results of the pipeline 'triage'" in ran.err
