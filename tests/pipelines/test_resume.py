"""What another command on the same folder does again, and what it does not; and how a run is ended."""

import fcntl
import json
import shutil
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from local_api import answering, asked
from paid_behaviour import refusal
from runs import EXTRACT, TRIAGE, Answer, Desk, Facts, eventually, prompt

from supervisor_pipelines import Ask, Document
from supervisor_pipelines.engine import Engine
from supervisor_pipelines.journal import Task

pytestmark = pytest.mark.slow  # each is a whole run, of two seconds or more


def test_the_same_command_again_does_nothing_again(desk: Desk) -> None:
    desk.write(4)
    desk.run()
    before = desk.results()
    assert desk.run().code == 0
    assert desk.results() == before
    assert len(asked(desk.local)) == len(desk.api.billed()) == 4


def test_only_what_is_new_or_changed_is_done(desk: Desk) -> None:
    desk.write(3)
    desk.run()
    desk.write(new="A new one.", d001="Another text.")
    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 4
    assert len(desk.api.billed()) == 5


def test_a_single_new_document_is_added_to_the_results(desk: Desk) -> None:
    desk.write(3)
    desk.run()
    (desk.folder / "new.txt").write_text("A new one.")
    assert desk.run("run", "new.txt").code == 0
    assert desk.statuses() == ["done"] * 4


def test_a_document_that_was_moved_away_keeps_its_result(desk: Desk) -> None:
    desk.write(2)
    desk.run()
    (desk.folder / "docs" / "d000.txt").unlink()
    assert desk.run("run").code == 0
    assert desk.statuses() == ["done", "done"]


def test_without_paths_the_command_goes_on_with_those_of_before_and_their_options(desk: Desk) -> None:
    desk.write(2)
    desk.run("--local-only")
    desk.write(3)
    assert desk.run("run").code == 0
    assert desk.statuses() == ["done"] * 3
    assert not desk.api.billed()

    assert desk.run("run", "--no-local-only").code == 0
    assert len(desk.api.billed()) == 3
    assert len(asked(desk.local)) == 3


def test_what_has_failed_is_tried_again_when_that_is_asked_for_alone(desk: Desk) -> None:
    desk.write(3)
    desk.api.next(refusal())
    desk.run("--concurrency", "1")
    assert sorted(desk.statuses()) == ["done", "done", "failed"]

    assert desk.run().code == 1
    assert len(desk.api.billed()) == 3
    assert desk.run("run", "--retry-failed").code == 0
    assert desk.statuses() == ["done"] * 3
    assert len(desk.api.billed()) == 4
    assert len(asked(desk.local)) == 3


def test_what_another_file_of_the_script_says_counts_too(desk: Desk) -> None:
    assert TRIAGE.ask is not None
    desk.write(2)
    desk.run()
    assert desk.run(pipeline=replace(TRIAGE, ask=replace(TRIAGE.ask, system="You decide anew."))).code == 0
    assert len(desk.api.billed()) == 4
    assert len(asked(desk.local)) == 2


def test_a_look_at_the_standing_keeps_no_command_from_its_start(desk: Desk) -> None:
    desk.write(1)
    desk.run()
    with (desk.out / ".pipeline" / "lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.3, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        assert desk.run().code == 0


def test_another_question_is_asked_again_without_reading_again(desk: Desk) -> None:
    desk.write(3)
    desk.run()

    def other(document: Document, facts: Facts) -> str:
        return f"Now {prompt(document, facts)}"

    changed = replace(TRIAGE, ask=Ask(Answer, "You decide.", other))
    # A changed script is another file; here the digest of its text is told apart by the name of its model.
    assert desk.run("run", "docs", "--model", "claude-haiku-4-5", pipeline=changed).code == 0
    assert len(asked(desk.local)) == 3
    assert len(desk.api.billed()) == 6


def test_a_changed_script_that_asks_the_same_costs_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(3)
    desk.run()
    monkeypatch.setattr("supervisor_pipelines.identity.form", lambda _pipeline: "a comment was changed")
    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 3
    assert len(asked(desk.local)) == len(desk.api.billed()) == 3


def test_other_instructions_have_everything_read_again(desk: Desk) -> None:
    desk.write(2)
    desk.run()
    other = replace(TRIAGE, extract=replace(EXTRACT, instructions="Sort it otherwise."))
    desk.run("run", "docs", "--model", "claude-haiku-4-5", pipeline=other)
    assert len(asked(desk.local)) == 4


def test_half_a_line_that_a_kill_has_left_is_gone_with_the_next_command(desk: Desk) -> None:
    desk.write(2)
    desk.run()
    with (desk.out / "results.jsonl").open("a") as file:
        file.write('{"path": "/half')
    assert desk.run().code == 0
    assert desk.statuses() == ["done", "done"]


def test_a_run_that_is_killed_goes_on_where_it_was(desk: Desk) -> None:
    desk.write(30)
    gate = threading.Event()
    desk.local.fault = answering(0.02, gate=gate)
    first = desk.start("--concurrency", "4")
    eventually(lambda: len(asked(desk.local)) >= 4)
    gate.set()
    eventually(lambda: len(desk.api.billed()) >= 5)
    first.signal(signal.SIGKILL)
    first.ended()
    paid = len(desk.api.billed())
    assert paid < 30

    ran = desk.run()
    assert ran.code == 0, ran
    assert desk.statuses() == ["done"] * 30
    # What was in flight at the API when the process died may be asked again, and nothing else.
    assert len(desk.api.billed()) <= 30 + 4


def test_a_second_process_on_the_same_folder_is_refused_and_status_is_not(desk: Desk) -> None:
    desk.write(3)
    gate = threading.Event()
    desk.local.fault = answering(gate=gate)
    first = desk.start()
    eventually(lambda: asked(desk.local))
    ran = desk.run()
    assert ran.code == 1
    assert "out: another process is running it" in ran.err
    found = desk.status()
    assert found["running"] is True
    assert found["documents"]["done"] == 0
    gate.set()
    assert first.ended().code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_what_is_in_flight_and_begins_nothing(
    desk: Desk, number: signal.Signals
) -> None:
    desk.write(20)
    gate = threading.Event()
    desk.local.fault = answering(gate=gate)
    process = desk.start("--concurrency", "2")
    eventually(lambda: len(asked(desk.local)) == 2)
    process.signal(number)
    # It is asked for its end while both are in flight, so that no third may be begun.
    threading.Timer(1.0, gate.set).start()
    ran = process.ended()
    assert ran.code == 130, ran
    assert "interrupted; the same command goes on with it" in ran.err
    assert len(asked(desk.local)) == 2
    assert desk.statuses() == ["done", "done"]

    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 20
    assert len(desk.api.billed()) == 20


def test_the_second_signal_ends_at_once_and_loses_nothing(desk: Desk) -> None:
    desk.write(5)
    gate = threading.Event()
    desk.local.fault = answering(gate=gate)
    process = desk.start("--concurrency", "2")
    eventually(lambda: len(asked(desk.local)) == 2)
    process.signal(signal.SIGINT)
    threading.Event().wait(0.5)
    process.signal(signal.SIGINT)
    assert process.ended(5.0).code == 130
    gate.set()
    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 5


def test_a_budget_ends_the_run_before_it_is_exceeded_and_more_money_goes_on(desk: Desk) -> None:
    desk.write(**{f"long{number}": f"{number} " * 8_000 for number in range(8)})
    ran = desk.run("--budget", "0.11", "--concurrency", "2")
    assert ran.code == 1
    assert "the budget of $0.1100 is reached" in ran.err
    before = desk.status()
    assert 0 < before["usd"]["spent"] <= 0.11
    assert 0 < before["documents"]["done"] < 8
    assert before["documents"]["failed"] == 0

    assert "is reached" in desk.run("run").err  # the budget stays when none is given
    assert desk.status()["documents"]["done"] == before["documents"]["done"]
    assert desk.run("--budget", "5").code == 0
    assert desk.statuses() == ["done"] * 8
    assert len(desk.api.billed()) == 8


def test_a_batch_is_asked_at_half_price_and_shared_out(desk: Desk) -> None:
    desk.write(6)
    assert desk.run("--batch").code == 0
    assert desk.statuses() == ["done"] * 6
    assert len(desk.api.billed()) == 6
    assert desk.run("--batch").code == 0
    assert len(desk.api.billed()) == 6


def test_what_fails_in_a_batch_has_its_reason_and_can_be_tried_again(desk: Desk) -> None:
    desk.write(3)
    desk.api.batches.outcome = lambda _name, asked: (
        "expired" if "number 1" in asked["messages"][0]["content"] else "succeeded"
    )
    assert desk.run("--batch").code == 1
    assert desk.statuses() == ["done", "failed", "done"]
    assert "did not get to it within a day" in desk.results()[1]["error"]
    desk.api.batches.outcome = lambda _name, _asked: "succeeded"
    assert desk.run("run", "--retry-failed").code == 0
    assert desk.statuses() == ["done"] * 3


def test_a_damaged_state_is_said_and_the_results_stay(desk: Desk) -> None:
    desk.write(2)
    desk.run()
    before = desk.results()
    state = desk.out / ".pipeline" / "state.db"
    state.write_bytes(b"x" * 8192)
    ran = desk.run()
    assert ran.code == 1
    assert "state.db: is damaged" in ran.err
    assert desk.results() == before


@pytest.mark.parametrize("damaged", [False, True])
def test_a_lost_engine_database_costs_nothing(desk: Desk, *, damaged: bool) -> None:
    desk.write(5)
    gate = threading.Event()
    desk.local.fault = answering(0.02, gate=gate)
    process = desk.start("--concurrency", "2")
    eventually(lambda: len(asked(desk.local)) == 2)
    process.signal(signal.SIGKILL)
    process.ended()
    for file in (desk.out / ".pipeline").glob("dbos.db*"):
        file.unlink()
    if damaged:
        (desk.out / ".pipeline" / "dbos.db").write_bytes(b"no database" * 1000)
    gate.set()
    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 5


def test_what_the_engine_has_lost_is_enqueued_again_instead_of_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Engine.enqueue
    lost: list[Task] = []

    def loses_the_first(self: Engine, tasks: Sequence[Task]) -> None:
        if not lost:
            lost.extend(tasks[:2])
            tasks = tasks[2:]
        whole(self, tasks)

    monkeypatch.setattr(Engine, "enqueue", loses_the_first)
    monkeypatch.setattr("supervisor_pipelines.run.IDLE_SECONDS", 0.5)
    desk.write(4)
    assert desk.run().code == 0
    assert len(lost) == 2
    assert desk.statuses() == ["done"] * 4


def test_the_results_can_be_had_again_out_of_the_state(desk: Desk) -> None:
    desk.write(2)
    desk.run()
    before = desk.results()
    (desk.out / "results.jsonl").unlink()
    shutil.rmtree(desk.folder / "docs")
    assert desk.run("run").code in (0, 1)
    assert [json.dumps(line) for line in desk.results() if line["status"] == "done"] == [
        json.dumps(line) for line in before
    ]
