"""Every test has a home of its own; one that reaches for the real one fails."""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fake_backend import FakeBackend, FakeServer
from hypothesis import settings
from shared_server import SharedServer

from homes import Home
from worked_out_once import worked_out_once

REAL_HOME = Path.home().resolve()
# The product waits for the disk at every write, thousands of times in these tests; memory needs no waiting.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
# How long one example takes tells more of the other processes here than of what is tested.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
_KEPT = (
    "PATH",
    "LANG",
    "TMPDIR",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "SUPERVISOR_TEST_CACHE",
)
_KEPT_STARTS = ("PYTEST", "COV_", "HYPOTHESIS", "SUPERVISOR_PROPERTY", "SUPERVISOR_CLI")
_WATCHED = (".claude", ".claude.json", ".config/supervisor-setup", ".local/state/supervisor-setup")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOME, and an environment without anything that this machine's user has set."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name not in _KEPT and not name.startswith(_KEPT_STARTS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return home


@pytest.fixture
def home(own_home: Path) -> Home:
    """The same home, with the files that matter here by name."""
    return Home(own_home)


@pytest.fixture(autouse=True, scope="session")
def a_config_is_worked_out_once():
    """No test in this process waits for what another one has found out."""
    with worked_out_once():
        yield


@pytest.fixture
def new_backend() -> Iterator[Callable[..., FakeBackend]]:
    """Starts fake backends: `new_backend(answer="…")`."""
    servers = []

    def start(*, port: int = 0, certificate: Any = None, **behaviour: Any) -> FakeBackend:
        backend = FakeBackend(**behaviour)
        servers.append(FakeServer(backend, port, certificate))
        return backend

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    """The server over HTTP for tests that do not need one of their own."""
    shared = SharedServer(tmp_path_factory.mktemp("shared"))
    yield shared
    shared.end()


@pytest.fixture(autouse=True, scope="session")
def no_name_is_looked_up():
    """Nothing in this process asks the network for a host; the default backends are unknown at once."""
    real = socket.getaddrinfo

    def local_only(host, *arguments, **named):
        if host in ("127.0.0.1", "::1", "localhost", None):
            return real(host, *arguments, **named)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with mock.patch.object(socket, "getaddrinfo", local_only):
        yield


@pytest.fixture(autouse=True, scope="session")
def verification_does_not_wait():
    """An install looks twice, 0.2 s apart, whether a running client has undone it; here no client runs."""
    with mock.patch("supervisor_setup.apply._VERIFY_DELAYS", (0.0, 0.0)):
        yield


def _touched(event: str, arguments: tuple[object, ...]) -> str | None:
    """The path in the real home that an audited call would write to."""
    if event == "open":
        path, _mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not writes or not isinstance(path, str):
            return None
    elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"):
        path = arguments[1] if event in ("os.rename", "os.symlink", "os.link") else arguments[0]
    else:
        return None
    if not isinstance(path, str | os.PathLike):
        return None
    full = os.path.abspath(os.fspath(path))  # noqa: PTH100 - must not follow links
    return next((full for name in _WATCHED if full.startswith(str(REAL_HOME / name))), None)


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    touched = _touched(event, arguments)
    if touched is not None:
        raise AssertionError(f"a test reached for the real home: {event} {touched}")


sys.addaudithook(_guard)


class _SysInTurn:
    """`sys` as the threading module sees it, on Python 3.11 while coverage traces.

    There `sys.settrace` fails in a thread that calls it while another one is in it, and an audit hook such as
    ours lets the other one run in its midst.
    """

    def __init__(self) -> None:
        self._turn = threading.RLock()

    def __getattr__(self, name: str) -> object:
        return getattr(sys, name)

    def settrace(self, hook: Callable[..., object]) -> None:
        def install(frame, event, argument):
            with self._turn:  # coverage's hook puts its real tracer into its own place
                return hook(frame, event, argument)

        with self._turn:
            sys.settrace(install)


if sys.version_info < (3, 12) and threading.gettrace() is not None:
    threading._sys = _SysInTurn()


def _stamp() -> dict[str, object]:
    """What could have been changed in the real home by a child process, which no audit hook sees."""
    stamp: dict[str, object] = {}
    for name in _WATCHED:
        path = REAL_HOME / name
        if path.is_dir():
            stamp[name] = sorted(one.name for one in path.iterdir())
        else:
            stamp[name] = path.exists() and path.stat().st_mtime_ns
    return stamp


@pytest.fixture(autouse=True, scope="session")
def real_home_stays_as_it_is():
    """Fails the run when anything in the real home's configuration has changed under it."""
    before = _stamp()
    yield
    assert _stamp() == before, f"the configuration in {REAL_HOME} changed while the tests ran"


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """What `--json` printed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Runs supervisor-setup in this process, as its console script would."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int | None = 0) -> Ran:
        from supervisor_setup import cli  # after the environment is the test's own

        self.capsys.readouterr()
        found = cli.run(list(arguments))
        captured = self.capsys.readouterr()
        ran = Ran(found, captured.out, captured.err)
        assert code is None or ran.code == code, f"exit {ran.code}\n{ran.out}\n{ran.err}"
        assert "Traceback" not in ran.err
        return ran


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("install", "--yes")` runs the command and checks its exit code, 0 unless `code` says otherwise."""
    return Cli(capsys)


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Every file below `folder` with its bytes, every link with its aim, every folder."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = path.read_bytes()
    return found
