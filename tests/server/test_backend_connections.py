"""Connections to a backend: kept, used again, given up when stale, left when a call is cancelled."""

import gc
import json
import socket
import subprocess
import threading
import time
import warnings
import weakref
from contextlib import suppress
from http.client import HTTPConnection

import pytest
from fake_backend import FakeBackend, event, hang, litellm, ollama, openai
from server_process import said

from supervisor_mcp.backends import exchange, pool
from supervisor_mcp.backends.pool import Pool
from supervisor_mcp.calls import Call, CallCancelled

ENTRIES = [litellm, ollama, openai]


def cancelled_after(seconds: float) -> Call:
    call = Call()
    timer = threading.Timer(seconds, call.cancel)
    timer.daemon = True
    timer.start()
    return call


def wait_for_idle(core) -> None:
    """Wait until the connection is given back, which it is a moment after the answer."""
    (backend,) = core._desk._delegation.backends
    deadline = time.monotonic() + 5
    while not backend._pool._idle:
        assert time.monotonic() < deadline, "no connection was given back"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate of an authority that nobody trusts, for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", chain], check=True, capture_output=True)
    return chain, key


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    exchange._tls_context.cache_clear()
    yield certificate
    exchange._tls_context.cache_clear()


@pytest.mark.parametrize("entry", ENTRIES)
def test_one_connection_serves_one_call_after_the_other(make_core, ask, backend, entry):
    core = make_core({"backends": [entry(backend)]})
    for _ in range(5):
        assert not ask(core).is_error
        wait_for_idle(core)
    ask(core, "list_available_local_models")
    assert not ask(core).is_error
    assert backend.connections == 1


def test_a_connection_serves_again_after_an_error(make_core, ask, backend):
    core = make_core({"backends": [litellm(backend)]})
    backend.fault = lambda handler: handler.send_json(400, {"error": {"message": "No connected db."}})
    for _ in range(3):
        assert ask(core).is_error
    assert backend.connections == 1


def test_a_server_that_closes_after_each_answer_is_connected_to_anew(make_core, ask, backend):
    def closing(handler):
        handler.close_connection = True
        handler.send_completion(stream=True)

    backend.fault = closing
    core = make_core({"backends": [litellm(backend)]})
    for _ in range(3):
        assert said(ask(core).text) == backend.answer
        time.sleep(0.05)
    assert backend.connections == 3


def test_a_kept_connection_that_the_server_closed_meanwhile_is_given_up_unseen(
    make_core, ask, backend, monkeypatch
):
    monkeypatch.setattr(pool, "_is_quiet", lambda _: True)  # as if it closed only after the look
    closers = []

    def answering(handler):
        closers.append(handler.connection)
        handler.send_completion(stream=True)

    backend.fault = answering
    core = make_core({"backends": [litellm(backend)]})
    assert not ask(core).is_error
    time.sleep(0.05)
    closers[0].shutdown(socket.SHUT_RDWR)
    time.sleep(0.05)
    assert said(ask(core).text) == backend.answer
    assert (backend.connections, len(backend.seen)) == (2, 2)


def test_a_kept_connection_that_is_seen_to_be_closed_is_not_tried(make_core, ask, backend):
    closers = []

    def answering(handler):
        closers.append(handler.connection)
        handler.send_completion(stream=True)

    backend.fault = answering
    core = make_core({"backends": [litellm(backend)]})
    ask(core)
    wait_for_idle(core)
    closers[0].shutdown(socket.SHUT_RDWR)
    time.sleep(0.05)
    assert not ask(core).is_error


def test_a_request_is_not_sent_again_once_something_of_its_answer_came(make_core, ask, backend):
    core = make_core({"backends": [litellm(backend)]})
    ask(core)
    wait_for_idle(core)

    def cut(handler):
        handler.send_pieces(event({"choices": [{"delta": {"content": "The capi"}}]}))
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    backend.fault = cut
    assert "broke off its answer" in ask(core).text
    assert len(backend.asked("/v1/chat/completions")) == 2


def test_a_server_that_ends_a_request_after_a_while_is_not_asked_again(make_core, ask, backend, monkeypatch):
    monkeypatch.setattr(exchange, "_STALE_SECONDS", 0.1)
    core = make_core({"backends": [litellm(backend)]})
    ask(core)
    wait_for_idle(core)

    def dying(handler):
        time.sleep(0.3)
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    backend.fault = dying
    assert "broke off its answer (RemoteDisconnected)" in ask(core).text
    assert len(backend.asked("/v1/chat/completions")) == 2


def test_a_server_that_went_away_between_two_calls_is_told_as_unreachable(make_core, ask, new_backend):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    answer = json.dumps({"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}).encode()

    def serve_once():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
            connection.sendall(head + answer)
            connection.recv(65536)  # the second request, which is never answered
            listener.close()

    thread = threading.Thread(target=serve_once, daemon=True)
    thread.start()
    core = make_core({"backends": [{"name": "x", "kind": "openai", "url": f"http://127.0.0.1:{port}"}]})
    assert said(ask(core).text) == "Paris."
    time.sleep(0.05)
    assert "cannot be reached: connection refused" in ask(core).text
    thread.join(5)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_cancelled_call_closes_its_connection_and_never_gives_it_back(make_core, ask, backend, entry):
    core = make_core({"backends": [entry(backend)]})
    ask(core)
    wait_for_idle(core)
    backend.fault = hang
    with pytest.raises(CallCancelled):
        core.call("ask_local_llama", {"prompt": "x"}, cancelled_after(0.2))
    assert backend.disconnected.wait(2)
    backend.fault = None
    assert not ask(core).is_error
    assert backend.connections == 2


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_call_that_is_cancelled_while_the_answer_streams_closes_the_request(make_core, backend, entry):
    piece = event({"choices": [{"delta": {"content": "on and on "}}]})
    if entry is ollama:
        piece = json.dumps({"message": {"content": "on and on "}, "done": False}).encode() + b"\n"

    def streaming(handler):
        handler.send_pieces(piece, piece)
        handler.wait_for_disconnect()

    backend.fault = streaming
    core = make_core({"backends": [entry(backend)]})
    with pytest.raises(CallCancelled):
        core.call("ask_local_llama", {"prompt": "x"}, cancelled_after(0.3))
    assert backend.disconnected.wait(2)


def test_no_more_connections_are_kept_than_the_bound_and_none_for_long(backend, monkeypatch):
    kept = Pool()
    connections = [HTTPConnection("127.0.0.1", backend.port) for _ in range(pool.MAX_IDLE + 3)]
    for connection in connections:
        connection.connect()
        kept.give(connection)
    assert [connection.sock is None for connection in connections] == [True] * 3 + [False] * pool.MAX_IDLE
    assert kept.take() is connections[-1]
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.01)
    time.sleep(0.02)
    assert kept.take() is None
    assert all(connection.sock is None for connection in connections[:-1])
    connections[-1].close()


def test_a_pool_that_is_part_of_a_cycle_closes_its_connections_without_a_warning(backend):
    connection = HTTPConnection("127.0.0.1", backend.port)
    connection.connect()
    connected = weakref.ref(connection.sock)
    kept = Pool()
    kept.give(connection)
    kept.holder = kept
    del connection, kept
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        gc.collect()
    assert warned == []
    assert connected() is None


def test_a_connection_that_cannot_be_watched_counts_as_closed(backend):
    kept, connection = Pool(), HTTPConnection("127.0.0.1", backend.port)
    connection.connect()
    kept.give(connection)
    sock, connection.sock = connection.sock, None
    assert kept.take() is None
    sock.close()


def test_an_answers_end_is_enough_even_when_the_reply_has_none(make_core, ask, backend, monkeypatch):
    monkeypatch.setattr(exchange, "_DRAIN_SECONDS", 0.1)

    def endless(handler):
        chunk = event({"choices": [{"delta": {"content": "Paris."}, "finish_reason": "stop"}]})
        handler.send_pieces(chunk + b"data: [DONE]\n\n")
        handler.wait_for_disconnect()

    backend.fault = endless
    core = make_core({"backends": [litellm(backend)]})
    began = time.monotonic()
    assert said(ask(core).text) == "Paris."
    assert time.monotonic() - began < 1
    assert backend.disconnected.wait(2)  # and the connection is given up


def test_what_follows_an_answers_end_without_bound_is_not_read(make_core, ask, backend, monkeypatch):
    monkeypatch.setattr(exchange, "_DRAIN_SECONDS", 0.1)

    def babbling(handler):
        handler.send_pieces(event({"choices": [{"delta": {"content": "Paris."}}]}) + b"data: [DONE]\n\n")
        with suppress(ConnectionError):
            for _ in range(50):
                handler.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            handler.send_pieces_on()
        handler.wait_for_disconnect()

    backend.fault = babbling
    assert said(ask({"backends": [litellm(backend)]}).text) == "Paris."
    assert backend.disconnected.wait(2)


def test_tls_connections_are_kept_cancelled_and_given_up_when_stale(
    make_core, ask, new_backend, trusted, monkeypatch
):
    backend: FakeBackend = new_backend(certificate=trusted)
    entry = {"name": "x", "kind": "openai", "url": f"https://localhost:{backend.port}"}
    core = make_core({"backends": [entry]})
    closers = []

    def answering(handler):
        closers.append(handler.connection)
        handler.send_completion(stream=True)

    backend.fault = answering
    for _ in range(3):
        assert said(ask(core).text) == backend.answer
        wait_for_idle(core)
    assert backend.connections == 1
    monkeypatch.setattr(pool, "_is_quiet", lambda _: True)
    closers[0].shutdown(socket.SHUT_RDWR)
    time.sleep(0.05)
    assert said(ask(core).text) == backend.answer
    assert backend.connections == 2
    backend.fault = hang
    with pytest.raises(CallCancelled):
        core.call("ask_local_llama", {"prompt": "x"}, cancelled_after(0.2))
    assert backend.disconnected.wait(2)


def test_a_certificate_that_is_not_trusted_is_told_with_the_remedy(ask, new_backend, certificate):
    backend = new_backend(certificate=certificate)
    result = ask({"backends": [{"name": "x", "kind": "openai", "url": f"https://localhost:{backend.port}"}]})
    assert "cannot be reached: its certificate is not trusted (self" in result.text
    assert "set SSL_CERT_FILE" in result.text
    assert backend.seen == []
