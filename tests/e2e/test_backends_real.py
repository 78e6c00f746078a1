"""The backends against the real LiteLLM and llama.cpp: what they count, bind, tell and keep to themselves."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from fake_backend import FakeBackend, FakeServer

from real_parts import RealParts
from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.backends.values import ModelInfo
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import AllFailed, Delegation, Task
from supervisor_mcp.settings import from_mapping, merge

from .stack import CAPITAL_QUESTION, CONTEXT_TOKENS, Stack, running_litellm

pytestmark = pytest.mark.e2e

KEY = "sk-key-of-these-tests"
DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens there
TASK = Task(
    model="local-llama", system="", user=CAPITAL_QUESTION, max_tokens=60, temperature=0.0, private=True
)
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["spam", "ham"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
    "additionalProperties": False,
}


def delegation(monkeypatch: pytest.MonkeyPatch, key: str, *entries: dict[str, Any]) -> Delegation:
    monkeypatch.setenv("KEY_OF_THE_TESTS", key)
    backends = [{"api_key": {"env": "KEY_OF_THE_TESTS"}, **entry} for entry in entries]
    settings = from_mapping(merge({"backends": backends}))
    return Delegation(settings.backends, settings.files)


@pytest.fixture(params=["litellm", "openai"])
def local(request: pytest.FixtureRequest, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Delegation:
    """The small model, through LiteLLM and at llama.cpp itself."""
    url = stack.litellm_url if request.param == "litellm" else stack.llama_url
    return delegation(monkeypatch, stack.key, {"name": request.param, "kind": request.param, "url": url})


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[FakeBackend]:
    """What stands for a service outside: it answers, and notes whom it was asked by."""
    backend = FakeBackend(models=["outside"])
    server = FakeServer(backend)
    yield backend
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def mixed(
    parts: RealParts, stack: Stack, elsewhere: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A LiteLLM with a local model, a cloud model, and a dead model that falls back to one elsewhere."""
    folder = tmp_path_factory.mktemp("mixed")
    places = {
        "local-llama": {"model": "openai/smollm2", "api_base": f"{stack.llama_url}/v1", "api_key": "none"},
        "cloud": {"model": "anthropic/claude-sonnet-5", "api_key": "sk-ant-none"},
        "outside": {"model": "openai/outside", "api_base": f"{elsewhere.url}/v1", "api_key": "none"},
        "dead": {"model": "openai/dead", "api_base": f"{DEAD}/v1", "api_key": "none"},
    }
    config = folder / "litellm.yaml"
    data = {
        "model_list": [{"model_name": name, "litellm_params": params} for name, params in places.items()],
        "litellm_settings": {"num_retries": 0, "fallbacks": [{"dead": ["outside"]}]},
        "general_settings": {"master_key": KEY},
    }
    config.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
    with running_litellm(parts, config, folder / "run") as url:
        yield url


@pytest.fixture
def proxy(mixed: str, monkeypatch: pytest.MonkeyPatch) -> Delegation:
    return delegation(monkeypatch, KEY, {"name": "litellm", "kind": "litellm", "url": mixed})


def info(asked: Delegation, model: str) -> ModelInfo:
    found = asked.model_info(model, Call())
    assert found is not None
    return found


def test_tokens_are_counted_and_the_speed_is_seen(local: Delegation) -> None:
    for _ in range(2):
        delegated = local.ask(TASK, Call())
        answer = delegated.answer
        assert "Paris" in answer.text
        assert answer.prompt_tokens is not None
        assert 20 < answer.prompt_tokens < 60
        assert answer.answer_tokens is not None
        assert 2 < answer.answer_tokens <= 60
    speed = local.speeds.of(delegated.backend.name, "local-llama")
    assert speed is not None
    assert 1 < speed < 2000
    assert delegated.footer().startswith(f"[local-llama on {delegated.backend.name} · tokens: ")


@pytest.mark.parametrize("number", range(5))
def test_the_form_of_an_answer_is_bound_by_a_schema(local: Delegation, number: int) -> None:
    user = f"Message {number}: You have won a prize! Click here. Is it spam or ham?"
    answer = local.ask(TASK.but(user=user, schema=SCHEMA), Call()).answer
    assert not answer.cut_off
    data = json.loads(answer.text)
    assert data.keys() == {"label", "sure"}
    assert data["label"] in ("spam", "ham")
    assert isinstance(data["sure"], bool)


def test_a_model_on_the_loopback_is_known_to_be_local(local: Delegation) -> None:
    assert info(local, "local-llama").local is True


def test_llama_cpp_tells_the_context_of_one_prompt(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = delegation(monkeypatch, "", {"name": "llama", "kind": "openai", "url": stack.llama_url})
    found = info(asked, "local-llama")
    assert (found.context_tokens, found.loaded) == (CONTEXT_TOKENS, True)


def test_the_context_behind_litellm_is_learned_from_the_first_prompt_that_exceeds_it(
    local: Delegation,
) -> None:
    with pytest.raises(AllFailed) as failed:
        local.ask(TASK.but(user="word " * 20_000), Call())
    failure = failed.value.attempts[0].failure
    assert (failure.kind, failure.context_tokens) == (Kind.CONTEXT, CONTEXT_TOKENS)
    assert info(local, "local-llama").context_tokens == CONTEXT_TOKENS


def test_an_answer_that_streams_can_be_cancelled_and_the_model_is_free_again(local: Delegation) -> None:
    call = Call()
    threading.Timer(0.5, call.cancel).start()
    with pytest.raises(CallCancelled):
        local.ask(TASK.but(user="Count to one thousand, one by one.", max_tokens=4000), call)
    assert "Paris" in local.ask(TASK, Call()).answer.text


def test_one_connection_serves_many_calls(local: Delegation) -> None:
    backend = local.backends[0]
    for _ in range(3):
        local.ask(TASK.but(max_tokens=2), Call())
    assert backend.model_names(Call())
    assert len(backend._pool._idle) <= 2


def test_a_cloud_model_of_litellm_is_known_as_one_and_refused_file_contents(proxy: Delegation) -> None:
    assert info(proxy, "local-llama").local is True
    found = info(proxy, "cloud")
    assert (found.local, found.why) == (False, "it runs at the service anthropic")
    with pytest.raises(AllFailed) as failed:
        proxy.ask(TASK.but(model="cloud"), Call())
    (attempt,) = failed.value.attempts
    assert attempt.failure.kind is Kind.CLOUD
    assert "add cloud to `cloud_models` under `files` in config.yaml" in attempt.failure.hint


def test_a_private_prompt_is_not_handed_to_the_model_that_litellm_would_fall_back_to(
    proxy: Delegation, elsewhere: FakeBackend
) -> None:
    with pytest.raises(AllFailed):
        proxy.ask(TASK.but(model="dead"), Call())
    assert elsewhere.asked("/v1/chat/completions") == []
    with suppress(AllFailed):  # LiteLLM does not like the way in which the stand-in answers
        proxy.ask(TASK.but(model="dead", private=False), Call())
    assert elsewhere.asked("/v1/chat/completions")


def test_an_unknown_model_is_told_with_the_names_that_litellm_has(proxy: Delegation) -> None:
    with pytest.raises(AllFailed) as failed:
        proxy.ask(TASK.but(model="local-lama"), Call())
    text = failed.value.attempts[0].failure.text
    assert text.startswith("does not serve the model local-lama; the nearest name there is local-llama")


def test_the_two_ways_to_be_without_the_right_key_are_told_apart(
    mixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"name": "litellm", "kind": "litellm", "url": mixed}
    for key, told in (("", "wants an API key and none is set"), ("sk-wrong-but-long", "refused the API key")):
        with pytest.raises(AllFailed) as failed:
            delegation(monkeypatch, key, entry).ask(TASK.but(private=False), Call())
        assert failed.value.attempts[0].failure.text == told
