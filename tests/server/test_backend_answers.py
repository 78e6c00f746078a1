"""What is made of answers: tokens and speed, bound forms, and those that are no good."""

import json

import pytest
from fake_backend import event, litellm, ollama, openai, refuse_with, say_raw
from server_process import said

from supervisor_mcp import answers
from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.backends.speeds import Speeds
from supervisor_mcp.calls import Call
from supervisor_mcp.delegation import AllFailed, Delegation, Task
from supervisor_mcp.settings import from_mapping, merge

CHAT = "/v1/chat/completions"
SCHEMA = {"type": "object", "properties": {"label": {"enum": ["spam", "ham"]}}, "required": ["label"]}
SENTENCE = "I am sorry, but I cannot help with that request at this time. "
TASK = Task(model="local-llama", system="", user="What is the capital of France?", max_tokens=100)


def delegation(*entries) -> Delegation:
    settings = from_mapping(merge({"backends": list(entries)}))
    return Delegation(settings.backends, settings.files)


def delegated(entry, task: Task = TASK):
    return delegation(entry).ask(task, Call())


def failure_of(entry, task: Task = TASK):
    with pytest.raises(AllFailed) as failed:
        delegated(entry, task)
    return failed.value.attempts[-1].failure


def saying_in_turn(*texts: str):
    """A fault that answers each request with the next text."""
    rest = iter(texts)

    def serve(handler):
        handler.backend.answer = next(rest)
        if handler.path == CHAT:
            handler.send_completion(stream=True)
        else:
            handler.send_ollama_answer()

    return serve


# Tokens, speed, last line


@pytest.mark.parametrize("entry", [litellm, openai, ollama])
def test_the_tokens_that_the_server_counted_are_told(backend, entry):
    backend.tokens = (1234, 56)
    answer = delegated(entry(backend)).answer
    assert (answer.prompt_tokens, answer.answer_tokens, answer.pieces) == (1234, 56, 2)


def test_a_server_that_answers_whole_tells_its_tokens_too(backend):
    backend.tokens = (1234, 56)
    backend.fault = lambda handler: handler.send_completion(stream=False)
    answer = delegated(openai(backend)).answer
    assert (answer.prompt_tokens, answer.answer_tokens) == (1234, 56)


def test_an_older_llama_cpp_tells_them_in_its_timings(backend):
    timings = {"cache_n": 30, "prompt_n": 4, "predicted_n": 20}
    events = [{"choices": [{"delta": {"content": "Paris"}}]}, {"choices": [], "timings": timings}]
    backend.fault = say_raw(b"".join(map(event, events)) + b"data: [DONE]\n\n")
    answer = delegated(openai(backend)).answer
    assert (answer.prompt_tokens, answer.answer_tokens) == (34, 20)


def test_tokens_that_are_not_told_stay_unknown(backend):
    usage = {"prompt_tokens": None, "completion_tokens": "many"}
    events = [{"choices": [{"delta": {"content": "Paris"}}]}, {"choices": [], "usage": usage}]
    backend.fault = say_raw(b"".join(map(event, events)) + b"data: [DONE]\n\n")
    answer = delegated(openai(backend)).answer
    assert (answer.prompt_tokens, answer.answer_tokens) == (None, None)


def test_streams_are_asked_to_count_unless_the_server_refuses_the_wish(backend):
    def strict(handler):
        if "stream_options" in handler.body:
            handler.send_json(400, {"error": {"message": "Unrecognized request argument: stream_options"}})
        else:
            handler.send_completion(stream=True)

    backend.fault = strict
    asked = delegation(openai(backend))
    for _ in range(2):
        assert asked.ask(TASK, Call()).answer.text == backend.answer
    wishes = [request.body.get("stream_options") for request in backend.asked(CHAT)]
    assert wishes == [{"include_usage": True}, None, None]


def test_the_last_line_tells_model_backend_tokens_and_seconds(ask, backend):
    backend.tokens = (1234, 56)
    last = ask({"backends": [litellm(backend)]}).text.splitlines()[-1]
    assert last.startswith("[local-llama on litellm · tokens: 1,234 in, 56 out · ")
    assert last.endswith(" s]")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("m on b", None, None, 0.04), "[m on b · 0.0 s]"),
        (("m on b", 5, None, 61.25), "[m on b · tokens: 5 in · 61.2 s]"),
        (
            ("m on b", 5, 0, 1, 398_400),
            "[m on b · tokens: 5 in, 0 out · 1.0 s · 398 kB kept out of your context]",
        ),
    ],
)
def test_the_last_line_leaves_out_what_is_not_known(given, line):
    assert answers.footer(*given) == line


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_499, "999 kB"), (3_240_000, "3.2 MB")],
)
def test_a_size_is_written_as_people_say_it(number, text):
    assert answers.size(number) == text


def test_a_models_speed_is_that_of_all_its_answers_between_first_and_last_token():
    speeds = Speeds()
    assert speeds.of("litellm", "x") is None
    speeds.saw("litellm", "x", 1, 5.0)
    speeds.saw("litellm", "x", 10, 0.0)
    assert speeds.of("litellm", "x") is None
    speeds.saw("litellm", "x", 101, 1.0)
    speeds.saw("litellm", "x", 201, 3.0)
    assert speeds.of("litellm", "x") == 75.0
    assert speeds.of("ollama", "x") is None


# Bound forms


@pytest.mark.parametrize("entry", [litellm, openai])
def test_a_schema_goes_to_openai_servers_as_a_strict_response_format(backend, entry):
    delegated(entry(backend), TASK.but(schema=SCHEMA))
    (request,) = backend.asked(CHAT)
    wanted = {"name": "answer", "strict": True, "schema": SCHEMA}
    assert request.body["response_format"] == {"type": "json_schema", "json_schema": wanted}


def test_a_schema_goes_to_ollama_as_its_format(backend):
    delegated(ollama(backend), TASK.but(schema=SCHEMA))
    assert backend.asked("/api/chat")[0].body["format"] == SCHEMA


@pytest.mark.parametrize(("entry", "path"), [(litellm, CHAT), (ollama, "/api/chat")])
def test_without_a_schema_no_form_is_asked_for(backend, entry, path):
    delegated(entry(backend))
    assert not {"response_format", "format"} & backend.asked(path)[0].body.keys()


# Thoughts


@pytest.mark.parametrize("entry", [litellm, ollama])
def test_thoughts_in_a_field_of_their_own_are_no_part_of_the_answer(backend, entry):
    backend.thought = "Hm, France. Paris?"
    answer = delegated(entry(backend)).answer
    assert (answer.text, answer.thought) == (backend.answer, True)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_are_known_by_each_name_that_servers_give_them(backend, field):
    events = [{"choices": [{"delta": {field: "Hm."}}]}, {"choices": [{"delta": {"content": "Paris"}}]}]
    backend.fault = say_raw(b"".join(map(event, events)) + b"data: [DONE]\n\n")
    assert delegated(openai(backend)).answer.text == "Paris"


def test_an_answer_of_thoughts_alone_says_so(backend):
    backend.thought, backend.answer = "Hm, France.", ""
    failure = failure_of(litellm(backend))
    assert (failure.kind, failure.text) == (Kind.EMPTY, "the model's answer is empty (it only thought)")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<thought>hm</thought>Paris.", "Paris."),
        ("[THINK]hm[/THINK]Paris.", "Paris."),
        ("━━━━━\nllama-swap loading model: x\nstill at it\nDone! (7.26s)\n━━━━━\n \nParis.", "Paris."),
        ("llama-swap loading model: what does it mean?", "llama-swap loading model: what does it mean?"),
    ],
)
def test_what_is_not_the_answer_is_taken_out(text, answer):
    assert answers.cleaned(text) == answer


# Empty answers


@pytest.mark.parametrize(("entry", "options"), [(litellm, None), (ollama, "options")])
def test_an_empty_answer_is_asked_for_once_more_and_warmer(backend, entry, options):
    backend.fault = saying_in_turn("", "Paris.")
    assert delegated(entry(backend), TASK.but(temperature=0.0)).answer.text == "Paris."
    bodies = [request.body for request in backend.seen if request.path.endswith(("completions", "chat"))]
    if options:
        bodies = [body[options] for body in bodies]
    assert [body["temperature"] for body in bodies] == [0.0, 0.5]
    assert "frequency_penalty" not in bodies[1]


def test_an_answer_that_is_empty_twice_is_a_failure(backend):
    backend.answer = " \n"
    assert failure_of(litellm(backend)).kind is Kind.EMPTY
    assert len(backend.asked(CHAT)) == 2


def test_tokens_spent_on_thinking_are_not_spent_again(backend):
    backend.thought, backend.answer, backend.finish = "on and on", "", "length"
    failure = failure_of(litellm(backend))
    assert "it spent `max_output_tokens` on thinking" in failure.text
    assert len(backend.asked(CHAT)) == 1


# Repetition


@pytest.mark.parametrize(("entry", "options"), [(litellm, None), (ollama, "options")])
def test_an_answer_that_repeats_itself_is_asked_for_once_more_with_a_penalty(backend, entry, options):
    backend.fault = saying_in_turn("Well. " + SENTENCE * 20, "Paris.")
    assert delegated(entry(backend), TASK.but(temperature=0.9)).answer.text == "Paris."
    bodies = [request.body for request in backend.seen if request.path.endswith(("completions", "chat"))]
    second = bodies[1][options] if options else bodies[1]
    assert (second["temperature"], second["frequency_penalty"]) == (0.9, 0.5)


def test_one_that_repeats_itself_again_is_cut_and_says_so(ask, backend):
    beginning = "\n".join(f"{number}. point number {number} is different." for number in range(10))
    backend.answer = f"{beginning}\n{SENTENCE * 20}"
    result = ask({"backends": [litellm(backend)]})
    assert not result.is_error
    text, note = said(result.text).split("\n\n")
    assert text == f"{beginning}\n{SENTENCE}".strip()
    assert note == "[The model began to repeat itself and was stopped there, so this may be incomplete.]"


@pytest.mark.parametrize("task", [TASK, TASK.but(schema=SCHEMA)])
def test_one_that_says_little_before_it_repeats_itself_is_a_failure(backend, task):
    backend.answer = SENTENCE * 20
    failure = failure_of(litellm(backend), task)
    assert (failure.kind, failure.falls_back) == (Kind.REPEATS, False)
    assert failure.text == "the model's answer repeats itself without end (asked twice)"


def test_a_bound_answer_that_was_cut_would_be_no_json_and_is_a_failure(backend):
    backend.answer = '{"label": "' + " and so on and on it goes" * 40
    assert failure_of(litellm(backend), TASK.but(schema=SCHEMA)).kind is Kind.REPEATS


def test_thoughts_in_circles_are_a_failure(ask, backend):
    backend.thought, backend.answer = SENTENCE * 20, ""
    result = ask({"backends": [litellm(backend)]})
    assert "the model thinks in circles (asked twice)" in result.text
    assert "ask once more for something shorter" in result.text


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("entry", [litellm, ollama])
def test_a_runaway_answer_is_stopped_while_it_streams(backend, entry, thinking):
    delta = {"reasoning_content" if thinking else "content": SENTENCE}
    piece = event({"choices": [{"delta": delta}]})
    if entry is ollama:
        message = {"content": "", "thinking": SENTENCE} if thinking else {"content": SENTENCE}
        piece = json.dumps({"message": message, "done": False}).encode() + b"\n"
    sent = []

    def endless(handler):
        handler.send_pieces()
        for _ in range(200):
            sent.append(1)
            handler._send_chunk(piece)
            if handler.wait_for_disconnect(0.01):
                return

    backend.fault = endless
    assert failure_of(entry(backend)).kind is Kind.REPEATS
    assert backend.disconnected.is_set()
    assert len(sent) < 120  # of both tries, each of which would have sent 200


# Ollama's cut prompts

LONG = TASK.but(user="word " * 5000)


def test_a_prompt_that_fills_the_whole_context_was_cut(backend):
    backend.tokens = (8192, 5)
    failure = failure_of(ollama(backend), TASK.but(user="word " * 2000))
    assert (failure.kind, failure.context_tokens) == (Kind.CONTEXT, 8192)
    assert "its beginning was not read" in failure.text


def test_a_prompt_of_which_fewer_tokens_were_read_than_it_has_words_was_cut(backend):
    backend.tokens, backend.extra = (2048, 5), {"/api/version": {"version": "0.12.3"}}
    failure = failure_of(ollama(backend), LONG)
    assert (failure.kind, failure.context_tokens) == (Kind.CONTEXT, 2048)


@pytest.mark.parametrize("version", [{"version": "0.1.48"}, {"version": "odd"}, {}, None])
def test_a_server_that_leaves_out_what_it_had_kept_is_not_suspected(backend, version):
    backend.tokens = (20, 5)
    if version is not None:
        backend.extra = {"/api/version": version}
    assert delegated(ollama(backend), LONG).answer.text == backend.answer


@pytest.mark.parametrize("version", ["0.2.0", "0.30.1", "1.0.0"])
def test_newer_servers_count_whole_prompts(backend, version):
    backend.tokens, backend.extra = (20, 5), {"/api/version": {"version": version}}
    assert failure_of(ollama(backend), LONG).kind is Kind.CONTEXT


def test_a_count_that_is_not_told_proves_nothing(backend):
    backend.tokens = (0, 0)
    assert delegated(ollama(backend), LONG).answer.text == backend.answer


def test_a_long_run_of_blanks_is_no_long_prompt(new_backend):
    backend = new_backend(context_length=4096)
    assert delegated(ollama(backend), TASK.but(user="x" + " " * 60_000)).answer.text == backend.answer


def test_ollama_is_asked_neither_to_cut_the_prompt_nor_to_shift_it(backend):
    delegated(ollama(backend))
    body = backend.asked("/api/chat")[0].body
    assert (body["truncate"], body["shift"], body["stream"]) == (False, False, True)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"message": {"content": "Par"}, "done": false}\n', "broke off its answer"),
        (b"", "broke off its answer"),
        (b'{"message": {"content": "Par"}, "done": false}\n{"error": "cuda is gone"}\n', "cuda is gone"),
        (b"\n\nnonsense\n", "something that is not JSON"),
        (b'{"message": 5, "done": true}\n', "answered without a message"),
    ],
)
def test_an_ollama_answer_that_breaks_off_or_is_none_is_told(backend, data, told):
    backend.fault = say_raw(data)
    assert told in failure_of(ollama(backend)).text


def test_the_limit_that_an_error_names_is_remembered_for_the_next_chunks(backend):
    backend.fault = refuse_with(400, "request (9000 tokens) exceeds the available context size (4096 tokens)")
    asked = delegation(litellm(backend))
    with pytest.raises(AllFailed) as failed:
        asked.ask(TASK, Call())
    assert failed.value.attempts[0].failure.context_tokens == 4096
    info = asked.model_info("local-llama", Call())
    assert info is not None
    assert info.context_tokens == 4096
