"""What a command pays for: the documents that it was asked for itself, each request once, whatever moves."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from paid_behaviour import refusal, unauthorized
from pydantic import BaseModel
from runs import DIGEST, TRIAGE, Answer, Desk, Facts
from sqlalchemy import select

from supervisor_pipelines import Ask, Document, Extract, money
from supervisor_pipelines.journal import Journal, Options
from supervisor_pipelines.money import Wanted
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import documents

pytestmark = pytest.mark.slow  # each is a whole run, of two seconds or more


def long_documents(desk: Desk, number: int) -> None:
    desk.write(**{f"long{one}": f"{one} " * 8_000 for one in range(number)})


def test_a_later_command_for_other_paths_leaves_what_an_earlier_one_had_queued(desk: Desk) -> None:
    desk.write(12)
    desk.api.behave = lambda _asked: unauthorized()
    assert desk.run("--concurrency", "2").code == 1
    assert desk.status()["documents"]["done"] == 0
    desk.api.behave = lambda _asked: None

    (desk.folder / "new.txt").write_text("A new one.")
    assert desk.run("run", "new.txt").code == 0
    assert len(desk.api.billed()) == 1

    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 13
    assert len(desk.api.billed()) == 13


def test_a_batch_is_made_of_what_its_own_command_was_asked_for(desk: Desk) -> None:
    desk.write(3)
    assert "is reached" in desk.run("--batch", "--budget", "0").err
    (desk.folder / "new.txt").write_text("A new one.")
    assert desk.run("run", "new.txt", "--batch", "--budget", "5").code == 0
    assert len(desk.api.billed()) == 1
    assert desk.run("--batch").code == 0
    assert desk.statuses() == ["done"] * 4


def test_what_a_batch_has_answered_is_in_the_results_also_when_the_budget_ends_it(desk: Desk) -> None:
    long_documents(desk, 8)
    ran = desk.run("--batch", "--budget", "0.06")
    assert ran.code == 1
    assert "is reached" in ran.err
    done = desk.status()["documents"]["done"]
    assert 0 < done < 8
    assert desk.statuses() == ["done"] * done
    assert f"{done} done" in desk.report()


def test_a_document_that_is_moved_or_edited_during_its_batch_has_its_answer(desk: Desk) -> None:
    desk.write(3)

    def tidy_up() -> None:
        (desk.folder / "docs" / "d000.txt").unlink()
        desk.write(d001="Something else.")

    desk.api.hook("create", "billed", tidy_up)
    assert desk.run("--batch").code == 0
    assert desk.statuses() == ["done"] * 3
    assert len(desk.api.billed()) == 3


def test_a_prompt_that_is_another_each_time_is_paid_once_in_a_batch(desk: Desk) -> None:
    numbers = count()

    def dated(document: Document, _facts: Facts) -> str:
        return f"{document.text} Today is day {next(numbers)}."

    changing = replace(TRIAGE, ask=Ask(Answer, "You decide.", dated))
    desk.write(3)
    for _ in range(2):
        assert desk.run("--batch", pipeline=changing).code == 0
        assert desk.statuses() == ["done"] * 3
        assert len(desk.api.billed()) == 3


def test_the_script_sees_a_document_where_it_was_found_first(desk: Desk) -> None:
    def with_path(document: Document, _facts: Facts) -> str:
        return f"{document.path}: {document.text}"

    named = replace(TRIAGE, ask=Ask(Answer, "You decide.", with_path))
    desk.write(one="The same.")
    assert desk.run(pipeline=named).code == 0
    desk.write(two="The same.")
    assert desk.run("--local-model", "local-coder", pipeline=named).code == 0
    assert len(desk.api.billed()) == 1


def test_the_answer_over_all_documents_costs_nothing_more_when_they_are_moved(desk: Desk) -> None:
    assert DIGEST.digest is not None
    named = replace(DIGEST, digest=replace(DIGEST.digest, line=lambda document, _facts: document.path))
    desk.write(2)
    assert desk.run(pipeline=named).code == 0
    (desk.folder / "docs").rename(desk.folder / "moved")
    ran = desk.run("run", "moved", pipeline=named)
    assert ran.code == 0
    assert "without it" not in ran.err
    assert len(desk.api.billed()) == 1


def test_facts_of_an_earlier_form_are_left_out_of_the_answer_over_all_documents(desk: Desk) -> None:
    class Further(BaseModel):
        further: str

    assert DIGEST.digest is not None
    digest = replace(DIGEST.digest, line=lambda _document, facts: facts.further)
    changed = replace(DIGEST, extract=Extract(Further, "Sort it."), digest=digest)
    desk.write(2)
    assert desk.run(pipeline=DIGEST).code == 0
    ran = desk.run("run", "docs/d000.txt", pipeline=changed)
    assert ran.code == 0
    assert "d001.txt" in ran.err
    assert len(desk.api.billed()) == 2


def test_what_another_run_is_having_answered_is_left_and_said(desk: Desk) -> None:
    desk.write(2)
    assert "is reached" in desk.run("--batch", "--budget", "0").err
    with Store.opened(desk.out, None) as store, store.begin() as connection:
        key = connection.scalars(select(documents.c.asked)).first()
        assert key is not None
        money.reserve(connection, "other", "batch:theirs", [Wanted(key, "claude-sonnet-5-5", 0, 1)])
    ran = desk.run("--batch", "--budget", "5")
    assert ran.code == 1
    assert "1 document left: another run has asked the same" in ran.err
    assert desk.statuses() == ["done"]


def test_what_was_to_be_tried_again_and_was_not_asked_keeps_no_old_reason(desk: Desk) -> None:
    desk.write(2)
    desk.api.behave = lambda _asked: refusal()
    assert desk.run("--batch").code == 1
    assert desk.statuses() == ["failed"] * 2
    desk.api.behave = lambda _asked: None
    assert "is reached" in desk.run("run", "--retry-failed", "--budget", "0").err
    assert desk.status()["documents"]["failed"] == 0
    assert desk.run("--budget", "5").code == 0
    assert desk.statuses() == ["done"] * 2


def test_a_failed_document_with_two_paths_is_tried_again_once_in_a_command(tmp_path: Path) -> None:
    one, copy = (Document(path, "0" * 64, "") for path in ("/docs/one.txt", "/docs/copy.txt"))
    with Store.opened(tmp_path / "out", None) as store:
        journal = Journal(store, "run")
        for generation in (1, 2):
            journal.open(pipeline="p", form="f", options=Options(), executor="me")
            journal.note([one], generation=generation, work="w", retry=True)
            [task] = journal.take(generation)
            journal.finish(task, error="it is too odd")
            journal.note([copy], generation=generation, work="w", retry=True)
            assert not journal.take(generation)
