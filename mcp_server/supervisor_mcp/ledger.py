"""The ledger: what each call asked of which model, what came of it, and what it kept out of Claude's context.

Numbers and names alone: no prompt, no answer, no path. `supervisor-setup usage` reports from it.
"""

import os
import threading
import time
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from supervisor_mcp.database import Database, Migration
from supervisor_mcp.records import Record

if TYPE_CHECKING:
    import sqlite3

NAME = "ledger.db"
MAX_DAYS = 400
MAX_ROWS = 200_000
_VIEW = """CREATE VIEW calls AS
    SELECT entries.*, tool, model, backend, outcome FROM entries JOIN kinds ON kinds.id = kind"""
MIGRATIONS: Sequence[Migration] = (
    (
        # The names once each, and not with each call: half the size, and reports sort numbers.
        """CREATE TABLE kinds (
            id INTEGER PRIMARY KEY,
            tool TEXT NOT NULL,
            model TEXT NOT NULL,
            backend TEXT NOT NULL,
            outcome TEXT NOT NULL,
            UNIQUE (tool, model, backend, outcome)
        )""",
        """CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL REFERENCES kinds (id),
            prompts INTEGER NOT NULL,
            prompt_tokens INTEGER,
            answer_tokens INTEGER,
            seconds REAL NOT NULL,
            kept_out_bytes INTEGER NOT NULL,
            cache_hits INTEGER NOT NULL
        )""",
        "CREATE INDEX entries_at ON entries (at)",
        _VIEW,
    ),
    (
        "ALTER TABLE entries ADD COLUMN cost_micros INTEGER",
        "DROP VIEW calls",  # its * was written out when it was made
        _VIEW,
    ),
)
_PRUNED_EVERY = 1000
_BUSY_SECONDS = 5.0
_SECONDS_A_DAY = 86_400


class Entry(Record):
    """One call of a tool.

    `at` is in seconds since 1970, UTC. `outcome` is ok, cancelled, or the kind of the failure. `model` is
    what the backend calls it; both are empty where none was asked. `prompts` is how many prompts were
    answered by a model; the tokens are None where no backend told them. `kept_out_bytes` is how much of what
    was read did not enter Claude's context; `cache_hits` are the answers that the cache had. `cost_micros` is
    what the call cost in millionths of a dollar; None where models cost nothing, or their price is not known.
    """

    tool: str
    outcome: str
    at: int
    seconds: float
    model: str = ""
    backend: str = ""
    prompts: int = 0
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    kept_out_bytes: int = 0
    cache_hits: int = 0
    cost_micros: int | None = None


class Ledger:
    """Writes entries on a thread of its own, so that no answer waits for the disk or for another process."""

    def __init__(self, folder: str) -> None:
        """Keep the ledger in `folder`, which is made with the first entry."""
        self._database = Database(path(folder), MIGRATIONS, busy_seconds=_BUSY_SECONDS)
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._until_pruning = 0

    def record(self, entry: Entry) -> None:
        """Write the entry soon; never fails, never waits."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, daemon=True)
                self._thread.start()
        self._queue.put(entry)

    def close(self, seconds: float = 1.0) -> None:
        """Write what is still to be written, in so many seconds at the most."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(seconds)

    def _write_on(self) -> None:
        more = True
        while more:
            entries, more = _waiting(self._queue)
            if entries:
                self._database.write(partial(self._write, entries))
        self._database.close()

    def _write(self, entries: Sequence[Entry], connection: "sqlite3.Connection") -> None:
        connection.executemany(_INSERT_KIND, [_KIND_OF(entry) for entry in entries])
        connection.executemany(_INSERT, [(*_NUMBERS_OF(entry), *_KIND_OF(entry)) for entry in entries])
        self._until_pruning -= len(entries)
        if self._until_pruning <= 0:
            self._until_pruning = _PRUNED_EVERY
            prune(connection, time.time())


def path(folder: str) -> str:
    """The ledger's file in the state folder."""
    return os.path.join(folder, NAME)  # noqa: PTH118 # the server keeps its paths as text


def prune(connection: "sqlite3.Connection", now: float) -> None:
    """Delete what is too old or too much; cheap where there is nothing to delete."""
    connection.execute("DELETE FROM entries WHERE at < ?", (int(now) - MAX_DAYS * _SECONDS_A_DAY,))
    connection.execute("DELETE FROM entries WHERE id <= (SELECT max(id) FROM entries) - ?", (MAX_ROWS,))


_KIND = ("tool", "model", "backend", "outcome")
_NUMBERS = tuple(name for name in Entry.__annotations__ if name not in _KIND)
_KIND_OF = attrgetter(*_KIND)
_NUMBERS_OF = attrgetter(*_NUMBERS)
_INSERT_KIND = "INSERT OR IGNORE INTO kinds (tool, model, backend, outcome) VALUES (?, ?, ?, ?)"
_INSERT = f"""
    INSERT INTO entries ({", ".join(_NUMBERS)}, kind)
    SELECT {"?, " * len(_NUMBERS)} id FROM kinds WHERE tool = ? AND model = ? AND backend = ? AND outcome = ?
"""  # noqa: S608 - the names are our own


def _waiting(queue: "SimpleQueue[Entry | None]") -> tuple[list[Entry], bool]:
    """The entries that are there, at least one or the end; and whether more may come."""
    entries: list[Entry] = []
    entry = queue.get()
    try:
        while entry is not None:
            entries.append(entry)
            entry = queue.get_nowait()
    except Empty:
        return entries, True
    return entries, False
