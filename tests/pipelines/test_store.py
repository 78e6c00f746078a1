"""The database of a run: private, shared by threads, and clear about what a user can mend."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, update

from supervisor_pipelines import store as store_module
from supervisor_pipelines.store import Store
from supervisor_setup.errors import UsageError, UserError

_counters = Table("counters", MetaData(), Column("n", Integer))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.opened(tmp_path / "out", None) as opened:
        yield opened


def test_the_files_are_readable_for_their_owner_alone(store: Store, tmp_path: Path) -> None:
    with store.begin() as connection:
        _counters.create(connection)
        files = list((tmp_path / "out" / ".pipeline").iterdir())
    assert {file.name for file in files} == {"state.db", "state.db-wal", "state.db-shm"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "out" / ".pipeline").stat().st_mode) == 0o700


def test_tables_are_made_once_however_often_one_asks(store: Store, tmp_path: Path) -> None:
    store.create_tables()
    with Store.opened(tmp_path / "out", None) as again, again.read() as connection:
        assert connection.scalars(select(store_module._versions.c.version)).all() == [store_module.VERSION]


def test_transactions_that_read_and_then_write_do_not_lose_each_other_s_work(store: Store) -> None:
    with store.begin() as connection:
        _counters.create(connection)
        connection.execute(insert(_counters).values(n=0))

    def count() -> None:
        for _ in range(25):
            with store.begin() as connection:
                n = connection.scalar(select(_counters.c.n))
                assert n is not None
                connection.execute(update(_counters).values(n=n + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.scalar(select(_counters.c.n)) == 200


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    with store.begin() as connection:
        _counters.create(connection)

    def fail() -> None:
        with store.begin() as connection:
            connection.execute(insert(_counters).values(n=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.read() as connection:
        assert connection.scalar(select(_counters.c.n)) is None


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.begin() as writer:
        _counters.create(writer)
        with store.read() as reader:
            assert reader.scalar(select(store_module._versions.c.version)) == store_module.VERSION


def test_a_newer_database_is_refused_with_what_to_do(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(update(store_module._versions).values(version=store_module.VERSION + 1))
    with pytest.raises(UserError, match=r"state\.db: was written by a newer version") as caught:
        store.create_tables()
    assert caught.value.hint == "pip install --upgrade 'supervisor-setup[orchestrate]'"


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "out" / ".pipeline" / "state.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    with pytest.raises(UserError, match=r"state\.db: is damaged") as caught:
        Store.open(tmp_path / "out", None).create_tables()
    assert caught.value.hint is not None
    assert str(path.parent) in caught.value.hint
    assert path.read_bytes() == damage


def test_a_full_disk_is_the_user_s_to_mend(store: Store) -> None:
    def fill() -> None:
        with store.begin() as connection:
            _counters.create(connection)
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            connection.execute(insert(_counters), [{"n": n} for n in range(10_000)])

    with pytest.raises(UserError, match=r"state\.db: the disk is full") as caught:
        fill()
    assert caught.value.hint == "free some space, then run the same command again"


def test_a_lock_that_another_process_holds_is_said(store: Store) -> None:
    def write_without_patience() -> None:
        with store.read() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=10")
            connection.execute(update(store_module._versions).values(version=1))

    other = sqlite3.connect(store.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match=r"state\.db: another process has held it locked"):
        write_without_patience()
    other.close()


def test_our_own_mistakes_are_not_taken_for_the_user_s(store: Store) -> None:
    with pytest.raises(Exception, match="no such table") as caught, store.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    "url",
    ["", "koala", "sqlite:///x.db", "mysql://host/db", "postgresql://u:p@host", "postgresql://h:x/d"],
)
def test_any_other_url_is_refused_without_repeating_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"^--db: is not the URL of a PostgreSQL database$"):
        Store.open(tmp_path, url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_usual_way_to_write_the_url_gets_our_driver_and_hides_the_password(
    tmp_path: Path, scheme: str
) -> None:
    store = Store.open(tmp_path, f"{scheme}://me:secret@koala:5433/work")
    assert store.name == "postgresql://me:***@koala:5433/work"
    assert store.shared


def test_a_server_that_cannot_be_reached_is_one_clear_line(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "postgresql://me:secret@127.0.0.1:1/work")
    with pytest.raises(UserError, match="cannot be reached") as caught:
        store.create_tables()
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(UserError, match=r"\.pipeline: cannot be made \(.+\)"):
        Store.open(tmp_path / "out", None)
