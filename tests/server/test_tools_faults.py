"""Contexts, models that think, servers that fail: what a whole run makes of them."""

import threading
import time
from pathlib import Path

import pytest
from fake_backend import closed_port, refuse_with
from scripted_model import (
    FILE_TOOLS,
    core_in,
    entry,
    good,
    prompts,
    scripted,
    settings_of,
    three_files,
    too_long,
)

from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import AllFailed, Delegation
from supervisor_mcp.files.library import Library
from supervisor_mcp.settings_types import Files
from supervisor_mcp.tools import asking, chunks, jobs, survey
from supervisor_mcp.tools.asking import Asker, Form
from supervisor_mcp.tools.jobs import Failed, Jobs, Unusable
from supervisor_mcp.tools.ports import Bench


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three small files."""
    return three_files(tmp_path)


def test_chunks_follow_the_context_that_the_backend_tells(project, backend):
    (project / "a.py").write_text("a line of forty characters, give or take\n" * 400)
    backend.extra = {
        "/v1/models": {"data": [{"id": "local-llama", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]}
    }
    scripted(backend, good)
    result = core_in(project, entry(backend)).call(
        "ask_about_files", {"paths": ["a.py"], "question": "?"}, Call()
    )
    assert not result.is_error
    sizes = [len(asked.material) for asked in prompts(backend) if asked.schema]
    assert len(sizes) > 3
    assert max(sizes) <= 2048 * asking.BYTES_PER_TOKEN


@pytest.mark.parametrize("known", [None, 1_000_000])
def test_an_unknown_context_is_taken_for_a_usual_one_and_a_huge_one_is_not_used_up(project, backend, known):
    meta = {"meta": {"n_ctx": known}} if known else {}
    backend.extra = {"/v1/models": {"data": [{"id": "local-llama", "owned_by": "vllm", **meta}]}}
    made = settings_of(entry(backend))
    bench = Bench(
        tool=made.tools[0],
        library=Library(Files(), str(project)),
        delegation=Delegation(made.backends),
        call=Call(),
    )
    expected = asking.MOST_CONTEXT_TOKENS if known else asking.DEFAULT_CONTEXT_TOKENS
    assert Asker(bench).context_tokens == expected


def test_a_chunk_that_is_too_long_after_all_is_halved_and_the_next_are_made_smaller(project, backend):
    for name in ("a.py", "b.py"):
        (project / name).write_text("中文字" * 2000 + "\n" + "x\n" * 200)

    def reply(asked):
        return too_long if len(asked.material.encode()) > 6000 else good(asked)

    scripted(backend, reply)
    core = core_in(project, entry(backend, parallel=1))
    result = core.call("ask_about_files", {"paths": ["*.py"], "question": "?"}, Call())
    assert not result.is_error, result.text
    assert "Failed" not in result.text
    refused = [asked for asked in prompts(backend) if len(asked.material.encode()) > 6000]
    assert {asked.title for asked in refused} == {"a.py"}


def test_a_chunk_that_no_model_takes_however_small_fails_with_the_reason(project, backend):
    scripted(backend, lambda asked: too_long if asked.title == "a.py" else good(asked))
    (project / "a.py").write_text("word " * 1000)
    result = core_in(project, entry(backend)).call("classify", FILE_TOOLS["classify"], Call())
    assert not result.is_error
    assert "[Failed: a.py: llama the prompt exceeds the model's context of 8192 tokens.]" in result.text


def test_a_model_that_spends_its_tokens_on_thinking_is_given_more_of_them(project, backend):
    def reply(asked):
        return good(asked) if asked.body["max_tokens"] >= 1000 else ("<think>hm, hm", "length")

    scripted(backend, reply)
    result = core_in(project, entry(backend)).call("classify", FILE_TOOLS["classify"], Call())
    assert "Failed" not in result.text
    assert result.text.startswith("code (3)")


def test_a_model_that_never_says_anything_is_one_clear_error(project, backend):
    scripted(backend, lambda _asked: ("<think>hm, hm", "length"))
    result = core_in(project, entry(backend)).call("classify", FILE_TOOLS["classify"], Call())
    assert result.is_error
    assert "it spent `max_output_tokens` on thinking" in result.text


def test_a_backend_that_dies_in_the_middle_leaves_what_was_done_and_says_what_was_not(project, backend):
    for number in range(30):
        (project / f"{number:02}.txt").write_text("x")
    count = [0]

    def reply(asked):
        count[0] += 1
        return refuse_with(401, "no") if count[0] > 10 else good(asked)

    scripted(backend, reply)
    core = core_in(project, entry(backend, parallel=1))
    result = core.call("classify", {"paths": ["*.txt"], "labels": ["code", "text"]}, Call())
    assert not result.is_error
    assert result.text.startswith("code (10): 00.txt")
    assert "[Failed: 10.txt: llama wants an API key and none is set.]" in result.text
    assert "[19 more were not begun, because llama wants an API key and none is set.]" in result.text
    assert len(prompts(backend)) == 11


def test_a_server_that_only_fails_is_given_up_after_a_few_files(project, backend):
    for number in range(30):
        (project / f"{number:02}.txt").write_text("x")
    scripted(backend, lambda _asked: refuse_with(418, "I am a teapot"))
    core = core_in(project, entry(backend, parallel=1))
    result = core.call("classify", {"paths": ["*.txt"], "labels": ["code", "text"]}, Call())
    assert result.is_error
    assert "teapot" in result.text
    assert len(prompts(backend)) == jobs.MAX_FAILURES_IN_A_ROW


def test_a_fallback_is_said_in_the_last_lines(project, backend):
    dead = {"name": "dead", "kind": "openai", "url": f"http://127.0.0.1:{closed_port()}"}
    scripted(backend, good)
    text = core_in(project, dead, entry(backend)).call("classify", FILE_TOOLS["classify"], Call()).text
    assert "[Answered by local-llama on llama, because dead cannot be reached: connection refused" in text


def test_a_bug_in_a_worker_is_a_bug_and_not_an_empty_answer():
    def work(_job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Jobs([1, 2, 3], work, lambda _number: None).run(2)


def test_of_several_bugs_the_first_counts_and_of_a_bug_and_a_cancel_the_cancel():
    together = threading.Barrier(3)

    def work(job):
        together.wait(10)
        time.sleep(0.05 * job)
        raise CallCancelled if job == 2 else KeyError(job)

    with pytest.raises(CallCancelled):
        Jobs([0, 1, 2], work, lambda _number: None).run(3)


def test_results_come_in_the_order_of_the_jobs():
    def work(job):
        time.sleep(0.001 * (10 - job))
        if job == 3:
            raise Unusable("is no good")
        return job * 2

    results = Jobs(range(10), work, lambda _number: None).run(4)
    assert [one.reason if isinstance(one, Failed) else one for one in results] == [
        0, 2, 4, "is no good", 8, 10, 12, 14, 16, 18,
    ]  # fmt: skip
    assert Failed(AllFailed(())).reason == "no backend"


def test_a_server_that_says_how_much_it_holds_is_believed(project, backend):
    (project / "a.py").write_text("a line of code\n" * 1000)

    def reply(asked):
        refusal = refuse_with(400, "the request exceeds the available context size (1024 tokens)")
        return refusal if len(asked.material) > 2500 else good(asked)

    scripted(backend, reply)
    given = {"paths": ["a.py"], "question": "?"}
    result = core_in(project, entry(backend)).call("ask_about_files", given, Call())
    assert "Failed" not in result.text
    assert "Incomplete" not in result.text
    refused = [asked for asked in prompts(backend) if len(asked.material) > 2500]
    assert len(refused) <= 3


def test_a_form_that_leaves_no_room_still_asks_about_small_chunks(project, backend):
    backend.extra = {
        "/v1/models": {"data": [{"id": "local-llama", "owned_by": "llamacpp", "meta": {"n_ctx": 256}}]}
    }
    made = settings_of(entry(backend))
    bench = Bench(
        tool=made.tools[0],
        library=Library(Files(), str(project)),
        delegation=Delegation(made.backends),
        call=Call(),
    )
    assert Asker(bench).room(Form(task="x", max_tokens=5000)) == chunks.MIN_BYTES


def test_failures_are_listed_up_to_a_bound(project):
    answers = []
    for number in range(15):
        one = survey.OfFile(chunks.whole(f"{number}", "x"))
        one.failed.append(Failed(Unusable("is no good")))
        answers.append(one)
    answers[0].values.append("x")
    lines = survey.failures(answers).splitlines()
    assert lines[0] == "[Incomplete: 0: is no good.]"
    assert lines[1] == "[Failed: 1: is no good.]"
    assert lines[-1] == "[5 more failed.]"
