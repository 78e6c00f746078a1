"""Backends to talk to, and the server to talk through."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_model import EmbeddedModel
from fake_backend import FakeBackend
from server_process import COMMAND, ServerProcess, write_config

from supervisor_mcp import settings
from supervisor_mcp.calls import Call
from supervisor_mcp.core import Core, Result
from supervisor_mcp.folders import Folders

StartServer = Callable[..., ServerProcess]
MakeCore = Callable[[dict[str, Any]], Core]
AskCore = Callable[..., Result]


@pytest.fixture
def backend(new_backend: Callable[..., FakeBackend]) -> FakeBackend:
    """A LiteLLM that answers."""
    return new_backend()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts the real server: `start_server(backends=[…], tools={…})`; every one must end well."""
    started = []

    def start(*arguments: str, **config: Any) -> ServerProcess:
        if config:
            arguments = ("--config", str(write_config(tmp_path, config)), *arguments)
        server = ServerProcess([*COMMAND, *arguments])
        started.append(server)
        return server

    yield start
    for server in started:
        server.end()


@pytest.fixture
def make_core() -> MakeCore:
    """Makes a core with a config over the defaults."""
    return lambda config: Core(settings.from_mapping(settings.merge(config)))


@pytest.fixture
def ask(make_core: MakeCore) -> AskCore:
    """Calls a tool of a core made for a config: `ask({"backends": […]}, "ask_local_llama", prompt="…")`."""

    def run(config: "dict[str, Any] | Core", tool: str = "ask_local_llama", **arguments: Any) -> Result:
        core = config if isinstance(config, Core) else make_core(config)
        if tool == "ask_local_llama" and not arguments:
            arguments = {"prompt": "What is the capital of France?"}
        return core.call(tool, arguments, Call())

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Folders:
    """Folders to keep things in."""
    return Folders(state=str(tmp_path / "state"), cache=str(tmp_path / "cache"))


@pytest.fixture
def serve(kept: Folders) -> Callable[..., Core]:
    """Makes a core with a config over the defaults, which keeps things in those folders."""
    return lambda config: Core(settings.from_mapping(settings.merge(config)), folders=kept)


@pytest.fixture
def new_model(tmp_path: Path) -> Iterator[Callable[..., EmbeddedModel]]:
    """Makes models: `new_model(load_seconds=1)`; none may leave a process behind."""
    made = []

    def make(**behaviour: Any) -> EmbeddedModel:
        made.append(EmbeddedModel(tmp_path, **behaviour))
        return made[-1]

    yield make
    for model in made:
        assert model.is_gone(), f"left behind: {model.processes()}"


@pytest.fixture
def core_of(new_model: Callable[..., EmbeddedModel]) -> Iterator[Callable[..., Core]]:
    """Makes cores, which are closed before anybody looks for what the models left behind."""
    cores = []

    def make(config: dict[str, Any], **keys: Any) -> Core:
        cores.append(Core(settings.from_mapping(settings.merge(config)), **keys))
        return cores[-1]

    yield make
    for core in cores:
        core.close()
