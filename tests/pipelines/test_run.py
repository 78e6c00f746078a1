"""A run over documents: what it writes, what it leaves out, and how it says what went wrong."""

import json
import stat
from dataclasses import replace

import pytest
from local_api import asked
from paid_behaviour import bad_request, refusal, says, unauthorized, unknown_model
from runs import DIGEST, EXTRACT, TRIAGE, Answer, Desk, Facts, prompt

from supervisor_pipelines import Ask, Document, Pipeline

pytestmark = pytest.mark.slow  # each is a whole run, of two seconds or more


def test_every_document_is_extracted_and_answered_and_has_its_line(desk: Desk) -> None:
    desk.write(5)
    ran = desk.run()
    assert ran.code == 0, ran
    results = desk.results()
    assert [result["path"] for result in results] == [
        str(desk.folder / "docs" / f"d{number:03}.txt") for number in range(5)
    ]
    assert set(desk.statuses()) == {"done"}
    for result in results:
        Facts.model_validate(result["facts"])
        Answer.model_validate(result["answer"])
        assert result["error"] is None
    assert len(asked(desk.local)) == 5
    assert len(desk.api.billed()) == 5


def test_the_last_line_says_where_the_results_are(desk: Desk) -> None:
    desk.write(1)
    assert desk.run().out.splitlines()[-1] == "out/results.jsonl"


def test_the_report_tells_counts_money_and_reasons(desk: Desk) -> None:
    desk.write(2, empty="")
    desk.api.next(refusal())
    assert desk.run().code == 1
    report = desk.report()
    assert "2 of 2 documents ended: 1 done, 1 failed" in report
    assert "2 paid calls, $" in report
    assert "the model refused to answer" in report
    assert f"`{desk.folder / 'docs' / 'empty.txt'}`: is empty" in report


def test_two_paths_with_one_content_are_paid_once_and_have_a_line_each(desk: Desk) -> None:
    desk.write(one="The same.", two="The same.", other="Something else.")
    assert desk.run().code == 0
    lines = {result["path"].rpartition("/")[2]: result for result in desk.results()}
    assert lines["one.txt"]["answer"] == lines["two.txt"]["answer"] is not None
    assert lines["one.txt"]["sha256"] == lines["two.txt"]["sha256"]
    assert len(desk.api.billed()) == 2


def test_what_cannot_be_read_is_skipped_with_its_reason_and_the_rest_goes_on(desk: Desk) -> None:
    desk.write(1, empty="  \n")
    (desk.folder / "docs" / "binary.bin").write_bytes(b"\0\1\2" * 100)
    with (desk.folder / "docs" / "huge.txt").open("wb") as huge:
        huge.truncate(1_000_000_000)
    ran = desk.run()
    assert ran.code == 0
    reasons = {result["path"].rpartition("/")[2]: result["error"] for result in desk.results()}
    assert reasons.pop("d000.txt") is None
    assert reasons["binary.bin"] == "is binary"
    assert reasons["empty.txt"] == "is empty"
    assert "20" in reasons["huge.txt"]
    assert sorted(desk.statuses()) == ["done", "skipped", "skipped", "skipped"]


def test_a_run_over_nothing_says_so(desk: Desk) -> None:
    (desk.folder / "docs").mkdir()
    assert desk.run().code == 0
    assert desk.statuses() == ["skipped"]


def test_without_a_path_and_without_an_earlier_command_nothing_is_begun(desk: Desk) -> None:
    ran = desk.run("run")
    assert ran.code == 2
    assert "no PATH was given" in ran.err


def test_the_results_folder_is_none_of_the_documents(desk: Desk) -> None:
    desk.write(1)
    for _ in range(2):
        assert desk.run("run", ".").code == 0
    assert len(desk.results()) == 1


def test_local_only_needs_no_key_and_asks_claude_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_ANTHROPIC_API_KEY")
    desk.write(2)
    assert desk.run("--local-only").code == 0
    assert {result["answer"] for result in desk.results()} == {None}
    assert not desk.api.billed()


def test_a_missing_key_is_said_before_anything_is_begun(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-not-this-one")
    desk.write(1)
    ran = desk.run()
    assert ran.code == 1
    assert "SUPERVISOR_ANTHROPIC_API_KEY: is not set; ANTHROPIC_API_KEY is not read" in ran.err
    assert not asked(desk.local)


def test_claude_is_asked_only_about_what_the_script_takes_for_worth_it(desk: Desk) -> None:
    desk.write(alarm="It burns.", calm="All is well.")
    ask = Ask(Answer, "You decide.", prompt, when=lambda facts: bool(facts.topic) and False)
    assert desk.run(pipeline=replace(TRIAGE, ask=ask)).code == 0
    assert {result["answer"] for result in desk.results()} == {None}
    assert not desk.api.billed()


def test_a_function_of_the_script_that_raises_fails_its_document_alone(desk: Desk) -> None:
    def picky(document: Document, _facts: Facts) -> str:
        if "number 1" in document.text:
            raise KeyError("no such thing")
        return document.text

    desk.write(3)
    ran = desk.run(pipeline=replace(TRIAGE, ask=Ask(Answer, "You decide.", picky)))
    assert ran.code == 1
    assert desk.statuses() == ["done", "failed", "done"]
    error = desk.results()[1]["error"]
    assert error.startswith("the script's `prompt` raised KeyError: 'no such thing' (")
    assert f"{__file__}:" in error
    assert "report.md: 1 document failed" in ran.err
    assert "hint: run --retry-failed --out out" in ran.err


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (refusal(), "the model refused to answer"),
        (bad_request("prompt is too long"), "prompt is too long"),
        (says("this is no JSON"), "Claude's answer does not fit the form"),
    ],
)
def test_what_one_answer_is_worth_concerns_one_document(desk: Desk, behaviour: object, said: str) -> None:
    desk.write(3)
    desk.api.next(behaviour)
    assert desk.run("--concurrency", "1").code == 1
    assert sorted(desk.statuses()) == ["done", "done", "failed"]
    assert said in next(result["error"] for result in desk.results() if result["error"])


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [(unauthorized(), "refuses the key (HTTP 401"), (unknown_model("claude-sonnet-5-5"), "has no model")],
)
def test_what_no_document_would_escape_ends_the_run_in_one_line(
    desk: Desk, behaviour: object, said: str
) -> None:
    desk.write(30)
    desk.api.behave = lambda _asked: behaviour
    ran = desk.run("--concurrency", "2")
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert len(desk.api.asked) <= 2
    assert desk.status()["documents"]["failed"] == 0

    desk.api.behave = lambda _asked: None
    assert desk.run().code == 0
    assert desk.statuses() == ["done"] * 30


def test_a_local_backend_that_is_down_ends_the_run_early(desk: Desk) -> None:
    desk.write(30)
    ran = desk.run("run", "docs", "--litellm-url", "http://127.0.0.1:9", "--out", "out")
    assert ran.code == 1
    assert "http://127.0.0.1:9: local-llama on litellm" in ran.err
    assert desk.status()["documents"]["failed"] < 30


def test_a_digest_is_one_answer_over_all_documents(desk: Desk) -> None:
    desk.write(4)
    ran = desk.run(pipeline=DIGEST)
    assert ran.code == 0, ran
    assert len(desk.api.billed()) == 1
    assert "## Answer" in desk.report()
    assert '"summary"' in desk.report()
    assert {result["answer"] for result in desk.results()} == {None}

    assert desk.run(pipeline=DIGEST).code == 0
    assert len(desk.api.billed()) == 1


def test_a_digest_that_exceeds_its_prompt_is_made_of_parts_and_the_parts_again(desk: Desk) -> None:
    assert DIGEST.digest is not None
    long = replace(DIGEST.digest, line=lambda document, _facts: document.text * 8, prompt_tokens=100)
    desk.write(6)
    assert desk.run(pipeline=replace(DIGEST, digest=long)).code == 0
    prompts = [paid.prompt for paid in desk.api.billed()]
    assert len(prompts) > 3
    assert "Make one of them, about all." in prompts[-1]
    assert all(f"number {number}." in "".join(prompts[:-1]) for number in range(6))


def test_a_folder_of_another_pipeline_is_refused(desk: Desk) -> None:
    desk.write(1)
    assert desk.run().code == 0
    ran = desk.run(pipeline=Pipeline("else", EXTRACT))
    assert ran.code == 1
    assert "out: holds the results of the pipeline 'triage', not of 'else'" in ran.err


def test_a_results_file_that_is_not_ours_is_left_alone(desk: Desk) -> None:
    desk.write(1)
    desk.out.mkdir()
    (desk.out / "results.jsonl").write_text("mine\n")
    assert desk.run().code == 1
    assert (desk.out / "results.jsonl").read_text() == "mine\n"


def test_a_folder_may_have_any_name(desk: Desk) -> None:
    desk.write(1)
    odd = "a folder?x=1&y=%20#ü"
    assert desk.run("run", "docs", "--out", odd).code == 0
    assert (desk.folder / odd / ".pipeline" / "dbos.db").stat().st_size


def test_only_the_owner_can_read_the_state(desk: Desk) -> None:
    desk.write(1)
    desk.run()
    for file in (desk.out / ".pipeline").iterdir():
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


def test_the_engine_says_nothing_on_the_terminal(desk: Desk) -> None:
    desk.write(2)
    ran = desk.run()
    assert "dbos" not in (ran.out + ran.err).lower()
    assert not (desk.out / ".pipeline" / "engine.log").read_text()


def test_status_counts_documents_and_money(desk: Desk) -> None:
    desk.write(3, empty="")
    ran = desk.run("--budget", "1")
    assert ran.code == 0, ran
    found = desk.status()
    assert found["documents"] == {"waiting": 0, "queued": 0, "extracted": 0, "done": 3, "failed": 0}
    assert found["skipped"] == 1
    assert found["paid_calls"] == 3
    assert 0 < found["usd"]["spent"] < found["usd"]["budget"] == 1
    assert found["running"] is False
    assert json.dumps(found)
    assert "3 of 3 documents ended: 3 done" in desk.run("status").out


def test_status_of_a_folder_without_a_run_makes_nothing(desk: Desk) -> None:
    ran = desk.run("status")
    assert ran.code == 1
    assert ran.err.startswith("error: out: holds no run") or "out: holds no run" in ran.err
    assert not desk.out.exists()
