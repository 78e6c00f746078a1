"""What is known of a model before it is asked: where it runs, its context, its load."""

import pytest
from fake_backend import deployment, hang, litellm, ollama, openai

from supervisor_mcp.backends import kept as kept_module
from supervisor_mcp.backends import make
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.kept import Kept
from supervisor_mcp.calls import Call
from supervisor_mcp.delegation import AllFailed, Delegation, Task
from supervisor_mcp.settings import from_mapping, merge

CHAT = "/v1/chat/completions"
HERE = "http://127.0.0.1:8080/v1"
TASK = Task(model="local-llama", system="", user="The text of a file.", max_tokens=100, private=True)
PEER = {"llamaswap": {"peerID": "openrouter"}}
PROPS = {"default_generation_settings": {"n_ctx": 4096}}


def backend_of(entry):
    (settings,) = from_mapping(merge({"backends": [entry]})).backends
    return make(settings)


def info(entry, model="local-llama"):
    return backend_of(entry).model_info(model, Call())


def delegation(*entries, **files) -> Delegation:
    settings = from_mapping(merge({"backends": list(entries), "files": files}))
    return Delegation(settings.backends, settings.files)


def failures(asked: Delegation, task: Task = TASK):
    with pytest.raises(AllFailed) as failed:
        asked.ask(task, Call())
    return [attempt.failure for attempt in failed.value.attempts]


def models(*listed, owned_by):
    return {"/v1/models": {"data": [{"owned_by": owned_by, **model} for model in listed]}}


# LiteLLM


def test_a_model_behind_litellm_is_where_its_deployment_is_and_has_its_context(backend):
    backend.deployments = [deployment("local-llama", HERE, max_input_tokens=8192)]
    found = info(litellm(backend))
    assert (found.local, found.context_tokens, found.loaded) == (True, 8192, None)
    assert found.why == "127.0.0.1 is this machine or in a private network"


def test_a_prompt_must_fit_into_and_may_see_the_worst_of_several_deployments(backend):
    backend.deployments = [
        deployment("local-llama", HERE, max_input_tokens=8192),
        deployment("local-llama", "http://koala:8080", max_input_tokens=4096),
    ]
    found = info(litellm(backend))
    assert (found.local, found.context_tokens) == (True, 4096)
    backend.deployments.append(deployment("local-llama", None, "anthropic/claude-sonnet-5"))
    found = info(litellm(backend))
    assert (found.local, found.context_tokens) == (False, None)
    assert found.why == "it runs at the service anthropic"


def test_a_pattern_of_litellm_counts_for_the_models_that_it_matches(backend):
    backend.deployments = [
        deployment("local-*", "http://koala:11434", "ollama_chat/*"),
        deployment("*", None, "openai/*"),
        deployment("local-coder", None, "openai/gpt-4o"),
    ]
    assert info(litellm(backend), "local-coder").local is False
    assert (
        info(litellm(backend), "local-llama").local is False
    )  # which of two patterns wins is LiteLLM's secret
    backend.deployments.pop(1)
    assert info(litellm(backend), "local-llama").local is True


def test_a_key_that_may_not_look_leaves_it_unknown_where_the_model_runs(backend):
    found = info(litellm(backend))
    assert (found.local, found.why) == (None, "litellm does not tell where it runs")


def test_a_model_that_litellm_does_not_have_is_told_as_that(backend):
    backend.deployments = [deployment("local-llama", HERE)]
    with pytest.raises(BackendError, match=r"does not serve the model local-lama; the nearest name there is"):
        info(litellm(backend), "local-lama")


@pytest.mark.parametrize(
    "told", [{"data": "odd"}, {"data": [5, {"model_name": ""}, {"model_name": "x"}]}, {}]
)
def test_an_odd_model_info_of_litellm_tells_nothing(backend, told):
    backend.extra = {"/model/info": told}
    assert info(litellm(backend)).local is None


def test_a_deployment_without_parameters_is_not_known_to_be_local(backend):
    backend.extra = {"/model/info": {"data": [{"model_name": "local-llama", "litellm_params": None}]}}
    assert info(litellm(backend)).local is None


def test_a_proxy_that_stands_elsewhere_has_no_local_models(backend, monkeypatch):
    backend.deployments = [deployment("local-llama", HERE)]
    ours = backend_of(litellm(backend))
    elsewhere = backend_of({**litellm(backend), "url": "https://proxy.example.com"})
    monkeypatch.setattr(ours, "own_place", elsewhere.own_place)
    found = ours.model_info("local-llama", Call())
    assert (found.local, found.why) == (
        None,
        "proxy.example.com is not known to be a machine of the user's",
    )


# Ollama


def test_ollama_tells_context_load_and_that_it_runs_the_model_itself(backend):
    found = info(ollama(backend))
    assert (found.local, found.context_tokens, found.loaded) == (True, 131_072, True)
    assert info(ollama(backend), "local-coder").loaded is False


def test_a_model_that_ollama_hands_on_is_not_local(backend):
    backend.extra = {"/api/show": {"model_info": {}, "remote_host": "https://ollama.com:443"}}
    found = info(ollama(backend))
    assert (found.local, found.why) == (False, "ollama.com is a cloud service")


def test_a_cloud_tag_of_ollama_is_not_local(new_backend):
    backend = new_backend(models=["gpt-oss:120b-cloud"])
    assert info(ollama(backend), "gpt-oss:120b-cloud").local is False


def test_an_ollama_that_tells_nothing_of_the_model_leaves_it_unknown(backend):
    backend.context_length = None
    found = info(ollama(backend))
    assert (found.local, found.context_tokens) == (None, None)


# OpenAI-compatible servers


def test_a_llama_cpp_tells_the_context_that_it_runs_with_and_answers_to_any_name(backend):
    backend.extra = models(
        {"id": "/models/x.gguf", "meta": {"n_ctx": 8192, "n_ctx_train": 1}}, owned_by="llamacpp"
    )
    found = info(openai(backend))
    assert (found.local, found.context_tokens, found.loaded) == (True, 8192, True)


def test_an_older_llama_cpp_tells_it_in_its_properties(backend):
    backend.extra = models({"id": "x", "meta": {"n_ctx_train": 131072}}, owned_by="llamacpp") | {
        "/props": PROPS
    }
    assert info(openai(backend), "x").context_tokens == 4096


@pytest.mark.parametrize("props", [None, {}, {"default_generation_settings": 5}])
def test_properties_that_are_none_tell_no_context(backend, props):
    backend.extra = models({"id": "x"}, owned_by="llamacpp")
    if props is not None:
        backend.extra["/props"] = props
    assert info(openai(backend), "x").context_tokens is None


def test_a_llama_cpp_with_several_models_tells_which_are_loaded(backend):
    one, other = (
        {"id": name, "status": {"value": state}} for name, state in (("a", "loaded"), ("b", "unloaded"))
    )
    backend.extra = models(one, other, owned_by="llamacpp")
    assert info(openai(backend), "a").loaded is True
    assert info(openai(backend), "b").loaded is False
    assert info(openai(backend), "c").local is None


def test_a_vllm_tells_its_models_length(backend):
    backend.extra = models({"id": "x", "max_model_len": 32768}, owned_by="vllm")
    found = info(openai(backend), "x")
    assert (found.local, found.context_tokens, found.loaded) == (True, 32768, None)


def test_llama_swap_is_asked_for_the_context_of_loaded_models_alone(backend):
    backend.extra = models({"id": "org/a"}, {"id": "b"}, owned_by="llama-swap") | {
        "/running": {
            "running": [{"model": "org/a", "state": "ready"}, {"model": "b", "state": "starting"}, 5]
        },
        "/upstream/org/a/props": PROPS,
        "/upstream/b/props": PROPS,
    }
    ours = backend_of(openai(backend))
    loaded, cold = (ours.model_info(name, Call()) for name in ("org/a", "b"))
    assert (loaded.loaded, loaded.context_tokens) == (True, 4096)
    assert (cold.loaded, cold.context_tokens) == (False, None)
    assert ours.loaded_names(Call()) == ["org/a"]
    assert len(backend.asked("/upstream/b/props")) == 0


def test_a_model_of_another_server_behind_llama_swap_is_not_known_to_be_local(backend):
    backend.extra = models({"id": "x", "meta": PEER}, owned_by="llama-swap")
    found = info(openai(backend), "x")
    assert (found.local, found.why) == (None, "llama-swap hands it on to another server")


def test_a_model_that_is_not_listed_is_not_known_to_be_local(backend):
    found = info(openai(backend), "other")
    assert (found.local, found.why) == (None, "llama-swap does not list it")
    assert backend_of(openai(backend)).loaded_names(Call()) == []


@pytest.mark.parametrize(
    ("url", "local"), [("https://api.openai.com", False), ("https://x.example.com", None)]
)
def test_an_openai_server_is_judged_by_its_own_host(backend, monkeypatch, url, local):
    ours = backend_of(openai(backend))
    monkeypatch.setattr(ours, "own_place", backend_of({**openai(backend), "url": url}).own_place)
    assert ours.model_info("local-llama", Call()).local is local


# What config.yaml says, and how long an answer is kept


@pytest.mark.parametrize("local", [True, False])
def test_what_config_yaml_says_of_a_backend_wins(backend, local):
    backend.deployments = [deployment("local-llama", HERE if not local else "https://x.example.com")]
    found = info(litellm(backend, local=local))
    assert (found.local, found.why) == (local, "`local` of litellm in config.yaml")


@pytest.mark.parametrize("entry", [litellm, ollama, openai])
def test_what_a_server_told_is_kept_for_a_while(backend, monkeypatch, entry):
    ours = backend_of(entry(backend))
    ours.model_info("local-llama", Call())
    before = len(backend.seen)
    ours.model_info("local-llama", Call())
    assert len(backend.seen) == before
    monkeypatch.setattr(kept_module, "KEPT_SECONDS", 0.0)
    ours.model_info("local-llama", Call())
    assert len(backend.seen) > before


def test_an_error_is_not_kept():
    kept, made = Kept(), []

    def make_value():
        made.append(1)
        if len(made) == 1:
            raise BackendError(Kind.BROKEN, "no")
        return len(made)

    with pytest.raises(BackendError):
        kept.get("x", make_value)
    assert [kept.get("x", make_value), kept.get("x", make_value)] == [2, 2]
    kept.forget("x")
    kept.forget("y")
    assert kept.get("x", make_value) == 3


# What the tools that read files ask before they begin


def test_the_first_backend_that_would_be_asked_tells_of_the_model(new_backend):
    cloud = new_backend(
        deployments=[deployment("local-llama", None, "openai/gpt-4o", max_input_tokens=128000)]
    )
    home = new_backend(context_length=4096)
    asked = delegation(litellm(cloud), ollama(home))
    open_info, private_info = (
        asked.model_info("local-llama", Call(), private=flag) for flag in (False, True)
    )
    assert (open_info.context_tokens, private_info.context_tokens) == (128000, 4096)
    assert delegation(litellm(cloud)).model_info("local-llama", Call(), private=True) is None


def test_no_backend_tells_of_a_model_that_none_has(new_backend):
    asked = delegation(ollama(new_backend(models=["other"])))
    assert asked.model_info("local-llama", Call()) is None


def test_a_server_that_does_not_tell_in_time_is_given_up(backend, monkeypatch):
    monkeypatch.setattr("supervisor_mcp.backends.base.PROBE_SECONDS", 0.2)
    backend.extra = {"/model/info": hang, "/v1/models": hang}
    asked = delegation(litellm(backend))
    assert asked.model_info("local-llama", Call()) is None
    (failure,) = failures(asked)
    assert (failure.kind, failure.text) == (Kind.TIMEOUT, "gave no answer within 0.2 s")


# The overview


def test_the_overview_tells_place_context_load_and_speed(make_core, ask, new_backend):
    proxy = new_backend(
        deployments=[
            deployment("local-llama", HERE, max_input_tokens=8192),
            deployment("local-coder", None, "openai/gpt-4o"),
        ]
    )
    core = make_core({"backends": [litellm(proxy)]})
    core._open_desk()._delegation.speeds.saw("litellm", "local-llama", 83, 2.0)
    first = ask(core, "list_available_local_models").text.splitlines()[0]
    assert first == (
        f"litellm (litellm, {proxy.url}) serves local-coder (cloud), "
        "local-llama (local, context of 8192 tokens, 41 tokens/s)"
    )


def test_the_overview_looks_again_each_time(make_core, ask, backend):
    core = make_core({"backends": [ollama(backend)]})
    assert (
        "local-llama (local, context of 131072 tokens, loaded)"
        in ask(core, "list_available_local_models").text
    )
    backend.context_length = 4096
    assert (
        "local-llama (local, context of 4096 tokens, loaded)" in ask(core, "list_available_local_models").text
    )


def test_the_overview_shows_the_first_of_many_models(ask, new_backend):
    names = [f"model-{number:02}" for number in range(25)]
    text = ask({"backends": [ollama(new_backend(models=names))]}, "list_available_local_models").text
    assert "model-19 (local" in text
    assert " and 5 more" in text


def test_a_model_of_which_the_server_tells_nothing_is_shown_all_the_same(ask, backend):
    backend.extra = {"/api/show": "odd"}
    text = ask({"backends": [ollama(backend)]}, "list_available_local_models").text
    assert "local-llama (not known to be local, loaded)" in text
