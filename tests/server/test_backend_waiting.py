"""While an answer is waited for: stalls, what progress tells, and the places at a model."""

import json
import threading
import time

import pytest
from fake_backend import (
    FakeBackend,
    event,
    hang,
    litellm,
    ollama,
)
from server_process import said

from supervisor_mcp.backends import exchange
from supervisor_mcp.backends.turns import Turns
from supervisor_mcp.calls import Call, CallCancelled

CHAT = "/v1/chat/completions"
PIECE = event({"choices": [{"delta": {"content": "on and "}}]})
OLLAMA_PIECE = json.dumps({"message": {"content": "on and "}, "done": False}).encode() + b"\n"


def asked(backend: FakeBackend) -> int:
    return len(backend.asked(CHAT)) + len(backend.asked("/api/chat"))


# Stalls and phases


@pytest.mark.parametrize(("entry", "piece"), [(litellm, PIECE), (ollama, OLLAMA_PIECE)])
def test_an_answer_that_stops_in_the_middle_is_given_up_and_the_request_closed(ask, backend, entry, piece):
    def stalled(handler):
        handler.send_pieces(piece, piece)
        handler.wait_for_disconnect()

    backend.fault = stalled
    began = time.monotonic()
    result = ask({"backends": [entry(backend, idle_timeout=0.3)]})
    assert "stopped in the middle of its answer and said nothing for 0.3 s" in result.text
    assert "`idle_timeout`" in result.text
    assert time.monotonic() - began < 1
    assert backend.disconnected.wait(2)
    assert asked(backend) == 1


def test_silence_before_the_first_piece_is_a_cold_load_and_bounded_by_the_time_out_alone(ask, backend):
    def cold(handler):
        handler.send_pieces(b": loading\n\n", event({"choices": [{"delta": {"role": "assistant"}}]}))
        time.sleep(0.5)
        handler.send_pieces_on(PIECE + b"data: [DONE]\n\n")

    backend.fault = cold
    assert said(ask({"backends": [litellm(backend, idle_timeout=0.1)]}).text) == "on and"


def test_llama_swaps_tales_of_a_load_are_no_answer_yet(ask, backend):
    banner = ["━━━━━\n", "llama-swap loading model: x\n", "Done! (2.3s)\n", "━━━━━\n"]

    def loading(handler):
        told = [event({"choices": [{"delta": {"reasoning_content": text}}]}) for text in banner]
        handler.send_pieces(*told)
        time.sleep(0.4)
        handler.send_pieces_on(PIECE + b"data: [DONE]\n\n")

    backend.fault = loading
    assert said(ask({"backends": [litellm(backend, idle_timeout=0.1)]}).text) == "on and"


def test_pings_do_not_hide_that_an_answer_has_stopped(ask, backend):
    def pinging(handler):
        handler.send_pieces(PIECE, *([b": ping\n\n"] * 20), pause=0.05)

    backend.fault = pinging
    result = ask({"backends": [litellm(backend, idle_timeout=0.3)]})
    assert "stopped in the middle of its answer" in result.text


def test_a_slow_answer_is_no_stalled_one(ask, backend):
    def slow(handler):
        handler.send_pieces(*([PIECE] * 12), pause=0.1)
        handler.send_pieces_on(b"data: [DONE]\n\n")

    backend.fault = slow
    assert said(ask({"backends": [litellm(backend, idle_timeout=1)]}).text) == ("on and " * 12).strip()


def test_an_answer_without_end_is_bounded_by_the_time_out(ask, backend):
    def endless(handler):
        handler.send_pieces(*([PIECE] * 100), pause=0.05)

    backend.fault = endless
    began = time.monotonic()
    assert "gave no answer within 0.5 s" in ask({"backends": [litellm(backend, timeout=0.5)]}).text
    assert time.monotonic() - began < 1


def test_progress_names_the_phase(make_core, backend, monkeypatch):
    monkeypatch.setattr(exchange, "REPORT_SECONDS", 0.05)
    told, waiting, answering = [], threading.Event(), threading.Event()

    def serve(handler):
        waiting.wait(5)
        handler.send_pieces(PIECE, PIECE)
        answering.wait(5)
        handler.send_pieces_on(PIECE + b"data: [DONE]\n\n")

    def report(_, text):
        told.append(text)
        waiting.set()
        if "2 tokens so far" in text:
            answering.set()

    backend.fault = serve
    core = make_core({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "x"}, Call(report))
    assert told[0] == "waiting for local-llama on litellm (loading or reading the prompt), 0 s"
    assert any("local-llama on litellm (answering, 2 tokens so far)" in text for text in told)


def test_progress_names_connecting(make_core, backend, monkeypatch):
    monkeypatch.setattr(exchange, "REPORT_SECONDS", 0.05)
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: time.sleep(0.5))
    told = []
    core = make_core({"backends": [litellm(backend, connect_timeout=0.3)]})
    core.call("ask_local_llama", {"prompt": "x"}, Call(lambda _, text: told.append(text)))
    assert told[0] == "waiting for local-llama on litellm (connecting), 0 s"


def test_a_bug_in_reading_an_answer_is_told_as_one(make_core, backend, monkeypatch):
    core = make_core({"backends": [litellm(backend)]})
    monkeypatch.setattr("supervisor_mcp.backends.reader.Reader._add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        core.call("ask_local_llama", {"prompt": "x"}, Call())


# Places


def test_a_model_is_given_no_more_prompts_at_once_than_its_places(make_core, backend):
    running, most, lock = [0], [0], threading.Lock()

    def serve(handler):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        handler.send_completion(stream=True)

    backend.fault = serve
    core = make_core({"backends": [litellm(backend, parallel=4)]})
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(core.call("ask_local_llama", {"prompt": "x"}, Call())))
        for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.is_error for result in results] == [False] * 64
    assert most[0] == 4
    assert backend.connections <= 12


def test_another_model_has_places_of_its_own(make_core, backend):
    release = threading.Event()

    def serve(handler):
        if handler.body["model"] == "local-llama":
            release.wait(5)
        handler.send_completion(stream=True)

    backend.fault = serve
    core = make_core({"backends": [litellm(backend, parallel=1)]})
    first = threading.Thread(target=lambda: core.call("ask_local_llama", {"prompt": "x"}, Call()))
    first.start()
    assert backend.reached.wait(5)
    assert not core.call("ask_coding_model", {"code": "x", "question": "y"}, Call()).is_error
    release.set()
    first.join()


def test_waiting_for_a_place_is_reported_and_can_be_cancelled(make_core, backend, monkeypatch):
    monkeypatch.setattr(exchange, "REPORT_SECONDS", 0.05)
    backend.fault = hang
    core = make_core({"backends": [litellm(backend, parallel=1)]})
    holder, told = Call(), []

    def hold():
        with pytest.raises(CallCancelled):
            core.call("ask_local_llama", {"prompt": "x"}, holder)

    thread = threading.Thread(target=hold)
    thread.start()
    assert backend.reached.wait(5)

    def report(_, text):
        told.append(text)
        threading.Timer(0, waiting.cancel).start()

    waiting = Call(report)
    with pytest.raises(CallCancelled):
        core.call("ask_local_llama", {"prompt": "x"}, waiting)
    assert told[0] == "waiting for local-llama on litellm (waiting for a free place), 0 s"
    holder.cancel()
    thread.join()
    backend.fault = None
    assert not core.call("ask_local_llama", {"prompt": "x"}, Call()).is_error
    assert asked(backend) == 2


def test_places_go_on_in_the_order_of_coming_also_past_one_who_left():
    turns, order, inside = Turns(1), [], threading.Event()
    calls = [Call() for _ in range(4)]

    def take(number):
        try:
            with turns.turn(calls[number], "x"):
                order.append(number)
                inside.wait(5)
        except CallCancelled:
            order.append(f"left {number}")

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        deadline = time.monotonic() + 5
        while len(turns._waiting) < number and time.monotonic() < deadline:
            time.sleep(0.001)
    calls[2].cancel()
    threads[2].join()
    inside.set()
    for thread in threads:
        thread.join()
    assert order == [0, "left 2", 1, 3]
    with turns.turn(Call(), "x"):
        pass


def test_a_place_that_comes_together_with_a_cancel_is_handed_on():
    turns, call = Turns(1), Call()

    class Late(Call):
        """Cancelled by the time that its turn has come."""

        def raise_if_cancelled(self):
            if self.cancelled_late:
                raise CallCancelled

        cancelled_late = False

    late = Late()
    turns._take(call, "x")
    failed = []

    def wait():
        try:
            turns._take(late, "x")
        except CallCancelled:
            failed.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    while not turns._waiting:
        time.sleep(0.001)
    late.cancelled_late = True
    turns._give_back()
    thread.join()
    assert failed
    with turns.turn(Call(), "x"):
        pass
