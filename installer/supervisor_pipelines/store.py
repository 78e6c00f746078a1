"""Where a run's state is kept: a SQLite file in the results' folder, or PostgreSQL for many machines."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.schema import CreateSchema

from supervisor_setup.errors import UsageError, UserError

FOLDER = ".pipeline"
"""Below the results' folder: everything that is not for the user to read."""
SCHEMA = "supervisor_pipelines"
VERSION = 1
BUSY_SECONDS = 30.0
_LOCK = 0x5375_7065  # any number that no other program is likely to lock

metadata = MetaData()
"""Every table of a run; the modules that own the tables declare them here."""

_versions = Table("schema_version", metadata, Column("version", Integer, primary_key=True))


@dataclass(frozen=True, slots=True)
class Store:
    """The tables of `metadata` in one database.

    Every error of the database that a user can mend (a full disk, a damaged file, no connection) leaves
    `begin`, `read` and `create_tables` as a `UserError`.
    """

    engine: Engine
    name: str
    """What messages call the database: the file, or the URL without its password."""
    _writing: AbstractContextManager[object] = field(default_factory=threading.Lock)
    """SQLite's writers poll for their turn, by chance and ever more seldom; threads stand in line here."""

    @classmethod
    def open(cls, folder: Path, db: str | None) -> Self:
        """The database at the URL `db`, else the SQLite file in `folder`; nothing is connected yet.

        Raises:
            UsageError: `db` is not the URL of a PostgreSQL database.
            UserError: the folder cannot be made.
        """
        if db is None:
            path = private_file(folder / FOLDER / "state.db")
            # What was paid must survive a power failure too, so each commit waits for the disk.
            return cls(sqlite(path, synchronous="FULL"), str(path))
        url = postgresql_url(db)
        engine = create_engine(
            url, pool_size=8, max_overflow=8, pool_pre_ping=True, connect_args={"connect_timeout": 10}
        ).execution_options(schema_translate_map={None: SCHEMA})
        name = url.set(drivername="postgresql").render_as_string(hide_password=True)
        return cls(engine, name, nullcontext())

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, db: str | None) -> Iterator[Self]:
        """The database with all its tables, while inside.

        Raises:
            UserError: as `open` and `create_tables`.
        """
        store = cls.open(folder, db)
        try:
            store.create_tables()
            yield store
        finally:
            store.close()

    @property
    def shared(self) -> bool:
        """Whether workers on other machines can reach it."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write; SQLite's writers wait for each other here, and not midway."""
        writer = self.engine.execution_options(writes=True)
        with self.explained(), self._writing, writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and waits for nobody."""
        with self.explained(), self.engine.begin() as connection:
            yield connection

    def create_tables(self) -> None:
        """Make what is missing; also when several workers do it at once.

        Raises:
            UserError: a newer version of this program wrote the database.
        """
        with self.begin() as connection:
            if self.shared:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
            metadata.create_all(connection)
            found = connection.scalar(select(_versions.c.version))
            if found is None:
                connection.execute(insert(_versions).values(version=VERSION))
        if found is not None and found > VERSION:
            raise UserError(
                f"{self.name}: was written by a newer version of supervisor-setup",
                hint="pip install --upgrade 'supervisor-setup[orchestrate]'",
            )

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of the database that the user can mend into `UserError`; others are bugs and pass."""
        try:
            yield
        except DBAPIError as error:
            explanation = _explained(self.name, error)
            if explanation is None:
                raise
            raise explanation from error


def sqlite(path: Path, *, synchronous: str) -> Engine:
    """An engine on a SQLite file, in WAL mode so that `status` can read beside a run."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=8,
        max_overflow=-1,  # a connection to a file costs nothing worth waiting for
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions at moments of its own
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error:
            connection.close()  # nobody else knows of it yet
            raise

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once where another wrote in between,
        # whatever the time-out, so those that may write take the lock at their begin.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def private_file(path: Path) -> Path:
    """Make the file, readable for its owner alone: documents' facts are in it. SQLite's own follow its mode.

    Raises:
        UserError: it cannot be made.
    """
    private_folder(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def private_folder(path: Path) -> Path:
    """Make the folder, for its owner alone.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror})") from error
    return path


def postgresql_url(given: str) -> URL:
    """The URL with the driver that we bring.

    Raises:
        UsageError: it is not the URL of a PostgreSQL database.
    """
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername.partition("+")[0] not in ("postgres", "postgresql") or not url.database:
        # The value is not repeated: it may hold a password.
        raise UsageError(
            "--db: is not the URL of a PostgreSQL database", hint="--db postgresql://user@host:5432/name"
        )
    return url.set(drivername="postgresql+psycopg")


# By the first two parts of SQLite's own names of errors: SQLITE_IOERR_WRITE is an SQLITE_IOERR.
_SQLITE_SAYS = {
    "SQLITE_FULL": ("the disk is full", "free some space, then run the same command again"),
    "SQLITE_IOERR": ("the disk cannot be read or written", "look at the disk, then run the command again"),
    "SQLITE_CORRUPT": ("is damaged", "mv {folder} {folder}.damaged; results.jsonl stays as it is"),
    "SQLITE_NOTADB": ("is damaged", "mv {folder} {folder}.damaged; results.jsonl stays as it is"),
    "SQLITE_BUSY": (f"another process has held it locked for {BUSY_SECONDS:.0f} s", "end that process"),
    "SQLITE_READONLY": ("cannot be written", "chmod -R u+rwX {folder}"),
    "SQLITE_CANTOPEN": ("cannot be opened", "chmod -R u+rwX {folder}"),
}
# By SQLSTATE, or the class that its first two letters are.
_POSTGRESQL_SAYS = {
    "08": ("cannot be reached", "is it running? then run the same command again"),
    "25006": ("is read-only", "give the URL of the primary server"),
    "FATAL": ("lets nobody in so", "look at the URL given with --db; does its database exist?"),
    "42501": ("lacks a right", 'GRANT CREATE ON DATABASE "{database}" TO "{user}"'),
    "53100": ("its disk is full", "free some space there, then run the same command again"),
    "53": ("has no room for more connections or memory", "fewer workers, or a larger server"),
    "57P": ("was shut down", "start it, then run the same command again"),
}


def _explained(name: str, error: DBAPIError) -> UserError | None:
    if isinstance(error.orig, sqlite3.Error):
        kind = "_".join(str(getattr(error.orig, "sqlite_errorname", "")).split("_")[:2])
        if kind not in _SQLITE_SAYS:
            return None
        what, hint = _SQLITE_SAYS[kind]
        return UserError(f"{name}: {what}", hint=hint.format(folder=Path(name).parent))
    state = getattr(error.orig, "sqlstate", None)
    if state is None and "FATAL: " in str(error.orig):
        state = "FATAL"  # the driver gives no code for what a server says to a new connection
    elif state is None:  # the driver's own word for a server that was not reached, or went away
        state = "08" if isinstance(error, OperationalError) or error.connection_invalidated else ""
    for known in (state, state[:3], state[:2]):
        if known in _POSTGRESQL_SAYS:
            what, hint = _POSTGRESQL_SAYS[known]
            said = str(error.orig).strip().splitlines() or [""]
            url = make_url(name)
            return UserError(
                f"{name}: {what} ({said[0]})", hint=hint.format(database=url.database, user=url.username)
            )
    return None
