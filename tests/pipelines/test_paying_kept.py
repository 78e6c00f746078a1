"""An answer that was paid for is kept, also where the database is away just then."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paid_api import PRICES
from sqlalchemy import Connection
from till import RUN, Till, killed, opened

from supervisor_pipelines import money, paying
from supervisor_pipelines.spool import Spool
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


def put_aside(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pay for "one" while the database is away for good."""
    monkeypatch.setattr(paying, "KEEPING_SECONDS", 0.1)
    outage = Outage(till, monkeypatch, times=1_000)
    with pytest.raises(UserError, match="cannot be reached"):
        till.pay("one")
    assert outage.times > 900
    outage.times = 0


def test_a_database_that_stays_away_ends_it_and_gets_the_answer_when_it_is_back(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(till, monkeypatch)
    assert till.money.reserved > 0
    till.spool.empty()
    assert till.pay("one").again
    assert len(till.api.billed()) == 1
    assert (till.money.spent, till.money.reserved, till.money.lost) == (
        math.ceil(till.api.spent(PRICES)),
        0,
        0,
    )


def test_what_was_counted_as_lost_in_the_meantime_is_not_any_more(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(till, monkeypatch)
    with till.store.begin() as connection:
        assert money.write_off(connection, {"first"}) > 0
    till.spool.empty()
    assert (till.money.spent, till.money.lost) == (math.ceil(till.api.spent(PRICES)), 0)


def test_an_answer_is_given_to_the_database_once_however_that_ends(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(till, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            till.spool.empty()
    till.spool.empty()
    assert (till.money.calls, till.money.spent) == (1, math.ceil(till.api.spent(PRICES)))
    assert list(till.spool.folder.iterdir()) == []


def test_what_is_put_aside_is_for_its_user_alone(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    put_aside(till, monkeypatch)
    [path] = till.spool.folder.iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_one_database_gets_nothing_of_another_s(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_aside(till, monkeypatch)
    with Store.opened(tmp_path / "other", None) as other:
        Spool.below(till.spool.folder.parent, other).empty()
        with other.read() as connection:
            assert money.money(connection, RUN).calls == 0
    assert len(list(till.spool.folder.iterdir())) == 1


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '{"reservation": {"wanted": {"key": 1}}}'])
def test_a_damaged_file_is_named_with_what_to_do(
    till: Till, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    put_aside(till, monkeypatch)
    [path] = till.spool.folder.iterdir()
    path.write_text(damage)
    with pytest.raises(UserError, match="holds no paid answer any more") as raised:
        till.spool.empty()
    assert raised.value.hint == f"rm {path}  # it counts as lost"
    path.unlink()
    till.spool.empty()


def test_a_file_that_cannot_be_read_is_not_to_be_removed(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    put_aside(till, monkeypatch)
    [path] = till.spool.folder.iterdir()
    answer = path.read_bytes()
    path.unlink()
    path.mkdir()  # as little to be read by root as another's file by its user
    with pytest.raises(UserError, match="cannot be read") as raised:
        till.spool.empty()
    assert raised.value.hint == f"chmod u+r {path}"
    path.rmdir()
    path.write_bytes(answer)
    till.spool.empty()
    assert till.pay("one").again


def test_where_nothing_can_be_written_at_all_the_database_is_what_is_named(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.spool.folder.parent.write_text("a file in the way")
    put_aside(till, monkeypatch)
    assert till.money.reserved > 0
