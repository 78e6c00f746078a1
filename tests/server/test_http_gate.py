"""What does not get in over HTTP, and what is said instead."""

import json
import os
import socket
import time

import pytest
from http_server import HttpServer, call_params, impatient, modern
from server_process import initialize_params
from shared_server import ALLOWED_NAME

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def server(shared_server):
    """The server that tests share: it must come through unharmed."""
    shared_server.new_backend()
    return shared_server.http


def refused(reply, status):
    """The text of a refusal of that status, which has a JSON-RPC error and ends the connection."""
    assert reply.status == status, reply.body
    assert reply.headers["connection"] == "close"
    (message,) = reply.messages
    assert message["id"] is None
    return message["error"]["message"]


def test_the_token_lets_in_and_tools_are_listed_and_called(server):
    tools = server.request(LIST).result["tools"]
    assert tools[0]["name"] == "ask_local_llama"
    (content,) = server.call().result["content"]
    assert content["text"].startswith("The capital of France is Paris.")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", ""])
def test_without_a_token_it_is_asked_for(server, header):
    reply = server.request(LIST, {"Authorization": header})
    assert "a token is needed" in refused(reply, 401)
    assert reply.headers["www-authenticate"] == 'Bearer realm="supervisor-mcp"'


def test_a_wrong_token_is_told_so(server):
    token = server.token
    for header in (f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token + " x", "Bearer \xfc"):
        reply = server.request(LIST, {"Authorization": header})
        assert "not the token of this server" in refused(reply, 401)
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]
        assert token.encode() not in reply.body


def test_the_name_of_the_scheme_may_be_written_small(server):
    assert server.request(LIST, {"Authorization": f"bearer {server.token}"}).status == 200


def test_two_authorization_headers_are_none(server):
    lines = f"Authorization: Bearer {server.token}\r\n" * 2
    assert b" 401 " in raw(
        server, f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize("header", ["given", None])
def test_a_token_in_the_address_is_refused_even_beside_a_right_one(server, header):
    authorization = f"Bearer {server.token}" if header else None
    reply = server.request(LIST, {"Authorization": authorization}, path=f"/mcp?access_token={server.token}")
    assert "may be in logs" in refused(reply, 400)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:1",
        "LOCALHOST:80",
        "127.0.0.1:8765",
        "[::1]:8765",
        f"{ALLOWED_NAME}:8765",
        ALLOWED_NAME.capitalize(),
        socket.gethostname(),
    ],
)
def test_its_own_names_are_let_in_at_any_port(server, host):
    assert server.request(LIST, {"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        f"{ALLOWED_NAME}.evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "127.0.0.2",
        "localhost:port",
        "localhost:99999",
        "user@localhost",
        "localhost/x",
        "localhost?x",
        "localhost#x",
        "[::1",
        "",
    ],
)
def test_another_host_is_refused_before_anything_else(server, host):
    for headers in ({"Host": host}, {"Host": host, "Authorization": None}):
        assert "not one of this server's names" in refused(server.request(LIST, headers), 421)


def test_a_request_without_a_host_is_refused(server):
    assert b" 421 " in raw(server, "POST /mcp HTTP/1.0\r\nContent-Length: 0\r\n\r\n")


def test_two_hosts_are_refused(server):
    answer = raw(server, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "origin", ["http://localhost:6274", f"https://{ALLOWED_NAME}", "http://127.0.0.1:1", "http://[::1]"]
)
def test_pages_of_its_own_names_may_ask(server, origin):
    assert server.request(LIST, {"Origin": origin}).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "localhost",
        "file://localhost",
        "http://localhost/x",
        f"http://{ALLOWED_NAME}.evil.example",
    ],
)
def test_pages_of_others_may_not(server, origin):
    for headers in ({"Origin": origin}, {"Origin": origin, "Authorization": None}):
        assert "pages of other sites" in refused(server.request(LIST, headers), 403)


def test_no_page_is_allowed_to_read_an_answer(server):
    reply = server.request(LIST, {"Origin": "http://localhost"})
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "PATCH"])
def test_only_post_is_served(server, method):
    reply = server.request(b"", method=method)
    assert "only POST" in refused(reply, 405)
    assert reply.headers["allow"] == "POST"
    assert server.request(b"", {"Authorization": None}, method=method).status == 401


@pytest.mark.parametrize(
    "path", ["/", "/mcp/", "/MCP", "/mcp/x", "/.well-known/oauth-protected-resource", "/x"]
)
def test_nothing_is_anywhere_else(server, path):
    assert "MCP is spoken at /mcp" in refused(server.request(LIST, {"Authorization": None}, path=path), 404)


def test_a_body_that_is_declared_too_large_is_refused_unread(server):
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    assert b" 413 " in raw(server, f"{head}Content-Length: 999999999999\r\n\r\n")


def test_a_body_that_grows_too_large_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        try:
            for _ in range(17):
                connection.sendall(chunk)
        except ConnectionError:
            pass  # it has stopped to listen
        assert b" 413 " in connection.recv(65_536)


def test_a_large_body_without_the_token_is_not_waited_for(server):
    head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    assert b" 401 " in raw(server, head)


def test_a_prompt_of_a_megabyte_passes(server):
    params = {"name": "ask_local_llama", "arguments": {"prompt": "x" * 1_000_000}}
    assert "takes 200000" in server.ask("tools/call", params).result["content"][0]["text"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 400), (b"[" * 5000, 400), (b'{"jsonrpc": "2.0"}', 400), (b"\xff", 400)],
)
def test_what_is_no_message_is_refused(server, body, status):
    assert server.request(body).status == status


def test_another_content_type_is_refused(server):
    assert server.request(LIST, {"Content-Type": "text/plain"}).status == 400


def test_no_session_is_kept_and_any_name_of_one_will_do(server):
    assert server.request(LIST, {"Mcp-Session-Id": "of a server before"}).status == 200
    names = {
        server.ask("initialize", initialize_params("2025-11-25")).headers["mcp-session-id"] for _ in "12"
    }
    assert len(names) == 2
    assert all(len(name) == 32 for name in names)


def test_a_modern_client_is_given_no_session(server):
    reply = modern(server, "server/discover")
    assert reply.status == 200
    assert "mcp-session-id" not in reply.headers


def test_the_headers_of_a_modern_request_must_say_what_its_body_says(server):
    params = {**call_params("ask_local_llama"), "name": "ask_local_llama"}
    reply = server.ask(
        "tools/call",
        {**params, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}},
        headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"},
    )
    assert reply.status == 400


def raw(server, text):
    """The first words of the answer to a request in so many words."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text.encode())
        return connection.recv(65_536)


@pytest.fixture(scope="module")
def impatient_server(tmp_path_factory):
    """A server that waits 0.4 s for a request's head and for its body."""
    command = impatient(HEAD_SECONDS=0.4, BODY_SECONDS=0.4)
    running = HttpServer(tmp_path_factory.mktemp("impatient"), command=command)
    yield running
    assert running.end()[0] == 0


@pytest.mark.parametrize("beginning", ["", "POST /mcp HTT", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_client_that_never_asks_is_hung_up_on(impatient_server, beginning):
    began = time.monotonic()
    assert raw(impatient_server, beginning) == b""
    assert time.monotonic() - began < 3


def test_a_client_that_never_finishes_is_told_so(impatient_server):
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {impatient_server.token}\r\n"
    began = time.monotonic()
    assert raw(impatient_server, f"{head}Content-Length: 100\r\n\r\nabc").startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 3


def test_a_client_that_goes_in_the_middle_harms_nobody(impatient_server):
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {impatient_server.token}\r\n"
    with socket.create_connection(("127.0.0.1", impatient_server.port)) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nabc".encode())
    assert impatient_server.request(LIST).status == 200


def test_prompts_and_tokens_are_in_no_log(server):
    server.request({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ["a secret"]}})
    server.ask("tools/call", {"name": "nope", "arguments": {"prompt": "a secret"}})
    os.set_blocking(server.process.stderr.fileno(), False)
    said = server.process.stderr.read() or b""
    os.set_blocking(server.process.stderr.fileno(), True)
    assert b"secret" not in said
    assert server.token.encode() not in said + json.dumps(server.said).encode()
