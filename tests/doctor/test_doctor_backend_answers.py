"""What doctor says of models that are asked: a question, and a long prompt."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from backend_bench import listing, one_tool, use
from bench import Bench
from fake_backend import Handler, hang, litellm, ollama, openai, refuse_with

pytestmark = pytest.mark.usefixtures("only_planted_programs")


def secret(prompt: str) -> str:
    """What a model answers that finds the number, or makes one up."""
    found = re.search(r"secret number is (\d+)\.", prompt)
    return f"It is {found[1]}." if found else "I do not know."


KINDS: dict[str, Callable[..., dict[str, Any]]] = {"litellm": litellm, "ollama": ollama, "openai": openai}


def test_a_model_that_says_nothing_is_an_error(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(answer=" ")))
    found = bench.one("backend", "--deep")
    assert (found["id"], found["status"]) == ("backend.answer", "error")
    assert "the model's answer is empty" in found["message"]


def test_a_thinking_model_is_given_the_tokens_that_the_tool_gives_it(bench: Bench):
    backend = bench.new_backend(answer="<think>long", finish="length")
    one_tool(bench, litellm(backend), max_output_tokens=900)
    found = bench.one("backend", "--deep")
    assert [one.body["max_tokens"] for one in backend.asked("/v1/chat/completions")] == [64, 900]
    assert "spent `max_output_tokens` on thinking" in found["message"]
    assert "config set tools.ask_local_llama.max_output_tokens NUMBER, above 900" in found["hint"]


def test_a_thinking_model_that_needs_a_few_more_is_healthy(bench: Bench):
    backend = bench.new_backend()

    def think(handler: Handler) -> None:
        backend.answer, backend.fault = "", None
        handler.send_completion(stream=True)
        backend.answer = "Paris."

    backend.fault = think
    one_tool(bench, litellm(backend))
    assert bench.findings("backend.answer", "--deep") == []


def test_a_model_without_an_answer_in_time_is_a_finding(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(fault=hang), timeout=0.2))
    found = bench.one("backend", "--deep")
    assert found["status"] == "error"
    assert "gave no answer within 0.2 s" in found["message"]
    assert "config set backends.0.timeout SECONDS" in found["hint"]


def test_doctor_waits_less_than_the_tools_and_then_does_not_know(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("supervisor_setup.checks.backend_answers.ANSWER_SECONDS", 0.2)
    use(bench, litellm(bench.new_backend(fault=hang)))
    found = bench.findings("backend", "--deep")
    assert [one["status"] for one in found] == ["warning", "warning"]
    assert "was not asked: the models before it took all the time" in found[1]["message"]


def test_a_proxy_whose_server_is_gone_is_quoted(bench: Bench):
    fault = refuse_with(500, "litellm.InternalServerError: Connection error")
    one_tool(bench, litellm(bench.new_backend(fault=fault)))
    assert "failed with HTTP 500: litellm.InternalServerError" in bench.one("backend", "--deep")["message"]


def test_where_another_backend_answers_it_is_a_warning(bench: Bench):
    other = {**litellm(bench.new_backend()), "name": "second"}
    one_tool(bench, litellm(bench.new_backend(answer="")), other)
    assert bench.one("backend", "--deep")["status"] == "warning"


def test_llama_swap_that_gives_up_on_a_model_is_told_how_to_wait(bench: Bench):
    fault = refuse_with(502, "unable to start process: health check timed out after 2m0s")
    one_tool(bench, openai(bench.new_backend(fault=fault)))
    assert "healthCheckTimeout" in bench.one("backend.answer", "--deep")["hint"]


def test_a_name_that_llama_swap_does_not_know_after_all_is_an_error(bench: Bench):
    pages = listing("other", owner="llama-swap")
    fault = refuse_with(404, "no router for requested model")
    one_tool(bench, openai(bench.new_backend(pages=pages, fault=fault)))
    found = {one["id"]: one for one in bench.findings("backend", "--deep")}
    assert found["backend.answer"]["status"] == "error"
    assert "does not serve the model local-llama" in found["backend.answer"]["message"]
    assert found["backend.answer"]["hint"].endswith("backends.0.models.local-llama NAME")


def test_a_model_that_is_not_there_is_not_asked(bench: Bench):
    backend = bench.new_backend(models=["a", "b"])
    one_tool(bench, litellm(backend))
    assert [one["id"] for one in bench.findings("backend", "--deep")] == ["backend.models"]
    assert backend.asked("/v1/chat/completions") == []


def test_the_default_run_asks_no_model(bench: Bench):
    backend = bench.new_backend()
    use(bench, litellm(backend))
    assert bench.findings("backend") == []
    assert [one for one in backend.seen if one.body is not None] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_prompt_shows_in_the_tokens(bench: Bench, kind: str):
    one_tool(bench, KINDS[kind](bench.new_backend(window=4096)))
    (found,) = [one for one in bench.findings("backend", "--deep") if one["id"] == "backend.context"]
    assert found["status"] == "error"
    assert re.search(
        r"read 4,096 of some [56],\d00 tokens of a long prompt, without an error", found["message"]
    )
    assert {"litellm": "num_ctx", "ollama": "OLLAMA_CONTEXT_LENGTH", "openai": "kind ollama"}[kind] in found[
        "hint"
    ]


def test_a_cut_that_the_servers_own_client_would_notice_is_told_all_the_same(bench: Bench):
    pages = {"/api/version": (200, {"version": "0.12.0"})}
    one_tool(bench, ollama(bench.new_backend(window=2048, pages=pages)))
    found = bench.one("backend.context", "--deep")
    assert "read 2,048 of some" in found["message"]


def test_the_tokens_are_asked_for_in_one_piece(bench: Bench):
    backend = bench.new_backend(window=8192)
    one_tool(bench, litellm(backend))
    bench.findings("backend.context", "--deep")
    asked = [one.body for one in backend.asked("/v1/chat/completions") if "secret number" in str(one.body)]
    assert [(one["stream"], "stream_options" in one) for one in asked] == [(False, False)] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ["I do not know.", secret], ids=["weak", "able"])
def test_a_prompt_that_is_read_whole_is_healthy(bench: Bench, kind: str, answer: Any):
    one_tool(bench, KINDS[kind](bench.new_backend(window=8192, answer=answer)))
    assert [one for one in bench.findings("backend", "--deep") if one["id"] == "backend.context"] == []


def test_a_number_that_is_found_proves_that_all_was_read(bench: Bench):
    def miscount(handler: Handler) -> None:
        prompt = handler.backend.seen[-1].body["messages"][-1]["content"]
        choice = {"finish_reason": "stop", "message": {"content": secret(prompt)}}
        handler.send_json(200, {"choices": [choice], "usage": {"prompt_tokens": min(900, len(prompt))}})

    one_tool(bench, litellm(bench.new_backend(fault=miscount)))
    assert bench.findings("backend.context", "--deep") == []


def test_without_counts_a_model_that_lost_the_number_is_a_warning(bench: Bench):
    def short_sighted(prompt: str) -> str:
        return secret(prompt[-16_000:])

    one_tool(bench, litellm(bench.new_backend(answer=short_sighted, counts=False)))
    found = bench.one("backend", "--deep")
    assert (found["id"], found["status"]) == ("backend.context", "warning")
    assert "did not see the beginning of a long prompt" in found["message"]


def test_without_counts_a_model_that_never_finds_it_says_nothing(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(answer="I do not know.", counts=False)))
    assert bench.findings("backend", "--deep") == []


def test_a_server_that_refuses_is_as_it_should_be(bench: Bench):
    def refuse_long(handler: Handler) -> None:
        asked = handler.backend.seen[-1].body
        if len(str(asked["messages"])) > 10_000:
            handler.send_json(400, {"error": {"message": "exceeds the available context size (4096 tokens)"}})
        else:
            handler.send_completion(stream=asked["stream"])

    one_tool(bench, litellm(bench.new_backend(fault=refuse_long)))
    assert bench.findings("backend", "--deep") == []


@pytest.mark.parametrize(
    ("give_up", "seconds"), [(hang, 1), (refuse_with(408, "litellm.Timeout"), 60)], ids=["doctor", "proxy"]
)
def test_a_model_that_is_slow_with_a_long_prompt_is_left_undecided(
    bench: Bench, give_up: Any, seconds: float
):
    def slow_with_long(handler: Handler) -> None:
        asked = handler.backend.seen[-1].body
        if len(str(asked["messages"])) > 10_000:
            give_up(handler)
        else:
            handler.send_completion(stream=asked["stream"])

    one_tool(bench, litellm(bench.new_backend(fault=slow_with_long), timeout=seconds))
    found = bench.one("backend", "--deep")
    assert (found["id"], found["status"]) == ("backend.context", "info")


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": 0}])
def test_strange_counts_count_as_none(bench: Bench, usage: object):
    def strange(handler: Handler) -> None:
        if handler.backend.seen[-1].body["stream"]:
            handler.send_completion(stream=True)
        else:
            handler.send_json(200, {"choices": [], "usage": usage})

    one_tool(bench, litellm(bench.new_backend(fault=strange)))
    assert bench.findings("backend", "--deep") == []
