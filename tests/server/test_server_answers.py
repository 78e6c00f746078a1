"""What the tools answer when the backends answer."""

import json

import pytest
from fake_backend import FakeBackend, deployment, event, litellm, ollama, openai, say_raw
from server_process import said

from supervisor_mcp.answers import cleaned


def test_an_answer_comes_back_as_the_plain_text_it_is(ask, backend):
    result = ask({"backends": [litellm(backend)]})
    assert (said(result.text), result.is_error) == ("The capital of France is Paris.", False)


def test_a_server_that_does_not_stream_is_understood_as_well(ask, backend):
    backend.fault = lambda handler: handler.send_completion(stream=False)
    assert said(ask({"backends": [openai(backend)]}).text) == "The capital of France is Paris."


def test_a_stream_with_comments_and_names_of_events_is_read(ask, backend):
    chunk = event({"choices": [{"delta": {"content": "Paris"}, "finish_reason": "stop"}]})
    backend.fault = say_raw(b": ping\r\n\r\nevent: message\n" + chunk + b": ping\n\ndata: [DONE]\n\n")
    assert said(ask({"backends": [openai(backend)]}).text) == "Paris"


@pytest.mark.parametrize("entry", [litellm, openai])
def test_an_openai_server_gets_model_system_prompt_key_and_limits(ask, backend, monkeypatch, entry):
    monkeypatch.setenv("LITELLM_API_KEY", "sk-right")
    backend.key = "sk-right"
    ask({"backends": [entry(backend, api_key={"env": "LITELLM_API_KEY"})]}, prompt="Say hello.")
    (request,) = backend.asked("/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-right"
    assert request.body["model"] == "local-llama"
    assert [message["role"] for message in request.body["messages"]] == ["system", "user"]
    assert request.body["messages"][1]["content"] == "Say hello."
    assert request.body["stream"] is True
    assert (request.body["max_tokens"], request.body["temperature"]) == (4096, 0)


def test_ollama_is_asked_by_its_own_names_with_a_context_that_fits(ask, new_backend):
    backend = new_backend(models=["llama3.1:8b"])
    entry = ollama(backend, models={"local-llama": "llama3.1:8b"})
    assert said(ask({"backends": [entry]}).text) == "The capital of France is Paris."
    assert said(ask({"backends": [entry]}, prompt="word " * 12_000).text) == "The capital of France is Paris."
    short, long = backend.asked("/api/chat")
    assert short.body["model"] == "llama3.1:8b"
    assert (short.body["options"]["num_ctx"], long.body["options"]["num_ctx"]) == (8192, 32_768)
    assert short.body["options"]["num_predict"] == 4096
    assert short.body["truncate"] is False


def test_ollamas_context_never_exceeds_what_the_model_was_made_for(ask, new_backend):
    backend = new_backend(context_length=4096)
    ask({"backends": [ollama(backend)]})
    assert backend.asked("/api/chat")[0].body["options"]["num_ctx"] == 4096
    result = ask({"backends": [ollama(backend)]}, prompt="word " * 12_000)
    assert result.is_error
    assert "exceeds the model's context of 4096 tokens" in result.text
    assert "Split the material" in result.text


def test_an_ollama_that_does_not_tell_a_models_context_is_asked_all_the_same(ask, new_backend):
    backend = new_backend(context_length=None)
    assert not ask({"backends": [ollama(backend)]}).is_error
    assert backend.asked("/api/chat")[0].body["options"]["num_ctx"] == 8192


@pytest.mark.parametrize(("entry", "path"), [(openai, "/v1/chat/completions"), (ollama, "/api/chat")])
def test_a_tool_without_a_system_prompt_and_temperature_sends_none(ask, backend, entry, path):
    tools = {"ask_plain": {"description": "Asks.", "model": "local-llama"}}
    ask({"backends": [entry(backend)], "tools": tools}, "ask_plain", prompt="Hello")
    body = backend.asked(path)[0].body
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert "temperature" not in {**body, **body.get("options", {})}


def test_the_coding_tool_sends_code_and_question_and_takes_no_placeholder_from_them(ask, backend):
    config = {"backends": [litellm(backend)]}
    ask(config, "ask_coding_model", code="x = '{question}'", question="Is {code} fine?")
    (request,) = backend.asked("/v1/chat/completions")
    assert request.body["model"] == "local-coder"
    assert request.body["messages"][1]["content"] == "<code>\nx = '{question}'\n</code>\n\nIs {code} fine?"


def test_a_tool_of_the_users_own_is_served(ask, backend):
    tools = {
        "ask_translator": {
            "description": "Translates.",
            "model": "local-llama",
            "arguments": {"text": "The text.", "language": "Into which language."},
        }
    }
    ask({"backends": [litellm(backend)], "tools": tools}, "ask_translator", text="Hallo", language="English")
    assert backend.asked("/v1/chat/completions")[0].body["messages"][0]["content"] == "Hallo\n\nEnglish"


def test_a_key_file_is_read_when_only_its_owner_can(ask, backend, tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("sk-right\n")
    key_file.chmod(0o600)
    backend.key = "sk-right"
    assert not ask({"backends": [litellm(backend, api_key={"file": str(key_file)})]}).is_error


def test_an_answer_cut_off_by_the_token_limit_says_so_at_its_end(ask, backend):
    backend.finish = "length"
    result = ask({"backends": [litellm(backend)]})
    assert said(result.text).splitlines()[-1].startswith("[Cut off at 4096 tokens")
    assert not result.is_error


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<think>Paris?\nYes.</think>\n\nParis.", "Paris."),
        ("\n<thinking>hm</thinking>Paris.", "Paris."),
        ("I wonder.</think>\nParis.", "Paris."),
        ("<think>endless", ""),
        ("<think></think>", ""),
        ("Write `<think>` and `</think>` around it.", "Write `<think>` and `</think>` around it."),
        ("a\r\nb\x1b[31mred\x1b[0m\x00\x9bc\td", "a\nbredc\td"),
        ("broken \ud800 text", "broken ? text"),
    ],
)
def test_an_answer_is_read_without_thinking_and_control_characters(said, read):
    assert cleaned(said) == read


def test_a_long_answer_comes_in_pages_that_add_up_to_it(make_core, ask, backend):
    backend.answer = "\n".join(f"line {number}" for number in range(400))
    tools = {"ask_coding_model": {"max_output_chars": 1000}}
    core = make_core({"backends": [litellm(backend)], "tools": tools})
    text = ask(core, "ask_coding_model", code="x", question="y").text
    pages = []
    while "characters follow" in text:
        page, _, call = text.rpartition("\n\n[")
        pages.append(page)
        token = call.partition('code="')[2].partition('"')[0]
        assert f'call ask_coding_model(code="{token}", question="{token}")' in call
        text = ask(core, "ask_coding_model", code=token, question=token).text
    assert "\n".join([*pages, said(text)]) == backend.answer
    assert all(len(page) <= 1000 for page in pages)
    assert len(backend.asked("/v1/chat/completions")) == 1


def test_a_page_that_is_no_longer_kept_is_an_error_that_says_so(ask, backend):
    result = ask({"backends": [litellm(backend)]}, prompt="next-page:12345678")
    assert result.is_error
    assert "no longer kept" in result.text


def test_the_oldest_rests_of_long_answers_are_forgotten_first(make_core, ask, backend, monkeypatch):
    monkeypatch.setattr("supervisor_mcp.pages.MAX_KEPT_CHARS", 5000)
    backend.answer = " ".join(str(number) for number in range(1000))
    tools = {"ask_local_llama": {"max_output_chars": 1000}}
    core = make_core({"backends": [litellm(backend)], "tools": tools})
    tokens = [ask(core).text.rpartition('prompt="')[2].partition('"')[0] for _ in range(2)]
    assert ask(core, prompt=tokens[0]).is_error
    assert not ask(core, prompt=tokens[1]).is_error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": 5}, "must be a string"),
        ({"prompt": None}, "must be a string"),
        ({"prompt": " \n"}, "is empty"),
        ({"text": "x"}, "has no argument `text`. Call it again with prompt."),
        ({"prompt": "x", "model": "y"}, "has no argument `model`"),
        ({"prompt": "x" * 200_001}, "have 200001 characters; it takes 200000. Split"),
    ],
)
def test_wrong_arguments_are_answered_with_what_to_do(ask, backend, arguments, said):
    result = ask({"backends": [litellm(backend)]}, **arguments)
    assert result.is_error
    assert said in result.text
    assert backend.seen == []


def test_a_missing_argument_is_named(ask, backend):
    result = ask({"backends": [litellm(backend)]}, "ask_coding_model", code="x")
    assert result.is_error
    assert "needs the argument `question`" in result.text


def test_the_overview_tells_backends_models_and_which_tool_uses_what(ask, new_backend):
    proxy = new_backend(
        models=["local-llama", "local-code"],
        deployments=[deployment("local-llama", "http://127.0.0.1:8080/v1", max_input_tokens=8192)],
    )
    home: FakeBackend = new_backend(models=["qwen2.5-coder:7b", "llama3.1:8b"])
    entry = ollama(home, models={"local-llama": "llama3.1:8b"})
    result = ask({"backends": [litellm(proxy), entry]}, "list_available_local_models")
    assert not result.is_error
    assert result.text.splitlines() == [
        (
            f"litellm (litellm, {proxy.url}) serves local-code (not known to be local), "
            "local-llama (local, context of 8192 tokens)"
        ),
        (
            f"ollama (ollama, {home.url}) serves llama3.1:8b (local, context of 131072 tokens, cold), "
            "qwen2.5-coder:7b (local, context of 131072 tokens, loaded)"
        ),
        (
            "ask_local_llama, summarize_files, ask_about_files, classify, extract: "
            "local-llama on litellm, ollama"
        ),
        "ask_coding_model: local-coder is not served now; nearest name: local-code",
    ]


def test_a_prompt_with_half_a_surrogate_is_sent_and_answered(ask, backend):
    assert not ask({"backends": [litellm(backend)]}, prompt=json.loads('"a \\ud83d b"')).is_error
    assert backend.asked("/v1/chat/completions")[0].body["messages"][1]["content"] == "a ? b"
