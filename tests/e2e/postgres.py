"""A PostgreSQL of the tests' own: on loopback, with a password, in a folder that goes with it."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from real_parts import RealParts

from .stack import StackError, free_ports, running_server, tail, with_retries

_START_S = 60.0
_USER, _PASSWORD = "tests", "password-of-the-tests"
# PostgreSQL refuses to run as root.
_AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_OPTIONS = (
    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
    *("-c", "shared_buffers=32MB", "-c", "max_connections=100"),
    # Its clients are killed here, never the server itself.
    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server."""

    port: int
    log: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self) -> str:
        """The URL of a new and empty database."""
        name = f"tests_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url(name)

    @contextmanager
    def away(self, url: str) -> Iterator[None]:
        """While inside, the server has ended every connection to this database, and takes none."""
        name = url.rpartition("/")[2]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(end, [name])
            yield
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]

    def url(self, database: str) -> str:
        """The URL of a database, as a user would write it."""
        return f"postgresql://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/{database}"


@contextmanager
def running_postgres(parts: RealParts, folder: Path) -> Iterator[Postgres]:
    """Start a server with its log in `folder`; stop it at the end, or when this process is killed."""

    def start(attempt: Path, servers: ExitStack) -> Postgres:
        data = servers.enter_context(_cluster(parts, attempt))
        postgres = Postgres(free_ports()[0], attempt / "postgres.log")
        program = (str(parts.postgresql / "postgres"), "-D", str(data), "-p", str(postgres.port), *_OPTIONS)
        command = [*_unprivileged(), *program]
        process = servers.enter_context(running_server(command, postgres.log, {"LANG": "C.UTF-8"}))
        servers.callback(_stop_quickly, data)
        _wait_until_ready(postgres, process)
        return postgres

    with ExitStack() as servers:
        yield with_retries(start, folder, servers)


def _unprivileged() -> tuple[str, ...]:
    return _AS_NOBODY if os.geteuid() == 0 else ()


@contextmanager
def _cluster(parts: RealParts, folder: Path) -> Iterator[Path]:
    """A fresh data folder. Not below pytest's own, which only their owner may enter."""
    data = Path(tempfile.mkdtemp(prefix="supervisor-postgres-", dir="/tmp"))
    password = data.with_suffix(".password")
    try:
        password.write_text(_PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (data, password):
                shutil.chown(path, "nobody", "nogroup")
        options = ("--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={password}", "--no-sync")
        command = [*_unprivileged(), str(parts.postgresql / "initdb"), "-D", str(data), *options]
        done = subprocess.run(
            [*command, "--locale=C.UTF-8", "--encoding=UTF8"], capture_output=True, text=True, check=False
        )
        (folder / "initdb.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            raise StackError(f"initdb: exited {done.returncode}\n{done.stderr}")
        yield data
    finally:
        password.unlink(missing_ok=True)
        shutil.rmtree(data)


def _stop_quickly(data: Path) -> None:
    """Ask the server to end without waiting for its clients, so that it leaves no shared memory behind."""
    with suppress(OSError, ValueError):
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 5
        while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.02)


def _wait_until_ready(postgres: Postgres, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError(f"postgres: exited {process.returncode}\n{tail(postgres.log)}")
        try:
            psycopg.connect(postgres.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise StackError(f"postgres: not ready after {_START_S:.0f} s\n{tail(postgres.log)}")
