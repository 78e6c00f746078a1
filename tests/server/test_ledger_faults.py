"""The ledger under many writers, kills, damage, full disks, other releases: no call fails because of it."""

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from fake_backend import litellm
from ledger_rows import entry, rows, written

from supervisor_mcp import ledger
from supervisor_mcp.calls import Call
from supervisor_mcp.database import Database
from supervisor_mcp.ledger import Ledger

DAY = 86_400
_WITHOUT_COVERAGE = {"PATH": os.defpath}
"""A measured process keeps an SQLite file of its own."""


def test_the_files_are_for_the_user_alone_whatever_the_umask_and_the_mode_before(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / ledger.NAME).touch(0o644)
    (state / ledger.NAME).chmod(0o644)
    before = os.umask(0)
    try:
        database = Database(ledger.path(str(state)), ledger.MIGRATIONS, busy_seconds=1)
        database.write(lambda connection: ledger.prune(connection, 0))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
        other = Database(str(tmp_path / "new" / "x.db"), ledger.MIGRATIONS, busy_seconds=1)
        other.write(lambda connection: ledger.prune(connection, 0))
    finally:
        os.umask(before)
    database.close()
    other.close()
    assert modes == dict.fromkeys((ledger.NAME, f"{ledger.NAME}-wal", f"{ledger.NAME}-shm"), 0o600)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


WRITER = """
import sys, time
from supervisor_mcp.ledger import Entry, Ledger
book = Ledger(sys.argv[1])
for number in range(int(sys.argv[2])):
    book.record(Entry(tool=sys.argv[3], outcome="ok", at=1790000000 + number, seconds=0.1))
    time.sleep(float(sys.argv[4]))
book.close(60)
"""


def writer(folder: Path, count: int, name: str, pause: float = 0.001) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, str(folder), str(count), name, str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def test_what_eight_processes_record_at_once_is_all_there(tmp_path):
    state = tmp_path / "state"
    running = [writer(state, 200, f"tool_{number}") for number in range(8)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")
    found = [row["tool"] for row in rows(state)]
    assert {name: found.count(name) for name in set(found)} == {f"tool_{number}": 200 for number in range(8)}


def has_written(folder: Path, name: str) -> bool:
    try:
        with closing(sqlite3.connect(folder / ledger.NAME)) as connection:
            query = "SELECT 1 FROM calls WHERE tool = ? LIMIT 1"
            return connection.execute(query, (name,)).fetchone() is not None
    except sqlite3.OperationalError:  # not there yet
        return False


def test_a_kill_while_it_writes_leaves_a_sound_ledger_that_others_go_on_with(tmp_path):
    state = tmp_path / "state"
    for attempt in range(8):
        process = writer(state, 100_000, f"attempt_{attempt}", 0.00005)
        deadline = time.monotonic() + 20
        while not has_written(state, f"attempt_{attempt}") and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with closing(sqlite3.connect(state / ledger.NAME)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {row["tool"] for row in rows(state)} == {f"attempt_{number}" for number in range(8)}
    before = len(rows(state))
    written(state, entry(tool="afterwards"))
    assert len(rows(state)) == before + 1


def damage(state: Path, how: str) -> None:
    path = state / ledger.NAME
    data = path.read_bytes()
    if how == "garbage":
        path.write_bytes(b"this is no database\n" * 500)
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2 + 100])
    else:
        path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


@pytest.mark.parametrize("how", ["garbage", "truncated", "overwritten"])
def test_a_damaged_ledger_is_moved_aside_and_a_new_one_begun(serve, kept, backend, capfd, how):
    state = Path(kept.state)
    written(state, *(entry(tool="t" * 500) for _ in range(100)))
    damage(state, how)
    damaged = (state / ledger.NAME).read_bytes()
    core = serve({"backends": [litellm(backend)]})
    for _ in range(2):
        assert "Paris" in core.call("ask_local_llama", {"prompt": "x"}, Call()).text
    core.close()
    assert [row["tool"] for row in rows(state)] == ["ask_local_llama"] * 2
    assert (state / f"{ledger.NAME}.damaged").read_bytes() == damaged
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"supervisor-mcp: goes on without {state / ledger.NAME}: ")
    assert line.endswith("and a new one is begun")


def test_two_processes_that_find_the_damage_move_it_aside_once(tmp_path):
    state = tmp_path / "state"
    written(state, *(entry(tool="t" * 500) for _ in range(100)))
    first, second = (Database(ledger.path(str(state)), ledger.MIGRATIONS, busy_seconds=1) for _ in range(2))
    for database in (first, second):
        database.read(lambda connection: connection.execute("SELECT 1").fetchone(), None)
    damage(state, "garbage")
    for database in (first, second):
        database.close()  # as if both had been started now
    book = Ledger(str(state))
    first.write(partial(book._write, [entry(tool="first")]))
    error = sqlite3.DatabaseError("what the second one saw before the first had moved it")
    assert second._begin_anew(error)
    second.write(partial(book._write, [entry(tool="second")]))
    first.close()
    second.close()
    assert [row["tool"] for row in rows(state)] == ["first", "second"]


def test_damage_that_cannot_be_moved_aside_is_said_and_survived(tmp_path, capfd, monkeypatch):
    written(tmp_path, entry())
    damage(tmp_path, "garbage")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    written(tmp_path, entry())
    assert "it cannot be moved aside (Permission denied)" in capfd.readouterr().err


@pytest.mark.parametrize("obstacle", ["a file", "a folder in its place"])
def test_where_it_cannot_be_written_calls_are_answered_and_one_line_says_so(
    serve, kept, backend, capfd, obstacle
):
    state = Path(kept.state)
    if obstacle == "a file":
        state.write_text("in the way")
    else:
        (state / ledger.NAME).mkdir(parents=True)
    core = serve({"backends": [litellm(backend)]})
    for _ in range(3):
        assert "Paris" in core.call("ask_local_llama", {"prompt": "x"}, Call()).text
        time.sleep(0.05)
    core.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"supervisor-mcp: goes on without {state / ledger.NAME}: ")


def test_a_disk_that_is_full_costs_the_entries_alone(tmp_path, start_server, backend):
    state = tmp_path / "state"
    written(state, entry())
    limit = (state / ledger.NAME).stat().st_size  # the journal beside it may not grow beyond this either

    def shrink() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    script = WRITER.replace("book.close", "print(sum(1 for _ in range(3)), flush=True); book.close")
    ran = subprocess.run(
        [sys.executable, "-c", script, str(state), "500", "t", "0.0002"],
        capture_output=True,
        text=True,
        check=False,
        env=_WITHOUT_COVERAGE,
        preexec_fn=shrink,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "3\n")
    assert ran.stderr.count("\n") == 1
    assert "goes on without" in ran.stderr
    written(state, entry(tool="when there is room again"))
    assert rows(state)[-1]["tool"] == "when there is room again"


def test_a_ledger_of_a_newer_release_is_left_alone(tmp_path, capfd):
    written(tmp_path, entry())
    with closing(sqlite3.connect(tmp_path / ledger.NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (tmp_path / ledger.NAME).read_bytes()
    written(tmp_path, entry())
    assert (tmp_path / ledger.NAME).read_bytes() == before
    assert capfd.readouterr().err.endswith("it was written by a newer release\n")


def test_an_older_ledger_is_brought_up_to_date_with_its_rows(tmp_path):
    written(tmp_path, entry(tool="before"))
    newer = (*ledger.MIGRATIONS, ("ALTER TABLE entries ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",))
    for _ in range(2):
        database = Database(ledger.path(str(tmp_path)), newer, busy_seconds=1)
        found = database.read(lambda one: one.execute("SELECT seconds, note FROM entries").fetchall(), [])
        assert found == [(1.5, "none")]
        database.close()


def test_a_migration_that_fails_changes_nothing(tmp_path, capfd):
    written(tmp_path, entry())
    newer = (*ledger.MIGRATIONS, ("ALTER TABLE entries ADD COLUMN note TEXT", "nonsense"))
    database = Database(ledger.path(str(tmp_path)), newer, busy_seconds=1)
    database.write(lambda _: None)
    database.close()
    assert "note" not in rows(tmp_path)[0]
    assert "nonsense" in capfd.readouterr().err


def test_what_is_too_old_goes_with_the_first_entry(tmp_path):
    now = int(time.time())
    written(
        tmp_path, entry(tool="old", at=now - (ledger.MAX_DAYS + 1) * DAY), entry(tool="young", at=now - DAY)
    )
    assert [row["tool"] for row in rows(tmp_path)] == ["young"]


def test_what_is_too_much_goes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "MAX_ROWS", 50)
    monkeypatch.setattr(ledger, "_PRUNED_EVERY", 10)
    for start in range(0, 120, 10):
        written(tmp_path, *(entry(tool=str(number)) for number in range(start, start + 10)))
    assert [row["tool"] for row in rows(tmp_path)] == [str(number) for number in range(70, 120)]


def test_another_process_that_writes_for_long_does_not_hold_up_the_call(serve, kept, backend):
    state = Path(kept.state)
    written(state, entry(tool="before"))
    core = serve({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "warm"}, Call())
    with closing(sqlite3.connect(state / ledger.NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        core.call("ask_local_llama", {"prompt": "x"}, Call())
        took = time.monotonic() - started
        other.execute("ROLLBACK")
    core.close()
    assert took < 1
    assert len(rows(state)) == 3
