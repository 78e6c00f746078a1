"""The cache: answers about chunks of files, so that asking again about an unchanged tree is instant.

It holds answers, which a model made of file contents, readable by the user alone; never a prompt or a file's
text. What an answer is for is kept as a hash only. `cache: {enabled: false}` in config.yaml does without it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from supervisor_mcp.database import Database, Migration

if TYPE_CHECKING:
    import sqlite3

NAME = "answers.db"
MIGRATIONS: Sequence[Migration] = (
    (
        """CREATE TABLE answers (
            key BLOB PRIMARY KEY,
            answer TEXT NOT NULL,
            size INTEGER NOT NULL,
            used INTEGER NOT NULL
        )""",
        "CREATE INDEX answers_used ON answers (used, size)",
    ),
)
_BUSY_SECONDS = 0.25
"""A call waits for this, and asking the model again is always possible."""
_USE_NOTED_EVERY = 3600
"""Seconds within which a second use is not noted: a look-up then writes nothing."""
_ROW_BYTES = 100
"""What a row takes beside its answer."""
_ROOM = 20
"""One in so many bytes is left free when the whole is measured, which is done when that room is used up."""


class AnswerCache:
    """Answers by key, `max_bytes` of the most recently used ones; from several threads and processes."""

    def __init__(self, folder: str, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """Keep the cache in `folder`, which is made with the first use."""
        self._database = Database(path(folder), MIGRATIONS, busy_seconds=_BUSY_SECONDS)
        self._max_bytes = max_bytes
        self._clock = clock
        self._unmeasured = max_bytes  # what an earlier process left is measured with the first answer

    def recall(self, key: bytes) -> str | None:
        """The answer for the key, None where there is none."""
        row = self._database.read(lambda connection: connection.execute(_RECALL, (key,)).fetchone(), None)
        if row is None:
            return None
        answer, used = row
        now = int(self._clock())
        if abs(now - used) >= _USE_NOTED_EVERY:
            self._database.write(partial(_note_use, key, now))
        return str(answer)

    def remember(self, key: bytes, answer: str) -> None:
        """Keep the answer; one that would take more than a tenth of the room is not kept."""
        size = len(answer.encode("utf-8", "replace")) + _ROW_BYTES
        if size * 10 <= self._max_bytes:
            now = int(self._clock())
            self._database.write(partial(_keep, (key, answer, size, now)))
            self._unmeasured += size
            if self._unmeasured * _ROOM >= self._max_bytes:
                self._unmeasured = 0
                self._database.write(partial(_evict, self._max_bytes - self._max_bytes // _ROOM))
                self._database.read(_shrink, None)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def path(folder: str) -> str:
    """The cache's file in the cache folder."""
    return os.path.join(folder, NAME)  # noqa: PTH118 # the server keeps its paths as text


def key(text_hash: str, *, model: str, backend: str, prompt: str, parameters: Mapping[str, Any]) -> bytes:
    """What an answer depends on, as one hash.

    `text_hash` is the SHA-256 of the chunk, `backend` the kind of the backend, `prompt` everything else that
    the model is told or that names the version of it, `parameters` the temperature, the schema and the like.
    """
    parts = [text_hash, model, backend, prompt, parameters]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("ascii")).digest()


_RECALL = "SELECT answer, used FROM answers WHERE key = ?"
_REMEMBER = "INSERT OR REPLACE INTO answers (key, answer, size, used) VALUES (?, ?, ?, ?)"


def _keep(row: tuple[bytes, str, int, int], connection: "sqlite3.Connection") -> None:
    connection.execute(_REMEMBER, row)


def _note_use(key: bytes, now: int, connection: "sqlite3.Connection") -> None:
    connection.execute("UPDATE answers SET used = ? WHERE key = ?", (now, key))


def _evict(max_bytes: int, connection: "sqlite3.Connection") -> None:
    """Delete the least recently used answers until the rest fits."""
    excess = int(connection.execute("SELECT total(size) FROM answers").fetchone()[0]) - max_bytes
    if excess <= 0:
        return
    gone = []
    for rowid, size in connection.execute("SELECT rowid, size FROM answers ORDER BY used, rowid"):
        gone.append((rowid,))
        excess -= size
        if excess <= 0:
            break
    connection.executemany("DELETE FROM answers WHERE rowid = ?", gone)


def _shrink(connection: "sqlite3.Connection") -> None:
    """Give free pages back to the disk; as a script, since one `execute` gives back one page."""
    connection.executescript("PRAGMA incremental_vacuum")
