"""A fixed day, a fixed time zone, and a ledger to report from."""

import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded_calls import MIXED, NOON, record

from supervisor_mcp import ledger


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """The test's time zone; `in_utc("Asia/Tokyo")` moves there."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    move("UTC")
    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon of 24 November 2026, for the report."""

    class Then(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Then":
            return cls.fromtimestamp(NOON, tz)

    monkeypatch.setattr(time, "time", lambda: float(NOON))
    monkeypatch.setattr(datetime, "datetime", Then)


@pytest.fixture
def recorded(home, at_noon) -> Path:
    """A ledger with one call of each sort."""
    record(home.state, *MIXED)
    return home.state / ledger.NAME
