"""A machine for doctor to look at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from fake_backend import FakeBackend, FakeServer

from homes import Home


@pytest.fixture
def new_backend() -> Iterator[Callable[..., FakeBackend]]:
    """Starts fake backends: `new_backend(answer="…")`."""
    servers = []

    def start(*, port: int = 0, **behaviour: Any) -> FakeBackend:
        backend = FakeBackend(**behaviour)
        servers.append(FakeServer(backend, port))
        return backend

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def bench(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any], new_backend: Any
) -> Bench:
    """A machine with nothing installed, in a git project."""
    programs = tmp_path / "bin"
    programs.mkdir()
    project = tmp_path / "work"
    (project / ".git").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath))))
    return Bench(home, project, programs, monkeypatch, cli, new_backend)
