"""Calls side by side: cancelled, reported on, many at once, and left behind when the client goes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_backend import HANG_SECONDS, hang, litellm, ollama, slow
from server_process import MODERN_META, text_of

import supervisor_mcp
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.workers import Workers

# A time limit is met when one of these meets it: other processes may make the machine slow for a moment.
TRIES = 3


def call_message(request_id, tool="ask_local_llama", meta=None, **arguments):
    params = {"name": tool, "arguments": arguments or {"prompt": "x"}}
    if meta is not None:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def cancel_message(request_id):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


@pytest.mark.parametrize("entry", [litellm, ollama])
@pytest.mark.parametrize("request_id", [1, "one"])
def test_cancelling_closes_the_backends_request_and_answers_nothing(start_server, backend, entry, request_id):
    backend.fault = hang
    server = start_server(backends=[entry(backend)])
    server.initialize()
    server.send(call_message(request_id))
    assert backend.reached.wait(5)
    time.sleep(0.1)
    server.send(cancel_message(request_id))
    assert backend.disconnected.wait(2)
    assert server.silent()
    backend.fault = None
    assert text_of(server.call("ask_local_llama", {"prompt": "x"}, request_id))


def test_cancelling_a_modern_request_closes_it_too(start_server, backend):
    backend.fault = hang
    server = start_server(backends=[litellm(backend)])
    server.send(call_message(1, meta=MODERN_META))
    assert backend.reached.wait(5)
    server.send(cancel_message(1))
    assert backend.disconnected.wait(2)
    assert server.silent()


def test_a_cancelled_call_in_a_batch_leaves_the_others_their_answer(start_server, backend):
    backend.fault = hang
    server = start_server(backends=[litellm(backend)])
    server.initialize("2025-03-26")
    server.send([call_message(1), {"jsonrpc": "2.0", "id": 2, "method": "ping"}])
    assert backend.reached.wait(5)
    server.send(cancel_message(1))
    assert [answer["id"] for answer in server.receive()] == [2]


@pytest.mark.parametrize("hanging", [0, 1, 5])
def test_the_end_of_input_ends_the_process_at_once_even_while_calls_hang(start_server, backend, hanging):
    backend.fault = hang
    for _ in range(TRIES):
        backend.reached.clear()
        backend.disconnected.clear()
        server = start_server(backends=[litellm(backend)])
        server.initialize()
        for number in range(hanging):
            server.send(call_message(number))
        if hanging:
            assert backend.reached.wait(5)
            time.sleep(0.2)
        code, seconds = server.end()
        assert (code, server.stderr) == (0, b"")
        if hanging:
            assert backend.disconnected.wait(2)
        if seconds < 0.5:
            break
    assert seconds < 0.5


def test_the_server_answers_while_calls_hang(start_server, backend):
    backend.fault = hang
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    for number in range(10):
        server.send(call_message(number))
    began = time.monotonic()
    assert server.ask("ping", request_id="now")["id"] == "now"
    assert time.monotonic() - began < 1


def test_sixty_four_calls_run_at_once(start_server, backend):
    backend.fault = slow(0.5)
    server = start_server(backends=[litellm(backend, parallel=64)])
    server.initialize()
    began = time.monotonic()
    for number in range(64):
        server.send(call_message(number))
    answers = [server.receive() for _ in range(64)]
    assert {answer["id"] for answer in answers} == set(range(64))
    assert not any(answer["result"]["isError"] for answer in answers)
    assert time.monotonic() - began < 8  # one after the other they would take 32 s


def test_an_id_that_is_still_in_use_is_refused(start_server, backend):
    backend.fault = slow(0.5)
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    server.send(call_message(1))
    server.send(call_message(1))
    assert server.receive()["error"]["code"] == -32600
    assert server.receive()["result"]["isError"] is False


def test_progress_is_told_while_waiting_when_the_client_wants_it(start_server, backend):
    told = threading.Event()

    def answer_when_told(handler):
        told.wait(HANG_SECONDS)
        handler.send_completion(stream=True)

    backend.fault = answer_when_told
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    for _ in range(TRIES):
        told.clear()
        for request_id, meta in ((1, {"progressToken": "tok"}), (2, {"progressToken": 0}), (3, {})):
            server.send(call_message(request_id, meta=meta))
        notices = [server.receive() for _ in range(2)]
        told.set()
        assert {notice["params"]["progressToken"] for notice in notices} == {"tok", 0}
        assert {notice["method"] for notice in notices} == {"notifications/progress"}
        assert {server.receive()["id"] for _ in range(3)} == {1, 2, 3}
        if all(notice["params"]["progress"] < 3.4 for notice in notices):
            break
    for notice in notices:
        assert 2.9 < notice["params"]["progress"] < 3.4
        assert (
            notice["params"]["message"]
            == "waiting for local-llama on litellm (loading or reading the prompt), 3 s"
        )
    assert server.silent()


def test_progress_is_not_told_when_nobody_asked(make_core, backend, monkeypatch):
    monkeypatch.setattr("supervisor_mcp.backends.exchange.REPORT_SECONDS", 0.05)
    backend.fault = slow(0.3)
    told = []
    core = make_core({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "x"}, Call())
    core.call("ask_local_llama", {"prompt": "x"}, Call(lambda seconds, _: told.append(seconds)))
    assert len(told) >= 3
    assert told == sorted(told)


def test_a_call_that_was_cancelled_before_it_began_never_reaches_a_backend(make_core, backend):
    call = Call()
    call.cancel()
    core = make_core({"backends": [litellm(backend)]})
    for tool, arguments in (("ask_local_llama", {"prompt": "x"}), ("list_available_local_models", {})):
        with pytest.raises(CallCancelled):
            core.call(tool, arguments, call)
    assert backend.seen == []


def test_jobs_beyond_the_limit_wait_for_a_thread_and_all_get_done():
    workers, done = Workers(limit=2), []
    running = []
    for number in range(20):

        def job(number: int = number) -> None:
            running.append(number)
            time.sleep(0.01)
            done.append((number, len(running)))
            running.remove(number)

        workers.submit(job)
    deadline = time.monotonic() + 5
    while len(done) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(number for number, _ in done) == list(range(20))
    assert max(together for _, together in done) == 2


def test_before_the_first_call_the_server_is_small_and_has_one_thread(start_server):
    server = start_server()
    server.initialize()
    server.ask("tools/list")
    pid = server.process.pid
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    assert int(status["Threads"]) == 1
    if "COV_CORE_SOURCE" not in os.environ and "COVERAGE_PROCESS_CONFIG" not in os.environ:
        assert int(status["VmRSS"].split()[0]) < 25 * 1024


def test_nothing_heavy_is_imported_before_the_first_call():
    root = Path(supervisor_mcp.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from supervisor_mcp import server; server.main([]);"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    heavy = {"dataclasses", "typing", "inspect", "asyncio", "http.client", "ssl", "socket", "threading"}
    heavy |= {"httpx", "ruamel", "logging", "argparse", "pathlib", "importlib.metadata", "mcp", "traceback"}
    loaded = set(done.stderr.split())
    assert "supervisor_mcp.stdio" in loaded
    assert not loaded & heavy
