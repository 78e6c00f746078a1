"""What passes is waited out, what stays is told in time: retries, and the circuit breaker."""

import threading
import time

import pytest
from fake_backend import (
    FakeBackend,
    closed_port,
    event,
    hang,
    litellm,
    ollama,
    openai,
    refuse_with,
    say_raw,
)
from server_process import said

from supervisor_mcp.backends import breaker as breaker_module
from supervisor_mcp.backends import exchange, retries
from supervisor_mcp.backends.breaker import Breaker
from supervisor_mcp.backends.failures import BackendError, Failure, Kind
from supervisor_mcp.calls import Call, CallCancelled

CHAT = "/v1/chat/completions"
PIECE = event({"choices": [{"delta": {"content": "on and "}}]})
# A time limit is met when one of these meets it: other processes may make the machine slow for a moment.
TRIES = 3
DOWN = Failure(kind=Kind.UNREACHABLE, text="cannot be reached: no connection within 3 s")


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSES", (0.02, 0.04))


def failing_first(times: int, fault):
    """A fault that is over after so many requests."""
    counted = iter(range(1000))

    def serve(handler):
        if next(counted) < times:
            fault(handler)
        elif handler.path == CHAT:
            handler.send_completion(stream=True)
        else:
            handler.send_ollama_answer()

    return serve


def busy_for(seconds: str):
    def serve(handler):
        handler.send_response(429)
        handler.send_header("Retry-After", seconds)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    return serve


def asked(backend: FakeBackend) -> int:
    return len(backend.asked(CHAT)) + len(backend.asked("/api/chat"))


# Retries


@pytest.mark.parametrize("entry", [litellm, ollama])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("times", [1, 2])
def test_an_error_that_passes_is_waited_out(ask, backend, entry, status, times):
    backend.fault = failing_first(times, refuse_with(status, "one moment"))
    assert said(ask({"backends": [entry(backend)]}).text) == backend.answer
    assert asked(backend) == times + 1


def test_an_error_that_stays_is_told_after_three_tries(ask, backend):
    backend.fault = refuse_with(503, "no")
    assert "failed with HTTP 503: no" in ask({"backends": [litellm(backend)]}).text
    assert asked(backend) == 3


@pytest.mark.parametrize(
    "fault",
    [
        refuse_with(400, "No connected db."),
        refuse_with(401, "who are you"),
        refuse_with(400, "request (30031 tokens) exceeds the available context size (8192 tokens)"),
        refuse_with(500, "this exceeds the available context size (8192 tokens)"),
        refuse_with(400, "Invalid model name passed in model=x"),
        refuse_with(404, "Not Found"),
        say_raw(b"nonsense"),
        say_raw(PIECE),
    ],
)
def test_an_error_that_will_not_pass_is_not_tried_again(ask, backend, fault):
    backend.fault = fault
    assert ask({"backends": [litellm(backend)]}).is_error
    assert asked(backend) == 1


def test_a_time_out_is_not_tried_again(ask, backend):
    backend.fault = hang
    assert "gave no answer within 0.3 s" in ask({"backends": [litellm(backend, timeout=0.3)]}).text
    assert asked(backend) == 1


def test_a_server_that_says_when_to_come_back_is_waited_for(ask, backend):
    backend.fault = failing_first(1, busy_for("1"))
    began = time.monotonic()
    assert not ask({"backends": [litellm(backend)]}).is_error
    assert 1 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("asked_for", "tries"), [("6", 1), ("3600", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 3), ("-1", 3), ("²", 3)]
)
def test_a_wish_to_wait_for_long_or_for_no_number_is_not_followed(ask, backend, asked_for, tries):
    backend.fault = busy_for(asked_for)
    began = time.monotonic()
    assert "is busy (HTTP 429)" in ask({"backends": [litellm(backend)]}).text
    assert asked(backend) == tries
    assert time.monotonic() - began < 1


def test_the_tries_together_do_not_outlast_the_time_out(ask, backend):
    def slow_failure(handler):
        time.sleep(0.25)
        handler.send_json(500, {"error": {"message": "boom"}})

    backend.fault = slow_failure
    took = []
    for _ in range(TRIES):
        before, began = asked(backend), time.monotonic()
        result = ask({"backends": [litellm(backend, timeout=0.6)]})
        took.append(time.monotonic() - began)
        assert result.is_error
        if asked(backend) - before in (2, 3) and took[-1] < 0.75:
            break
    else:
        pytest.fail(f"took {took} s")


def test_a_server_that_starts_a_moment_later_is_reached(make_core, ask, new_backend, monkeypatch):
    monkeypatch.setattr(retries, "PAUSES", (0.3, 5.0))  # the second where the machine is busy
    port = closed_port()
    core = make_core({"backends": [{"name": "x", "kind": "openai", "url": f"http://127.0.0.1:{port}"}]})
    timer = threading.Timer(0.05, lambda: new_backend(port=port))
    timer.start()
    assert not ask(core).is_error
    timer.join()


def test_a_pause_before_a_try_ends_when_the_call_is_cancelled(make_core, backend):
    backend.fault = busy_for("5")
    call = Call()
    threading.Timer(0.2, call.cancel).start()
    began = time.monotonic()
    with pytest.raises(CallCancelled):
        make_core({"backends": [litellm(backend)]}).call("ask_local_llama", {"prompt": "x"}, call)
    assert time.monotonic() - began < 1


def test_a_plain_openai_server_is_waited_out_too(ask, backend):
    backend.fault = failing_first(1, refuse_with(503, "loading model"))
    assert not ask({"backends": [openai(backend)]}).is_error


# The breaker


def test_a_closed_breaker_lets_all_pass():
    breaker = Breaker()
    breaker.enter()
    breaker.enter()
    breaker.failed(DOWN.but(kind=Kind.TIMEOUT), 300.0)
    breaker.failed(DOWN, 0.001)
    breaker.enter()
    assert not breaker.calm


def test_a_slow_failure_opens_it_and_after_a_while_one_goes_to_see(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(breaker_module.time, "monotonic", lambda: now[0])
    breaker = Breaker()
    breaker.failed(DOWN, 3.0)
    with pytest.raises(BackendError, match="not tried again for another 15 s"):
        breaker.enter()
    now[0] += 15
    breaker.enter()  # the probe
    with pytest.raises(BackendError, match="another call tries it just now"):
        breaker.enter()
    breaker.failed(DOWN, 3.0)
    with pytest.raises(BackendError, match="another 15 s"):
        breaker.enter()
    now[0] += 15
    breaker.enter()
    breaker.left()  # cancelled: the next one goes
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()
    assert breaker.calm


def test_a_refusal_at_once_closes_it_because_trying_costs_nothing():
    breaker = Breaker()
    breaker.failed(DOWN, 3.0)
    breaker.half_open()
    breaker.enter()
    breaker.failed(DOWN, 0.001)
    breaker.enter()
    breaker.enter()


def test_to_half_open_a_closed_breaker_changes_nothing():
    breaker = Breaker()
    breaker.half_open()
    breaker.enter()
    breaker.enter()


def test_a_backend_that_refuses_costs_milliseconds_and_is_not_retried_until_it_was_back(
    make_core, ask, new_backend, monkeypatch
):
    monkeypatch.setattr(retries, "PAUSES", (5.0, 5.0))
    port = closed_port()
    core = make_core(
        {"backends": [{"name": "x", "kind": "openai", "url": f"http://127.0.0.1:{port}", "timeout": 3}]}
    )
    ask(core)  # with no time for a second try
    took = []
    for _ in range(TRIES):
        began = time.monotonic()
        assert "connection refused" in ask(core).text
        took.append(time.monotonic() - began)
    assert min(took) < 0.1
    backend = new_backend(port=port)
    assert not ask(core).is_error
    backend.fault = failing_first(1, refuse_with(503, "no"))
    monkeypatch.setattr(retries, "PAUSES", (0.01, 0.01))
    assert not ask(core).is_error


def test_only_one_of_many_calls_waits_for_a_dead_backend(make_core, backend, monkeypatch):
    connects = []

    def hanging(address, *_arguments, **_keys):
        connects.append(address)
        time.sleep(1)
        raise TimeoutError("timed out")

    core = make_core({"backends": [litellm(backend, connect_timeout=0.3)]})
    with monkeypatch.context() as patch:
        patch.setattr("socket.create_connection", hanging)
        core.call("ask_local_llama", {"prompt": "x"}, Call())
        took = []
        for _ in range(TRIES):
            began = time.monotonic()
            for _ in range(20):
                assert core.call("ask_local_llama", {"prompt": "x"}, Call()).is_error
            took.append(time.monotonic() - began)
        assert min(took) < 0.2
        assert len(connects) == 1
    (ours,) = core._desk._delegation.backends
    ours.breaker.half_open()
    assert not core.call("ask_local_llama", {"prompt": "x"}, Call()).is_error


def test_the_overview_goes_and_sees_though_the_breaker_is_open(make_core, ask, backend):
    core = make_core({"backends": [litellm(backend)]})
    ask(core)
    (ours,) = core._desk._delegation.backends
    ours.breaker.failed(DOWN, 3.0)
    assert ask(core).is_error
    assert "serves local-coder" in ask(core, "list_available_local_models").text
    assert not ask(core).is_error


def test_a_bug_in_a_probe_does_not_leave_the_breaker_waiting(make_core, backend, monkeypatch):
    core = make_core({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "x"}, Call())
    (ours,) = core._desk._delegation.backends
    ours.breaker.failed(DOWN, 3.0)
    ours.breaker.half_open()
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "send", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            core.call("ask_local_llama", {"prompt": "x"}, Call())
    assert not core.call("ask_local_llama", {"prompt": "x"}, Call()).is_error
