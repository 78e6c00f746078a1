"""A look at whether anything listens, which must not hang whatever the network does."""

import socket
import threading
import time

import pytest
from fake_backend import FakeBackend, FakeServer, closed_port

from supervisor_setup import reachability
from supervisor_setup.deadlines import all_at_once


@pytest.fixture
def listening():
    server = FakeServer(FakeBackend())
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_each_backend_that_is_switched_on_is_told_of(listening: str):
    closed = f"http://127.0.0.1:{closed_port()}"
    found = reachability.probe_all(
        [
            {"name": "up", "url": listening},
            {"name": "off", "url": listening, "enabled": False},
            {"name": "down", "url": closed},
            {"name": "unknown", "url": "http://koala:4000"},
        ]
    )
    assert found == [
        {"name": "up", "url": listening, "reachable": True, "problem": None},
        {"name": "down", "url": closed, "reachable": False, "problem": "Connection refused"},
        {
            "name": "unknown",
            "url": "http://koala:4000",
            "reachable": False,
            "problem": "the host name koala is not known here",
        },
    ]


def test_no_backends_are_no_trouble():
    assert reachability.probe_all([]) == []


def test_a_look_up_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch):
    ended = threading.Event()
    monkeypatch.setattr(reachability, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20))
    started = time.monotonic()
    try:
        said = reachability.problem("http://koala:4000")
    finally:
        ended.set()
    assert time.monotonic() - started < 5
    assert said == "the look-up of the host name koala did not end within 0.1 s"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://"])
def test_an_address_that_is_none_is_a_problem_and_no_failure(url: str):
    assert reachability.problem(url)


def test_answers_come_in_the_order_of_the_works():
    assert all_at_once([lambda: 1, lambda: 2, lambda: 3], 5, late=0) == [1, 2, 3]


def test_one_that_is_late_does_not_hold_up_the_others():
    never = threading.Event()
    assert all_at_once([lambda: never.wait(20), lambda: True], 0.1, late="late") == ["late", True]
    never.set()


def test_what_one_raises_is_raised():
    def fail() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        all_at_once([lambda: 1, fail], 5, late=0)
