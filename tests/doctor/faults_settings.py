"""Faults in the client's own files, and what killed programs leave beside them."""

import os
import time
from pathlib import Path

from bench import Bench, Fault, Faults

from supervisor_setup import files, locks
from supervisor_setup.findings import Status

LONG_AGO = time.time() - 100_000
DEAD = 2**31 - 1
"""More than a process's number can be."""


def aged(path: Path, when: float = LONG_AGO) -> Path:
    """The same file or folder with a time of change long ago."""
    os.utime(path, (when, when))
    return path


def hook(command: str, matcher: str = "Bash", **options: object) -> dict[str, object]:
    """A group of one command hook."""
    return {"matcher": matcher, "hooks": [{"type": "command", "command": command, **options}]}


def abandoned_lock(bench: Bench, *, holds: str = "") -> Path:
    """A lock of the client's on its state file that nobody holds."""
    lock = locks.client_lock_path(bench.home.client)
    lock.mkdir()
    if holds:
        (lock / holds).touch()
    return aged(lock)


def our_temp(bench: Bench) -> Path:
    """A temporary file that a killed run of ours left."""
    return aged(bench.write(files.temp_path(bench.home.settings, "0123"), "half of it"))


def clients_temp(bench: Bench) -> Path:
    """A temporary file that a killed client left."""
    return aged(bench.write(bench.home.path / f".claude.json.tmp.{DEAD}.0123456789ab", '{"half": '))


def _settings(bench: Bench, **changes: object) -> Path:
    return bench.edit(bench.home.settings, **changes)


FAULTS: Faults = {
    "settings.parse": (
        Fault(lambda bench: bench.write(bench.home.settings, '{"permissions": {"deny": ["Bash"]}, // no\n}')),
        Fault(lambda bench: bench.write(bench.home.client, '{"mcpServers": ')),
        Fault(
            lambda bench: bench.write(bench.home.settings, '{"env": {"A": "1"}, "env": {}}'), Status.WARNING
        ),
    ),
    "settings.schema": (
        Fault(lambda bench: _settings(bench, model=5)),
        Fault(lambda bench: _settings(bench, permissions={"deny": ["read(./secret)"]}), Status.WARNING),
        Fault(lambda bench: _settings(bench, status_line={"type": "command"}), Status.WARNING),
    ),
    "settings.inert-mcp": Fault(lambda bench: _settings(bench, mcpServers={"notes": {"command": "true"}})),
    "settings.duplicate-hooks": Fault(
        lambda bench: _settings(bench, hooks={"PreToolUse": [hook("~/log.sh"), hook("$HOME/log.sh")]}),
        Status.WARNING,
    ),
    "settings.stale-lock": (
        Fault(abandoned_lock, Status.INFO),
        Fault(lambda bench: abandoned_lock(bench, holds="x"), Status.WARNING),
    ),
    "settings.stray-temp": (Fault(our_temp, Status.WARNING), Fault(clients_temp, Status.WARNING)),
}
