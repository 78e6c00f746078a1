"""Calls over HTTP: answered, reported on, cancelled, many at once, and what happens when either side goes."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_backend import HANG_SECONDS, FakeBackend, hang, litellm, refuse_with, slow
from http_server import HttpServer, as_modern, call_params, impatient, modern
from server_process import text_of
from shared_server import REPORT_SECONDS

from supervisor_mcp import server as program


@pytest.fixture
def start(tmp_path):
    """Starts servers of the test's own, about starts and ends: `start(backend)`; each must end well."""
    started = []

    def run(backend: FakeBackend | None = None, *arguments, **named):
        config = {"backends": [litellm(backend)]} if backend else {}
        server = HttpServer(tmp_path / "http", *arguments, config=config, **named)
        started.append(server)
        return server

    yield run
    for server in started:
        code, _ = server.end()
        assert code in (0, 1, 2), server.said


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    """A server of this module's that listens on all addresses and cannot use its config."""
    folder = tmp_path_factory.mktemp("open")
    path = folder / "broken.yaml"
    path.write_text("backends: 5\n", encoding="utf-8")
    running = HttpServer(folder, "--config", str(path), listen="0.0.0.0:0", env={"HOME": str(folder)})
    yield running
    assert running.end()[0] == 0


@pytest.fixture
def main(tmp_path, capfd):
    """Runs the program in this process, for starts that fail: its exit code and the lines that it says."""

    def run(*arguments):
        code = program.main([*arguments, "--state", str(tmp_path / "state")])
        return code, capfd.readouterr().err.splitlines()

    return run


@pytest.fixture
def behind(shared_server):
    """The LiteLLM behind the server that tests share."""
    return shared_server.new_backend()


@pytest.fixture
def server(shared_server, behind):
    """That server."""
    return shared_server.http


@pytest.fixture
def hanging(server, behind):
    """That server, with a LiteLLM that never answers."""
    behind.fault = hang
    return server


def send(server, message, headers=None):
    """Send a request and leave its answer for later; the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    given = {
        "Authorization": f"Bearer {server.token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **(headers or {}),
    }
    connection.request("POST", "/mcp", json.dumps(message), given)
    return connection


def call_message(request_id=1, **meta):
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": call_params(**meta)}


def cancelling(request_id):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


def test_an_answer_is_one_plain_text(server):
    assert text_of(server.call().result).startswith("The capital of France is Paris.")


def test_a_modern_call_needs_no_handshake_and_no_session(server):
    result = modern(server, "tools/call", call_params()).result
    assert result["resultType"] == "complete"
    assert text_of(result).startswith("The capital of France is Paris.")


def test_an_unknown_tool_is_named_beside_those_that_there_are(server):
    (message,) = server.call("nope").messages
    assert message["error"]["code"] == -32602
    assert "nope; there are ask_local_llama" in message["error"]["message"]


def test_a_failing_backend_is_a_result_that_says_what_to_do(server, behind):
    behind.fault = refuse_with(500, "boom")
    result = server.call().result
    assert result["isError"]
    assert "Do the task yourself" in text_of(result)


def test_a_broken_config_is_said_in_every_answer(open_server):
    assert "broken.yaml:1" in text_of(open_server.call().result)


@pytest.mark.parametrize("modern_client", [False, True])
def test_progress_is_told_in_the_answers_own_stream(server, behind, modern_client):
    told = threading.Event()

    def answer_when_told(handler):
        told.wait(HANG_SECONDS)
        handler.send_completion(stream=True)

    def on_line(line):
        if b"notifications/progress" in line:
            told.set()

    behind.fault = answer_when_told
    if modern_client:
        reply = modern(server, "tools/call", call_params(progressToken="tok"), on_line=on_line)
    else:
        reply = server.request(call_message(progressToken="tok"), on_line=on_line)
    *notices, answer = reply.messages
    (notice,) = notices
    assert notice["params"]["progressToken"] == "tok"
    assert notice["params"]["message"].startswith("waiting for local-llama on litellm")
    assert not answer["result"]["isError"]


def test_files_are_read_below_the_configured_roots_and_nowhere_else(server, behind, shared_server):
    """The client's folder is on another machine; the one that the server stands in is nobody's project."""
    inside, outside = shared_server.inside, shared_server.outside

    def summarised(name):
        params = {"name": "summarize_files", "arguments": {"paths": [name]}}
        return server.ask("tools/call", params).result

    for name in ("notes.txt", str(inside / "notes.txt")):
        result = summarised(name)
        assert not result["isError"]
        assert "Paris" in text_of(result)
    asked = len(behind.asked("/v1/chat/completions"))
    for name in (str(outside / "notes.txt"), "../outside/notes.txt", str(outside)):
        assert "Paris" not in text_of(summarised(name))
    assert len(behind.asked("/v1/chat/completions")) == asked


def test_progress_is_not_told_unasked(server, behind):
    behind.fault = slow(REPORT_SECONDS + 0.2)
    assert len(server.call().messages) == 1


@pytest.mark.parametrize("modern_client", [False, True])
def test_a_client_that_hangs_up_closes_the_backends_request(hanging, behind, modern_client):
    if modern_client:
        headers, params = as_modern("tools/call", call_params())
        connection = send(hanging, {**call_message(), "params": params}, headers)
    else:
        connection = send(hanging, call_message())
    assert behind.reached.wait(20)
    time.sleep(0.1)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    assert behind.disconnected.wait(10)


@pytest.mark.parametrize("request_id", [7, "seven"])
def test_cancelling_in_a_session_closes_the_backends_request(hanging, behind, request_id):
    session = hanging.session()
    connection = send(hanging, call_message(request_id), session)
    assert behind.reached.wait(20)
    time.sleep(0.1)
    assert hanging.request(cancelling(request_id), session).status == 202
    assert behind.disconnected.wait(10)
    assert b'"code":-32800' in connection.getresponse().read()
    connection.close()


def test_one_client_cannot_cancel_the_call_of_another(hanging, behind):
    mine, theirs = hanging.session(), hanging.session()
    connection = send(hanging, call_message(1), mine)
    assert behind.reached.wait(20)
    for headers in (theirs, {}):
        assert hanging.request(cancelling(1), headers).status == 202
    for odd in (cancelling(None), cancelling([1]), {**cancelling(1), "params": None}, cancelling(2)):
        hanging.request(odd, mine)
    assert not behind.disconnected.wait(0.5)
    connection.close()
    assert behind.disconnected.wait(10)


def test_sixty_four_clients_call_at_once(server, behind):
    behind.fault = slow(0.5)
    began = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(server.call, ["ask_local_llama"] * 64, range(64)))
    assert [reply.messages[-1]["id"] for reply in replies] == list(range(64))
    assert not any(reply.result["isError"] for reply in replies)
    assert time.monotonic() - began < 20  # one after the other they would take 32 s


def test_it_answers_others_while_calls_hang(hanging, behind):
    connections = [send(hanging, call_message(number)) for number in range(20)]
    assert behind.reached.wait(20)
    began = time.monotonic()
    assert hanging.ask("ping").result == {}
    assert time.monotonic() - began < 5
    for connection in connections:
        connection.close()


def test_a_call_that_ends_in_time_is_answered_although_the_server_is_told_to_stop(start, backend):
    backend.fault = slow(1.0)
    server = start(backend, command=impatient(GRACE_SECONDS=60))
    connection = send(server, call_message())
    assert backend.reached.wait(20)
    server.process.send_signal(signal.SIGTERM)
    assert b"Paris" in connection.getresponse().read()
    connection.close()
    code, seconds = server.end(seconds=50)
    assert code == 0
    assert seconds < 40  # it waits for what runs, not for the whole grace


def test_a_call_that_hangs_is_given_up_when_the_server_stops(start, backend):
    backend.fault = hang
    server = start(backend, command=impatient(GRACE_SECONDS=1))
    connection = send(server, call_message())
    assert backend.reached.wait(20)
    code, seconds = server.end()
    assert code == 0
    assert seconds > 0.8
    assert backend.disconnected.wait(5)
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(start, backend, number):
    server = start(backend, command=impatient(GRACE_SECONDS=60))
    server.call()
    code, seconds = server.end(number, seconds=50)
    assert (code, len(server.said)) == (0, 1)
    assert seconds < 40


def test_another_start_finds_the_same_token(server, start):
    kept = server.state / "http-token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not any(server.token in line for line in server.said)
    token = server.token
    again = start(None, "--state", str(server.state))
    again.state = server.state
    assert again.ask("ping").result == {}
    assert server.token == token


def test_a_token_that_others_can_read_is_refused_with_what_to_do(main, tmp_path):
    path = tmp_path / "token"
    path.write_text("a-token-that-is-long-enough\n", encoding="utf-8")
    path.chmod(0o644)
    code, said = main("--http", "0", "--token-file", str(path))
    assert code == 1
    assert "mode 0644" in said[0]
    assert "a-token" not in "".join(said)


def test_a_port_that_is_taken_is_said_in_one_line(server, main):
    assert main("--http", str(server.port)) == (
        1,
        [f"supervisor-mcp: cannot listen on 127.0.0.1:{server.port}: Address already in use"],
    )


@pytest.mark.parametrize("listen", ["koala", "127.0.0.1:x", "99999", "*:80", "localhost:"])
def test_an_address_that_is_none_is_said_in_one_line(main, listen):
    code, said = main("--http", listen)
    assert code == 1
    assert "must be HOST:PORT or PORT" in said[0]


def test_without_the_extra_one_line_says_how_to_install_it(tmp_path):
    hidden = (
        "import sys; sys.modules['uvicorn'] = None;from supervisor_mcp import server; sys.exit(server.main())"
    )
    server = HttpServer(tmp_path / "http", command=[sys.executable, "-c", hidden])
    assert server.end()[0] == 1
    assert len(server.said) == 1
    assert "pip install 'supervisor-setup[http]'" in server.said[0]
    assert not server.state.exists()


@pytest.mark.parametrize(
    "arguments", [["--token-file", "x"], ["--allow-host", "x"], ["--http"], ["--http", "1", "--allow-host"]]
)
def test_options_that_make_no_sense_are_refused(arguments, capfd):
    assert program.main(arguments) == 2
    assert "usage: supervisor-mcp" in capfd.readouterr().err


ELSEWHERE = "127.0.0.2"  # another address of this machine: all of 127/8 is


def elsewhere(server, host=ELSEWHERE):
    """The status line that a ping at the other address gets."""
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {server.token}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(ping)}",
    ]
    with socket.socket() as connection:
        connection.settimeout(10)
        connection.connect((ELSEWHERE, server.port))
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + ping).encode())
        return connection.recv(65_536).partition(b"\r\n")[0].decode()


def test_it_listens_on_the_loopback_alone_unless_told_otherwise(server):
    assert "http://127.0.0.1:" in server.said[0]
    with pytest.raises(ConnectionRefusedError):
        elsewhere(server)


def test_on_all_addresses_it_is_known_by_the_one_that_was_asked(open_server):
    assert elsewhere(open_server) == elsewhere(open_server, f"{ELSEWHERE}:1") == "HTTP/1.1 200 OK"
    for host in ("10.9.8.7", "127.0.0.3", "evil.example"):
        assert elsewhere(open_server, host).startswith("HTTP/1.1 421")


def test_no_part_of_the_sdk_is_imported_for_stdin_and_stdout(tmp_path):
    code = (
        "import sys; from supervisor_mcp import server; code = server.main([]);"
        "print([name for name in sys.modules if name.split('.')[0] in ('mcp', 'uvicorn', 'asyncio')"
        " or name.startswith('supervisor_mcp.web')], file=sys.stderr)"
    )
    hello = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    ran = subprocess.run(
        [sys.executable, "-c", code], input=hello, capture_output=True, timeout=30, check=True
    )
    assert json.loads(ran.stdout)["result"] == {}
    assert ran.stderr.strip() == b"[]"
