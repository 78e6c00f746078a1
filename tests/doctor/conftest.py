"""A machine for doctor to look at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import HEALTHY_CLIENT, Bench
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
    programs, usual = tmp_path / "bin", tmp_path / "usual"
    programs.mkdir()
    usual.mkdir()
    project = tmp_path / "work"
    (project / ".git").mkdir()
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(programs), str(usual), os.environ.get("PATH", os.defpath)))
    )
    bench = Bench(home, project, programs, monkeypatch, cli, new_backend)
    # Nobody can tell its version, so that each fact about versions may hold; what a test plants goes before.
    bench.program("claude", HEALTHY_CLIENT).rename(usual / "claude")
    return bench


@pytest.fixture
def only_planted_programs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with nothing but what the test plants: no Tailscale or LiteLLM of this machine's."""
    monkeypatch.setenv("PATH", str(bench.bin))
