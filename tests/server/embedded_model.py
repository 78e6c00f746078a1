"""A fake llama-server and a model for it, and what became of them."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor_mcp.backends import Prompt
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.core import Core
from supervisor_mcp.embedded.backend import EmbeddedBackend
from supervisor_mcp.settings_types import Embedded

PROMPT = {"prompt": "What is the capital of France?"}
FAKE = Path(__file__).with_name("fake_llama_server.py")


class EmbeddedModel:
    """The files of one embedded model in `folder`, the `config` that names them, and its log."""

    def __init__(self, folder: Path, **behaviour: Any) -> None:
        self.program = folder / "llama-server"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {FAKE} "$@"\n', encoding="utf-8")
        self.program.chmod(0o755)
        self.model = folder / "small.gguf"
        self.behave(**behaviour)

    def behave(self, **behaviour: Any) -> None:
        """From its next start on."""
        self.model.write_bytes(b"GGUF" + json.dumps(behaviour).encode())

    def config(self, **keys: Any) -> dict[str, Any]:
        """A config with this model and no backend."""
        files = {"program": str(self.program), "model": str(self.model)}
        return {"backends": [], "embedded": {**files, **keys}}

    def log(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        try:
            lines = self.model.with_suffix(".log").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [found for line in lines if (found := json.loads(line))["event"] == event]

    def started(self, number: int = 1) -> dict[str, Any]:
        """The start of that number, once there is one."""
        wait_until(lambda: len(self.log("start")) >= number)
        return self.log("start")[number - 1]

    def processes(self) -> list[int]:
        """The processes that have to do with this model now: the keepers and the servers."""
        return processes_with(self.model)

    def is_gone(self, seconds: float = 5.0) -> bool:
        """Whether none of them is left within a while."""
        return wait_until(lambda: not self.processes(), seconds)


def processes_with(argument: Path) -> list[int]:
    """The processes that have this among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:  # it has just ended
            continue
        if str(argument).encode() in command.split(b"\0"):
            found.append(int(entry.name))
    return found


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it is so within `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    """Whether there is such a process, one that was reaped not being any."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def asked(core: Core, tool: str = "ask_local_llama", call: Call | None = None, **arguments: Any) -> str:
    """The text of a call that must succeed."""
    result = core.call(tool, arguments or PROMPT, call or Call())
    assert not result.is_error, result.text
    return result.text


def failed(core: Core, call: Call | None = None) -> str:
    """The text of a call that must fail."""
    result = core.call("ask_local_llama", PROMPT, call or Call())
    assert result.is_error, result.text
    return result.text


class Background:
    """A call that runs on a thread; `outcome` is its result or what it raised."""

    def __init__(self, core: Core, tool: str = "ask_local_llama", **arguments: Any) -> None:
        self.reports: list[str] = []
        self.call = Call(lambda _, text: self.reports.append(text))
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(core, tool, arguments or PROMPT))
        self._thread.start()

    def _run(self, core: Core, tool: str, arguments: dict[str, Any]) -> None:
        try:
            self.outcome = core.call(tool, arguments, self.call)
        except CallCancelled as cancelled:
            self.outcome = cancelled

    def end(self, seconds: float = 20.0) -> Any:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return self.outcome


def embedded_backend(model: EmbeddedModel, start_seconds: float | None = None) -> EmbeddedBackend:
    """The backend itself, which waits so long for a start."""
    backend = EmbeddedBackend(Embedded(**model.config()["embedded"]), ["local-llama"])
    if start_seconds is not None:
        backend._engine._way.start_seconds = start_seconds
    return backend


def prompt() -> Prompt:
    """Something to ask of it."""
    return Prompt(model="small", system="", user="x", max_tokens=5, temperature=None)
