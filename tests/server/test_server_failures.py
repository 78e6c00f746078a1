"""What the tools answer when the backends do not: always what happened, and what to do next."""

import re
import socket
import time
from typing import Any

import pytest
from fake_backend import (
    LITELLM_CONTEXT,
    closed_port,
    cut_in_the_middle,
    event,
    hang,
    litellm,
    ollama,
    openai,
    refuse_with,
    say_raw,
    slow,
)
from server_process import said

NOWHERE = {"name": "litellm", "kind": "litellm"}


def dead() -> dict[str, Any]:
    return {**NOWHERE, "url": f"http://127.0.0.1:{closed_port()}"}


def blackhole(**keys: Any) -> dict[str, Any]:
    """A backend whose packets go nowhere: an address that is reserved for documentation."""
    return {**NOWHERE, "url": "http://192.0.2.1:4000", "connect_timeout": 0.4, **keys}


@pytest.fixture
def blackhole_hangs(monkeypatch):
    """Connecting to the black hole hangs, as on a train, whatever routes this machine has."""
    connect = socket.create_connection

    def hanging(address, *arguments, **keys):
        if address[0] == "192.0.2.1":
            time.sleep(2)
            raise TimeoutError("timed out")
        return connect(address, *arguments, **keys)

    monkeypatch.setattr(socket, "create_connection", hanging)


def chat_failure(message: str, status: int = 400):
    return refuse_with(status, message)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (chat_failure("Invalid proxy server token", 401), "wants an API key and none is set"),
        (chat_failure("litellm.AuthenticationError: bad key", 401), "litellm.AuthenticationError: bad key"),
        (chat_failure("slow down", 429), "is busy (HTTP 429): slow down"),
        (chat_failure("boom", 500), "failed with HTTP 500: boom"),
        (chat_failure("upstream is gone", 502), "failed with HTTP 502: upstream is gone"),
        (chat_failure("Not Found", 404), "has no such address (HTTP 404)"),
        (chat_failure(LITELLM_CONTEXT), "exceeds the model's context of 8192 tokens"),
        (chat_failure("This model's maximum context length is 4096 tokens."), "context of 4096 tokens"),
        (say_raw(b"<html>welcome</html>"), "something that is not JSON"),
        (say_raw(b"[1, 2]"), "something that is not JSON"),
        (say_raw(b"\xff\xfe"), "something that is not JSON"),
        (say_raw(b"[" * 100_000), "something that is not JSON"),
        (say_raw(b'{"choices": []}'), "answered without a message"),
        (say_raw(b'{"choices": [{"message": {"content": 5}}]}'), "answered without a message"),
        (say_raw(b"data: nonsense"), "something that is not JSON"),
        (say_raw(b"data: [DONE]"), "answer is empty"),
        (say_raw(event({"choices": [{"delta": {"content": "The capi"}}]})), "broke off its answer"),
        (say_raw(event({"choices": [5]}) + b"data: [DONE]"), "answered without a message"),
        (say_raw(event({"error": {"message": "boom", "code": "500"}})), "failed with HTTP 500: boom"),
        (say_raw(event({"error": {"message": LITELLM_CONTEXT}})), "exceeds the model's context of 8192"),
        (say_raw(b'{"choices": [{"message": {"content": null}}]}'), "answer is empty"),
        (cut_in_the_middle, "broke off its answer"),
        (slow(3), "gave no answer within 0.5 s"),
        (hang, "gave no answer within 0.5 s"),
    ],
)
def test_a_fault_becomes_an_error_that_names_it_and_says_what_to_do(ask, backend, fault, said):
    backend.fault = fault
    began = time.monotonic()
    # Long for a fault that answers at once, however busy the machine.
    result = ask({"backends": [litellm(backend, timeout=0.5 if "within" in said else 60)]})
    assert result.is_error
    assert said in result.text
    assert "o the task yourself" in result.text
    assert time.monotonic() - began < 2


def test_a_time_out_closes_the_request_so_that_the_model_stops(ask, backend):
    backend.fault = hang
    assert ask({"backends": [litellm(backend, timeout=0.3)]}).is_error
    assert backend.disconnected.wait(2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [("", "answer is empty"), ("  \n", "answer is empty"), ("<think>Paris", "answer is empty")],
)
def test_an_empty_answer_is_an_error(ask, backend, answer, said):
    backend.answer = answer
    result = ask({"backends": [litellm(backend)]})
    assert result.is_error
    assert said in result.text
    assert "ask once more for something simpler" in result.text


def test_thinking_that_used_up_the_tokens_is_told_apart(ask, backend):
    backend.answer, backend.finish = "<think>on and on", "length"
    assert "spent `max_output_tokens` on thinking" in ask({"backends": [litellm(backend)]}).text


def test_a_missing_key_names_its_environment_variable(ask, backend, monkeypatch):
    monkeypatch.setenv("LITELLM_API_KEY", "")
    backend.key = "sk-right"
    result = ask({"backends": [litellm(backend, api_key={"env": "LITELLM_API_KEY"})]})
    assert result.is_error
    assert "wants an API key and none is set" in result.text
    assert "For the user: set LITELLM_API_KEY" in result.text
    assert "authorization" not in backend.seen[0].headers


def test_a_wrong_key_is_recognised_and_never_shown(ask, backend, monkeypatch):
    monkeypatch.setenv("LITELLM_API_KEY", "sk-wrong-secret")
    backend.key = "sk-right"
    result = ask({"backends": [litellm(backend, api_key={"env": "LITELLM_API_KEY"})]})
    assert "refused the API key" in result.text
    assert "sk-" not in result.text


def test_a_key_that_the_backend_quotes_is_blotted_out(ask, backend, monkeypatch):
    monkeypatch.setenv("LITELLM_API_KEY", "sk-wrong-secret")
    backend.fault = refuse_with(500, "token sk-wrong-secret is odd")
    result = ask({"backends": [litellm(backend, api_key={"env": "LITELLM_API_KEY"})]})
    assert "token *** is odd" in result.text


@pytest.mark.parametrize("key", ["sk-a\nb", "schlüssel", "sk-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(ask, backend, tmp_path, key):
    path = tmp_path / "key"
    path.write_text(key, encoding="utf-8")
    path.chmod(0o600)
    result = ask({"backends": [litellm(backend, api_key={"file": str(path)})]})
    assert "characters that no key has" in result.text
    assert key not in result.text
    assert backend.seen == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: (path.write_text("sk-right"), path.chmod(0o640)), "which others can read (mode 0640)"),
        (lambda path: (path.write_text("sk-right"), path.chmod(0o604)), "which others can read (mode 0604)"),
        (lambda path: (path.write_text(" \n"), path.chmod(0o600)), "which is empty"),
        (lambda path: path.unlink(missing_ok=True), "cannot be read (No such file or directory)"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
    ],
)
def test_a_key_file_that_will_not_do_is_refused_with_the_remedy(ask, backend, tmp_path, make, said):
    path = tmp_path / "key"
    make(path)
    result = ask({"backends": [litellm(backend, api_key={"file": str(path)})]})
    assert said in result.text
    assert str(path) in result.text.partition("For the user:")[2]
    assert backend.seen == []


@pytest.mark.parametrize(
    ("entry", "names"), [(litellm, "local-lama, mistral"), (ollama, "local-lama, mistral")]
)
def test_an_unknown_model_is_answered_with_the_names_that_exist_and_the_nearest(
    ask, new_backend, entry, names
):
    backend = new_backend(models=["local-lama", "mistral"])
    text = ask({"backends": [entry(backend)]}).text
    assert "does not serve the model local-llama; the nearest name there is local-lama" in text
    assert f"it serves {names}" in text
    assert "change the tool's `model`" in text


@pytest.mark.parametrize("said", ["The model `local-llama` does not exist.", "no router for requested model"])
def test_an_unknown_model_is_named_even_when_the_list_of_models_is_not_to_be_had(ask, backend, said):
    backend.fault = refuse_with(404, said)
    backend.models = None  # type: ignore[assignment]
    assert "does not serve the model local-llama\n" in ask({"backends": [openai(backend)]}).text


def test_a_model_that_the_proxy_lists_but_has_lost_is_told_apart(ask, backend):
    backend.fault = refuse_with(404, "OllamaException: model 'llama3.1:8b' not found")
    text = ask({"backends": [litellm(backend)]}).text
    assert "lists the model local-llama but cannot run it: OllamaException" in text


def test_a_refused_connection_says_where_and_what_to_start(ask):
    entry = dead()
    result = ask({"backends": [entry]})
    assert f"- litellm ({entry['url']}) cannot be reached: connection refused" in result.text
    assert "supervisor-setup doctor" in result.text


def test_a_name_that_does_not_resolve_is_told_as_that(ask):
    result = ask({"backends": [{**NOWHERE, "url": "http://no-such-host.invalid:4000"}]})
    assert "cannot be reached: the name cannot be resolved" in result.text


def test_a_port_that_cannot_be_is_an_error_and_no_crash(ask):
    result = ask({"backends": [{**NOWHERE, "url": "http://127.0.0.1:99999"}]})
    assert "cannot be reached: Port out of range" in result.text


def test_a_reply_without_end_is_given_up(ask, backend, monkeypatch):
    monkeypatch.setattr("supervisor_mcp.backends.exchange.MAX_REPLY_BYTES", 1 << 20)
    backend.fault = say_raw(b"x" * (2 << 20))
    assert "answered with more than 1 MB" in ask({"backends": [litellm(backend)]}).text


def test_a_key_that_the_config_says_nothing_of_is_asked_for_there(ask, backend):
    backend.key = "sk-right"
    text = ask({"backends": [litellm(backend)]}).text
    assert "For the user: name the key's place with `api_key` of the backend litellm in config.yaml." in text


def test_a_plain_server_behind_an_https_address_is_told_as_unreachable(ask, backend):
    result = ask({"backends": [{**NOWHERE, "url": backend.url.replace("http:", "https:")}]})
    assert "cannot be reached" in result.text


def test_a_backend_that_hangs_in_connecting_is_left_after_the_connect_timeout_and_remembered(
    make_core, ask, backend, blackhole_hangs
):
    core = make_core({"backends": [blackhole(), openai(backend)]})
    began = time.monotonic()
    first = ask(core)
    assert 0.4 <= time.monotonic() - began < 1.5
    assert said(first.text).endswith("because litellm cannot be reached: no connection within 0.4 s.]")
    began = time.monotonic()
    second = ask(core)
    assert time.monotonic() - began < 0.3
    assert "not tried again for another 15 s" in second.text


def test_a_backend_that_refused_at_once_is_tried_again_at_the_next_call(make_core, ask, new_backend):
    port = closed_port()
    core = make_core({"backends": [{**NOWHERE, "url": f"http://127.0.0.1:{port}"}]})
    assert "connection refused" in ask(core).text
    new_backend(port=port)
    assert not ask(core).is_error


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        (refuse_with(500, "boom"), "litellm failed with HTTP 500: boom"),
        (refuse_with(429, "full"), "litellm is busy (HTTP 429): full"),
        (refuse_with(400, "No connected db."), "litellm refused the API key"),
        (say_raw(b"nonsense"), "litellm answered with something that is not JSON"),
        (cut_in_the_middle, "litellm broke off its answer"),
    ],
)
def test_the_next_backend_answers_and_the_result_says_why(ask, new_backend, fault, because):
    first, second = new_backend(fault=fault), new_backend(models=["llama3.1:8b"])
    config = {"backends": [litellm(first), ollama(second, models={"local-llama": "llama3.1:8b"})]}
    result = ask(config)
    assert not result.is_error
    answer, notes = result.text.split("\n\n")
    note, _ = notes.split("\n")
    assert answer == "The capital of France is Paris."
    assert note == f"[Answered by llama3.1:8b on ollama, because {because}.]"


def test_a_prompt_that_is_too_long_is_not_sent_to_every_backend(ask, new_backend):
    first, second = new_backend(fault=refuse_with(400, LITELLM_CONTEXT)), new_backend()
    assert ask({"backends": [litellm(first), openai(second)]}).is_error
    assert second.seen == []


def test_when_all_fail_each_is_named_and_each_hint_given_once(ask, new_backend):
    second = new_backend(models=["mistral"])
    result = ask({"backends": [dead(), ollama(second)]})
    lines = result.text.splitlines()
    assert lines[0] == (
        "No local model answered. Do the task yourself; calling again now will fail the same way."
    )
    assert lines[1].startswith("- litellm (http://127.0.0.1:")
    assert lines[2].startswith(f"- ollama ({second.url}) does not serve the model local-llama")
    assert lines[3].startswith("For the user: ")
    assert lines[3].count("doctor") == 1


def test_without_an_enabled_backend_every_tool_says_so(ask, backend):
    config = {"backends": [litellm(backend, enabled=False)]}
    for tool, arguments in (("ask_local_llama", {"prompt": "x"}), ("list_available_local_models", {})):
        result = ask(config, tool, **arguments)
        assert result.is_error
        assert "config.yaml has no enabled backend" in result.text


def test_the_overview_is_no_error_while_one_backend_answers(ask, backend):
    result = ask({"backends": [dead(), ollama(backend)]}, "list_available_local_models")
    assert not result.is_error
    assert "cannot be reached: connection refused" in result.text
    assert re.search(r"^ask_local_llama, .*: local-llama on ollama$", result.text, re.MULTILINE)


def test_the_overview_is_an_error_when_none_answers_and_gives_the_hints(ask):
    result = ask({"backends": [dead()]}, "list_available_local_models")
    assert result.is_error
    assert result.text.startswith("No local model is available now. Do the work yourself.")
    assert re.search(r"^ask_local_llama, .*: local-llama is not served now$", result.text, re.MULTILINE)
    assert "For the user: start the server at" in result.text


def test_the_overview_names_a_server_that_is_not_what_the_config_says(ask, backend):
    entry = {**ollama(backend), "kind": "openai"}
    backend.models = []
    result = ask({"backends": [entry]}, "list_available_local_models")
    assert "serves no models" in result.text


def test_an_ollama_without_a_list_of_models_is_told_as_broken(ask, new_backend):
    backend = new_backend(key="sk-x")
    result = ask({"backends": [ollama(backend)]}, "list_available_local_models")
    assert "failed with HTTP 500: Internal Server Error" in result.text


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (401, "unauthorized", "wants an API key and none is set"),
        (503, "server busy, please try again", "is busy (HTTP 503)"),
        (400, "the input length exceeds the context length", "exceeds the model's context"),
        (500, "model requires more system memory (8 GiB)", "failed with HTTP 500: model requires more"),
        (405, "method not allowed", "has no such address (HTTP 405)"),
    ],
)
def test_ollamas_own_errors_are_understood(ask, backend, status, message, said):
    backend.fault = lambda handler: handler.send_json(status, {"error": message})
    result = ask({"backends": [ollama(backend)]})
    assert result.is_error
    assert said in result.text


def test_an_ollama_answer_without_a_message_is_an_error(ask, backend):
    backend.fault = say_raw(b'{"done": true}')
    assert "answered without a message" in ask({"backends": [ollama(backend)]}).text
