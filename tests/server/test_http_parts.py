"""The parts of the HTTP server that need no server: addresses, names, tokens, and what its log may show."""

import logging
import os
import socket
import stat
import sys

import pytest

from supervisor_mcp.web import tokens
from supervisor_mcp.web.addresses import Address, AddressError, Names
from supervisor_mcp.web.listener import _Discreet


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8765", "127.0.0.1", 8765),
        (":8765", "127.0.0.1", 8765),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("koala:80", "koala", 80),
        ("[::1]:8765", "::1", 8765),
        ("[::]:8765", "::", 8765),
    ],
)
def test_an_address_is_read(text, host, port):
    assert Address.parse(text) == Address(host=host, port=port)


@pytest.mark.parametrize("text", ["", "koala", "koala:", "*:80", "1:70000", "1:-1", "1:٣", "http://koala"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(AddressError, match="HOST:PORT"):
        Address.parse(text)


def test_an_address_is_shown_as_a_client_writes_it():
    assert Address(host="::1", port=80).url == "http://[::1]:80"
    assert Address(host="koala", port=80).url == "http://koala:80"


def test_it_listens_on_ipv6_too():
    with Address.parse("[::1]:0").listen() as listening:
        assert listening.getsockname()[0] == "::1"


def test_answers_are_sent_without_delay():
    """asyncio sets TCP_NODELAY only on sockets that are said to speak TCP; else an answer waits 40 ms."""
    with Address.parse("0").listen() as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("host", "reason"),
    [("no-such-host", "Name or service not known"), ("192.0.2.1", "Cannot assign requested address")],
)
def test_an_address_of_another_machine_is_said_in_one_line(host, reason, monkeypatch):
    if host == "192.0.2.1":  # the tests' own guard looks up no names, and this is none
        monkeypatch.setattr("socket.getaddrinfo", lambda *_a, **_n: [(2, 1, 6, "", (host, 1))])
    with pytest.raises(AddressError, match=f"^cannot listen on {host}:1: {reason}$"):
        Address(host=host, port=1).listen()


NAMES = Names(Address(host="10.1.2.3", port=1), ["Koala.example", "[fd00::1]"])


@pytest.mark.parametrize(
    ("host", "arrived_at", "let_in"),
    [
        ("koala.example", None, True),
        ("KOALA.EXAMPLE:80", "10.1.2.3", True),
        ("10.1.2.3", None, True),
        ("[fd00::1]:1", None, True),
        ("192.168.7.7", "192.168.7.7", True),
        ("192.168.7.7", "::ffff:192.168.7.7", True),
        ("[fe80::1]", "fe80::1%eth0", True),
        ("192.168.7.7", "192.168.7.8", False),
        ("192.168.7.7", None, False),
        ("evil.example", "192.168.7.7", False),
        ("192.168.7.7", "not an address", False),
        ("koala.example.", None, False),
        ("0xc0a80707", "192.168.7.7", False),
        ("192.168.007.7", "192.168.7.7", False),
        (" koala.example", None, False),
        ("koala.example:", None, True),
        ("", "10.1.2.3", False),
    ],
)
def test_a_name_must_be_known_and_an_ip_address_the_one_that_was_asked(host, arrived_at, let_in):
    assert NAMES.has_host(host, arrived_at) is let_in
    assert NAMES.has_origin(f"http://{host}", arrived_at) is let_in


def test_a_token_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "token"
    old = os.umask(0)
    try:
        first = tokens.load(str(path))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(first) == 43
    assert tokens.load(str(path)) == first
    assert tokens.load(str(tmp_path / "other")) != first


def test_a_token_of_the_users_own_is_taken_without_the_space_around_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "token"
    path.write_bytes(b" sixteen-letters!\r\n")
    for mode in (0o600, 0o400):
        path.chmod(mode)
        assert tokens.load("token") == b"sixteen-letters!"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o610, 0o620])
def test_a_token_that_others_can_get_at_is_refused(tmp_path, mode):
    path = tmp_path / "token"
    path.write_bytes(b"a-long-enough-token\n")
    path.chmod(mode)
    with pytest.raises(tokens.TokenError, match=f"mode {mode:04o}") as caught:
        tokens.load(str(path))
    assert f"hint: rm {path}" in str(caught.value)
    assert "a-long" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"two words that are long", b"\xc3\xbc" * 20, b"a" * 16 + b"\0"]
)
def test_what_cannot_be_a_token_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(tokens.TokenError, match="holds no token of at least 16"):
        tokens.load(str(path))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name, said in (
        ("pipe", "an ordinary file"),
        ("folder", "cannot be read|an ordinary file"),
        ("dangling", "cannot be read: No such file"),
        ("file/token", "cannot be read: Not a directory"),
        ("/proc/nowhere/token", "cannot be made: No such file"),
    ):
        with pytest.raises(tokens.TokenError, match=said):
            tokens.load(str(tmp_path / name))


def test_an_exception_in_the_log_shows_its_kind_and_place_but_no_content():
    def fail():
        raise ValueError("a secret")

    try:
        fail()
    except ValueError:
        record = logging.LogRecord("sdk", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    said = _Discreet("%(name)s: %(message)s").format(record)
    assert said.startswith("sdk: failed\nValueError in test_an_exception_in_the_log")
    assert "secret" not in said
