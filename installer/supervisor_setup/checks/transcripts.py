"""What the client's own transcripts tell of subagents: which ran, on which model, and when.

Both 2.1.197 and 2.1.330 write a run to projects/PROJECT/SESSION/subagents/agent-ID.jsonl, as it goes on, and
the agent's name to agent-ID.meta.json beside it; there 2.1.330 also has the model, which is a bare alias
exactly when Claude named it in the call. The work is bounded: the newest runs, a part of each, and a time.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.checks.model_names import FAMILIES, bare
from supervisor_setup.values import dataclass

MAX_RUNS = 200
MAX_CPU_SECONDS = 0.06
"""What this may take of the start-up budget; a busy machine does not make it look at less."""
MAX_SECONDS = 2.0
_PART_BYTES = 65_536
_FIRST_BYTES = 16_384
"""In which the first answer stands of all but a run with a long task or many tools."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a subagent; `chosen` tells that Claude named the model in the call."""

    agent: str
    model: str
    started: float
    folder: Path | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The runs, newest first; `complete` is False when older ones were left out."""

    runs: tuple[Run, ...]
    complete: bool


class _Limit:
    """The time for the work, from now on."""

    def __init__(self) -> None:
        self._cpu = time.thread_time() + MAX_CPU_SECONDS
        self._wall = time.monotonic() + MAX_SECONDS

    @property
    def reached(self) -> bool:
        return time.thread_time() > self._cpu or time.monotonic() > self._wall


def recent(claude_dir: Path, agents: Collection[str], since: float, of_each: int) -> Seen:
    """The runs of these agents that began after `since`, at most `of_each` of every agent."""
    limit = _Limit()
    runs: list[Run] = []
    looked_at: Counter[str] = Counter()
    complete = True
    for path, changed in _files(claude_dir / "projects", since, limit):
        if looked_at.total() >= MAX_RUNS or limit.reached:
            complete = False
            break
        if changed <= since:
            continue
        meta = _meta(path)
        name = meta.get("agentType")
        if not isinstance(name, str) or name not in agents or looked_at[name] >= of_each:
            continue
        looked_at[name] += 1
        run = _run(name, path, meta)
        if run is not None and run.started > since:
            runs.append(run)
    return Seen(_newest_first(runs), complete)


def _newest_first(runs: list[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda one: -one.started))


def _files(projects: Path, since: float, limit: _Limit) -> Iterator[tuple[Path, float]]:
    """The transcripts with the times of their last change, those of the newest sessions first."""
    sessions = []
    for _, project in _newest_folders(str(projects)):
        for session in _entries(project):
            if limit.reached:
                break
            folder = f"{session.path}/subagents"
            changed = _changed(folder)
            # A run that began later has changed its folder.
            if changed is not None and changed >= since:
                sessions.append((changed, folder))
    for _, folder in sorted(sessions, reverse=True):
        paths = [one.path for one in _entries(folder) if one.name.endswith(".jsonl")]
        for changed, path in sorted(((_changed(path) or 0.0, path) for path in paths), reverse=True):
            yield Path(path), changed


def _newest_folders(parent: str) -> list[tuple[float, str]]:
    folders = [one.path for one in _entries(parent) if one.is_dir()]
    return sorted(((_changed(path) or 0.0, path) for path in folders), reverse=True)


def _changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 - called for every session, and a Path costs as much again
    except OSError:
        return None


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _meta(transcript: Path) -> Mapping[str, Any]:
    return _object(_read(transcript.with_suffix(".meta.json"), _PART_BYTES))


def _run(agent: str, path: Path, meta: Mapping[str, Any]) -> Run | None:
    lines = _read(path, _FIRST_BYTES).split(b"\n")
    model = _answered_by(lines)
    if model is None:
        lines = _read(path, _PART_BYTES).split(b"\n")
        model = _answered_by(lines)
    named = meta.get("model")
    named = named if isinstance(named, str) else ""
    chosen = bare(named) in FAMILIES
    model = model or ("" if chosen else named) or _answered_by(_tail(path)[::-1])
    first = _object(lines[0])
    started = _seconds(first.get("timestamp"))
    if started is None or not model:
        return None
    folder = first.get("cwd")
    return Run(agent, model, started, Path(folder) if isinstance(folder, str) else None, chosen)


def _answered_by(lines: list[bytes]) -> str | None:
    """The model of the first answer among these lines; half a line is none."""
    for line in lines:
        if b'"assistant"' in line:
            found = _object(line)
            message = found.get("message")
            model = message.get("model") if isinstance(message, Mapping) else None
            # The client's own words for an error come from a model called <synthetic>.
            if found.get("type") == "assistant" and isinstance(model, str) and not model.startswith("<"):
                return model
    return None


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _PART_BYTES))
            return stream.read(_PART_BYTES).split(b"\n")
    except OSError:
        return []


def _read(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError:
        return b""


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(timestamp: object) -> float | None:
    from datetime import datetime  # only where there are transcripts

    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
