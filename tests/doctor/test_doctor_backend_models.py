"""What doctor says of the models that the tools ask for: whether any backend has them."""

import pytest
from backend_bench import listing, one_tool, use
from bench import Bench
from fake_backend import litellm, ollama, openai

pytestmark = pytest.mark.usefixtures("only_planted_programs")


def test_a_missing_model_is_an_error_with_the_nearest_name_and_the_command(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(models=["local-lama", "other"])))
    found = bench.one("backend")
    assert (found["id"], found["status"]) == ("backend.models", "error")
    assert "ask_local_llama cannot answer: there is no local-llama on litellm" in found["message"]
    assert "the nearest name is local-lama on litellm" in found["message"]
    assert found["hint"].endswith("config set backends.0.models.local-llama local-lama")


def test_the_command_of_the_hint_mends_a_missing_model(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(models=["local-lama", "other"])))
    bench.cli(*bench.one("backend.models")["hint"].split()[1:])
    assert bench.findings("backend", "--deep") == []


def test_without_a_similar_name_those_that_there_are_are_listed(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(models=["beta", "alpha"])))
    found = bench.one("backend")
    assert found["message"].endswith("litellm serves alpha, beta")
    assert found["hint"].endswith("supervisor-setup litellm")


def test_many_names_are_cut(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(models=[f"m{number}" for number in range(99)])))
    assert bench.one("backend")["message"].endswith(" and 89 more")


def test_a_backend_without_models_says_so(bench: Bench):
    one_tool(bench, ollama(bench.new_backend(models=[])))
    found = bench.one("backend")
    assert found["message"].endswith("ollama serves no models")
    assert "ollama pull local-llama" in found["hint"]


def test_the_only_model_there_is_is_offered(bench: Bench):
    one_tool(bench, litellm(bench.new_backend(models=["mistral"])))
    assert bench.one("backend")["hint"].endswith("models.local-llama mistral")


def test_the_name_that_the_backend_uses_counts(bench: Bench):
    backend = bench.new_backend(models=["llama3.1:8b"])
    one_tool(bench, ollama(backend, models={"local-llama": "llama3.1:8b"}))
    assert bench.findings("backend", "--deep") == []


def test_the_line_of_the_mapping_is_shown(bench: Bench):
    one_tool(bench, ollama(bench.new_backend(models=["a"]), models={"local-llama": "llama3.1:8b"}))
    found = bench.one("backend")
    assert "llama3.1:8b" in bench.home.config.read_text().splitlines()[found["line"] - 1]


@pytest.mark.parametrize("served", ["llama3:latest", "LLama3", "Llama3:Latest"])
def test_ollama_s_names_have_a_default_tag_and_no_case(bench: Bench, served: str):
    one_tool(bench, ollama(bench.new_backend(models=[served]), models={"local-llama": "llama3"}))
    assert bench.findings("backend") == []


def test_a_later_backend_that_serves_it_is_enough(bench: Bench):
    other = {**litellm(bench.new_backend()), "name": "second"}
    one_tool(bench, litellm(bench.new_backend(models=["a", "b"])), other)
    assert bench.findings("backend") == []


def test_while_another_backend_is_down_it_is_no_more_than_a_warning(bench: Bench):
    down = {"name": "litellm", "kind": "litellm", "url": "http://koala:4000"}
    one_tool(bench, down, ollama(bench.new_backend(models=["llama3:8b"])))
    found = bench.findings("backend")
    assert [(one["id"], one["status"]) for one in found] == [
        ("backend.resolve", "warning"),
        ("backend.models", "warning"),
    ]


def test_a_tool_that_is_switched_off_needs_no_model(bench: Bench):
    backend = bench.new_backend(models=["a", "b"])
    one_tool(bench, litellm(backend), enabled=False)
    assert bench.findings("backend", "--deep") == []
    assert backend.asked("/v1/chat/completions") == []


def test_a_wildcard_of_litellm_serves_what_it_matches(bench: Bench):
    page = {"data": [{"model_name": "local-*", "litellm_params": {"model": "ollama/*"}}]}
    backend = bench.new_backend(models=["ollama/x", "ollama/y"], pages={"/model/info": (200, page)})
    one_tool(bench, litellm(backend))
    assert bench.findings("backend") == []


def test_llama_cpp_with_one_model_answers_to_any_name(bench: Bench):
    one_tool(bench, openai(bench.new_backend(pages=listing("/models/x.gguf", owner="llamacpp"))))
    assert bench.findings("backend") == []


def test_llama_cpp_as_a_router_does_not(bench: Bench):
    pages = listing("a", "b", owner="llamacpp", status={"value": "unloaded"})
    one_tool(bench, openai(bench.new_backend(pages=pages)))
    assert bench.one("backend")["id"] == "backend.models"


def test_what_llama_swap_does_not_list_may_still_be_an_alias(bench: Bench):
    one_tool(bench, openai(bench.new_backend(pages=listing("local-lama", "b", owner="llama-swap"))))
    found = bench.one("backend")
    assert (found["id"], found["status"]) == ("backend.models", "info")
    assert "does not list local-llama" in found["message"]
    assert "the nearest name is local-lama" in found["message"]


def test_an_alias_that_llama_swap_shows_is_served(bench: Bench):
    pages = listing("a", owner="llama-swap", meta={"llamaswap": {"aliases": ["local-llama"]}})
    one_tool(bench, openai(bench.new_backend(pages=pages)))
    assert bench.findings("backend") == []


def test_vllm_refuses_what_it_does_not_list(bench: Bench):
    one_tool(bench, openai(bench.new_backend(pages=listing("a", "b", owner="vllm"))))
    assert bench.one("backend")["status"] == "error"


def test_no_backend_at_all_is_an_error_where_the_server_is_installed(bench: Bench):
    bench.install()
    use(bench)
    found = bench.one("backend")
    assert (found["id"], found["status"]) == ("backend.models", "error")
    assert "no backend is switched on" in found["message"]


def test_no_backend_at_all_is_nothing_to_speak_of_where_it_is_not(bench: Bench):
    use(bench)
    assert bench.findings("backend", "--deep") == []


@pytest.mark.parametrize(
    "page",
    [
        None,
        [],
        {"data": 5},
        {"data": [1, {"id": "local-llama", "meta": 3, "aliases": 4, "owned_by": []}]},
    ],
    ids=["null", "list", "number", "record"],
)
def test_strange_lists_break_nothing(bench: Bench, page: object):
    one_tool(bench, openai(bench.new_backend(pages={"/v1/models": (200, page)})))
    for found in bench.findings("backend"):
        assert "the check itself failed" not in found["message"]
