"""An answer that was paid for is kept, also where the database is away just then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from till import Till, opened

from supervisor_pipelines import paying
from supervisor_pipelines.store import Store
from supervisor_setup.errors import UserError

AWAY = UserError("the database: cannot be reached")


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    monkeypatch.setattr(paying, "_KEEPING_PAUSES", (0.01, 0.02))
    with opened(tmp_path) as made:
        yield made


class Outage:
    """Once a message is billed, a store's next transactions fail: at the begin or the end."""

    def __init__(
        self, till: Till, monkeypatch: pytest.MonkeyPatch, times: int, *, held: bool = False
    ) -> None:
        self.times = 0
        begin = Store.begin

        @contextmanager
        def fails(store: Store) -> Iterator[Connection]:
            failing = self.times > 0
            self.times -= failing
            if failing and not held:
                raise AWAY
            with begin(store) as connection:
                yield connection
            if failing:
                raise AWAY

        def starts() -> None:
            self.times = times

        monkeypatch.setattr(Store, "begin", fails)
        till.api.hook("message", "billed", starts)


def test_an_answer_that_comes_while_the_database_is_away_is_kept_when_it_is_back(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outage(till, monkeypatch, times=5)
    paid = till.pay("one")
    assert till.pay("one").again
    assert len(till.api.billed()) == 1
    assert (till.money.spent, till.money.lost, till.money.reserved) == (paid.cost, 0, 0)


def test_after_it_was_told_to_stop_too(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    Outage(till, monkeypatch, times=5)
    till.api.hook("message", "begin", till.payer.stop)
    assert till.pay("one").answer
    assert till.money.calls == 1


def test_a_connection_that_breaks_once_the_answer_is_kept_has_it_counted_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outage(till, monkeypatch, times=3, held=True)
    paid = till.pay("one")
    assert (till.money.calls, till.money.spent, till.money.lost) == (1, paid.cost, 0)


def test_a_database_that_stays_away_ends_it_and_the_call_still_counts(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paying, "KEEPING_SECONDS", 0.1)
    outage = Outage(till, monkeypatch, times=1_000)
    with pytest.raises(UserError, match="cannot be reached"):
        till.pay("one")
    assert outage.times > 900
    assert till.money.reserved > 0
