"""The real client, run as a user runs it: `claude -p`, its stream of JSON lines read back."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tied import TIED

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended; `seconds` is its wall time."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Both streams, for messages and for searching."""
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True)
class Transcript:
    """What `claude -p --output-format stream-json --verbose` printed, event by event."""

    finished: Finished
    events: tuple[Json, ...]

    @property
    def init(self) -> Json:
        """The first event: what the session has (agents, tools, mcp_servers, model)."""
        return self._one("system", "init")

    @property
    def result(self) -> Json:
        """The last event: `result` is what the user reads, `is_error` whether it failed."""
        return self._one("result")

    @property
    def agents(self) -> list[str]:
        """The subagents that the client loaded, its built-in ones included."""
        return list(self.init["agents"])

    @property
    def tools(self) -> list[str]:
        """The tools of the main conversation, MCP tools included."""
        return list(self.init["tools"])

    @property
    def answer(self) -> str:
        """The final words of the run."""
        return str(self.result.get("result", ""))

    def _one(self, kind: str, subtype: str | None = None) -> Json:
        for event in self.events:
            if event["type"] == kind and subtype in (None, event.get("subtype")):
                return event
        raise AssertionError(f"the client printed no {kind} event\n{self.finished.output}")


@dataclass(frozen=True, slots=True)
class Claude:
    """One version of the client."""

    version: str
    binary: Path

    def run(
        self, prompt: str, *, env: Mapping[str, str], cwd: Path, args: Sequence[str] = (), timeout: float = 90
    ) -> Transcript:
        """Give `prompt` to the client in print mode and wait for its end, at most `timeout` seconds."""
        words = ("-p", prompt, "--output-format", "stream-json", "--verbose", *args)
        finished = self.command(*words, env=env, cwd=cwd, timeout=timeout)
        return Transcript(finished, tuple(_events(finished.stdout)))

    def mcp_list(self, *, env: Mapping[str, str], cwd: Path) -> str:
        """What `claude mcp list` says, warnings included; it starts every server that it lists."""
        return self.command("mcp", "list", env=env, cwd=cwd).output

    def command(self, *args: str, env: Mapping[str, str], cwd: Path, timeout: float = 60) -> Finished:
        """Run the client with `args`; at the timeout all that it started is killed and the test fails."""
        return run_tied((str(self.binary), *args), env=env, cwd=cwd, timeout=timeout)


def run_tied(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float) -> Finished:
    """Run `command` to its end without ever outliving this process, nor `timeout` seconds."""
    started = time.monotonic()
    with subprocess.Popen(
        (sys.executable, "-IS", str(TIED), *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=env,
        cwd=cwd,
        start_new_session=True,  # a Ctrl-C in the terminal must not end the one that cleans up
    ) as process:
        assert process.stdin is not None
        lifeline, process.stdin = process.stdin, None
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            lifeline.close()
            out, err = process.communicate()
            raise AssertionError(f"{' '.join(command)}: no end after {timeout} s\n{out}\n{err}") from None
        finally:
            lifeline.close()
    return Finished(tuple(command), process.returncode, out, err, time.monotonic() - started)


def _events(stdout: str) -> Iterator[Json]:
    for line in stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
