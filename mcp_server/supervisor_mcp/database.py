"""A small SQLite file that several server processes share, and that never makes a call fail.

The ledger and the answers' cache are worth having and not worth an error: where the disk is full, the folder
read-only or the file damaged, that is said in one line on stderr and the work goes on without them.
"""

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from supervisor_mcp import stderr

Migration = Sequence[str]
"""The statements that lead from one version of a schema to the next."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_COMPANIONS = ("", "-wal", "-shm")
DAMAGED_SUFFIX = ".damaged"

T = TypeVar("T")


class _TooNewError(Exception):
    """A newer release has written the file."""


class Database:
    """One file, opened with the first use; from several threads at once."""

    def __init__(self, path: str, migrations: Sequence[Migration], *, busy_seconds: float) -> None:
        """Use the file at `path`, made and brought up to date where needed.

        Another process that is writing is waited for, `busy_seconds` at the most.
        """
        self.path = path
        self._migrations = migrations
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._told: set[str] = set()

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do `work` in one transaction, or leave it where the file does not serve."""

        def transact(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                work(connection)

        self.read(transact, None)

    def read(self, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """What `work`, which writes nothing, returns; `default` where the file does not serve."""
        with self._lock:
            try:
                return work(self._opened())
            except sqlite3.Error as error:
                if _is_damaged(error) and self._begin_anew(error):
                    with suppress(sqlite3.Error, OSError):
                        return work(self._opened())
                else:
                    self._tell(str(error))
            except OSError as error:
                self._tell(error.strerror or str(error))
            except _TooNewError:
                self._tell("it was written by a newer release")
            self._close()
            return default

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            self._close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(self.path)
        connection = sqlite3.connect(
            self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version > len(self._migrations):
            raise _TooNewError
        if version < len(self._migrations):
            with _exclusive(Path(self.path).parent):  # two that change the journal's mode at once fail
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                with _transaction(connection):
                    self._migrate(connection)
        # In WAL mode this cannot damage the file; a power cut may cost the last entries.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        for migration in self._migrations[_version(connection) :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _begin_anew(self, error: sqlite3.Error) -> bool:
        """Move a damaged file aside, unless another process has done so; whether there is hope now."""
        self._close()
        try:
            with _exclusive(Path(self.path).parent):
                if _is_sound(self.path):
                    return True
                for companion in _COMPANIONS:
                    with suppress(FileNotFoundError):
                        Path(self.path + companion).replace(self.path + DAMAGED_SUFFIX + companion)
        except OSError as failure:
            self._tell(f"{error}, and it cannot be moved aside ({failure.strerror})")
            return False
        self._tell(f"{error}; it is kept as {self.path}{DAMAGED_SUFFIX}, and a new one is begun")
        return True

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _tell(self, what: str) -> None:
        """Say it on stderr, the first time alone: the client keeps that log, and a call must not fill it."""
        if what not in self._told:
            self._told.add(what)
            stderr.log(f"goes on without {self.path}: {what}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Alone among the processes that do the same; the lock is the folder's, so no file is left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_private(path: str) -> None:
    """Create the file, for the user alone: SQLite gives its companions the same mode."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_damaged(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _is_sound(path: str) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False
