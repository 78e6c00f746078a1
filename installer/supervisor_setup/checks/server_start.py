"""Starts every MCP server once, as the client would, and keeps what it did for all checks.

Only servers that the client starts without asking anybody: what a project brings along and nobody has
approved is never run. `initialize` is sent with a protocol version that every server knows.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any

from supervisor_setup import __version__
from supervisor_setup.checks import mcp_servers, server_launch
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.processes import Program
from supervisor_setup.checks.world import World
from supervisor_setup.deadlines import all_at_once
from supervisor_setup.values import dataclass

ANSWER_SECONDS = 10.0
"""How long a server may take for all its answers; the client itself gives up after 30 s."""
_END_SECONDS = 1.5
ALL_SECONDS = ANSWER_SECONDS + 2 * _END_SECONDS + 1.0
PROTOCOL = "2025-06-18"
_MAX_PAGES = 20
_NOISE_KEPT = 3
_METHOD_NOT_FOUND = -32601


@dataclass(frozen=True, slots=True)
class Start:
    """What a server did: how far it came, and everything that a check may say of it.

    `failure` is why it could not be started at all. `code` is its exit code where it ended by itself. `asked`
    is the request that it never answered, `refused` the one that it answered with `error`. `noise` are lines
    on its standard output that are no messages, `glued` one that stands before a message on the same line.
    """

    entry: ServerEntry
    failure: OSError | None = None
    code: int | None = None
    asked: str | None = None
    refused: str | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    noise: tuple[str, ...] = ()
    glued: str | None = None
    err: str = ""
    seconds: float | None = None
    protocol: str | None = None
    instructions: str = ""
    tools: tuple[Any, ...] | None = None

    @property
    def answered(self) -> bool:
        """Whether it answered `initialize`."""
        return self.seconds is not None


def all_started(world: World) -> tuple[Start, ...]:
    """What each server that the client itself starts did."""
    return world.memo.get("server starts", lambda: _all(world))


def _all(world: World) -> tuple[Start, ...]:
    entries = [entry for entry in mcp_servers.started(world) if entry.command is not None]
    late = [Start(entry, asked="initialize") for entry in entries]
    done = all_at_once([partial(_start, world, entry) for entry in entries], ALL_SECONDS, None)
    return tuple(one or missed for one, missed in zip(done, late, strict=True))


def _start(world: World, entry: ServerEntry) -> Start:
    command, environment = server_launch.launch(world, entry)
    folder = server_launch.folder(world)
    found = server_launch.program(command[0], environment.get("PATH", ""), folder)
    if found is None:
        return Start(entry, failure=FileNotFoundError(command[0]))
    try:
        with Program([found, *command[1:]], env=environment, cwd=folder) as running:
            return _Talk(running, entry).run()
    except OSError as error:
        return Start(entry, failure=error)


class _Talk:
    """The conversation with one server, up to the end of its list of tools."""

    def __init__(self, program: Program, entry: ServerEntry) -> None:
        self._program = program
        self._began = time.monotonic()
        self._deadline = self._began + ANSWER_SECONDS
        self._noise: list[str] = []
        self._glued: str | None = None
        self._start = Start(entry)
        self._last_id = 0

    def run(self) -> Start:
        self._open()
        if self._start.answered and self._start.refused is None:
            self._list_tools()
        self._close()
        return self._start

    def _open(self) -> None:
        me = {"name": "supervisor-setup doctor", "version": __version__}
        result = self._ask("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": me})
        if result is None:
            return
        self._note(
            seconds=time.monotonic() - self._began,
            protocol=str(result.get("protocolVersion")),
            instructions=str(result.get("instructions") or ""),
        )
        self._say({"method": "notifications/initialized"})
        capabilities = result.get("capabilities")
        if not isinstance(capabilities, Mapping) or "tools" not in capabilities:
            self._note(tools=())

    def _list_tools(self) -> None:
        if self._start.tools is not None:
            return
        tools: list[Any] = []
        cursor = None
        for _ in range(_MAX_PAGES):
            page = self._ask("tools/list", {"cursor": cursor} if cursor else {})
            if page is None:
                return
            found = page.get("tools")
            tools += found if isinstance(found, list) else []
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                break
        self._note(tools=tuple(tools))

    def _close(self) -> None:
        """MCP servers end when their input does; one that had ended before tells its exit code."""
        ended_itself = self._start.asked is not None and self._program.code is not None
        if self._start.asked is not None and not ended_itself:
            # Its output has ended and its exit is a moment away, or it only keeps silent.
            silent = time.monotonic() >= self._deadline
            ended_itself = not silent and self._program.wait(time.monotonic() + 0.5) is not None
        self._program.close_input()
        code = self._program.wait(time.monotonic() + _END_SECONDS)
        self._note(
            code=code if ended_itself else None,
            noise=tuple(self._noise),
            glued=self._glued,
            err=self._program.err,
        )

    def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The result of a request; None, with the reason noted, where there is none."""
        self._last_id += 1
        self._say({"id": self._last_id, "method": method, "params": params})
        for message in self._messages():
            if "method" in message:
                if "id" in message:
                    error = {"code": _METHOD_NOT_FOUND, "message": "doctor serves nothing"}
                    self._say({"id": message["id"], "error": error})
            elif message.get("id") == self._last_id:
                if isinstance(message.get("result"), Mapping):
                    result: Mapping[str, Any] = message["result"]
                    return result
                found = message.get("error")
                self._note(refused=method, error=found if isinstance(found, Mapping) else {})
                return None
        self._note(asked=method)
        return None

    def _messages(self) -> Iterator[Mapping[str, Any]]:
        while (line := self._program.read_line(self._deadline)) is not None:
            text = line.decode("utf-8", "replace").strip()
            message = _message(text)
            if message is None and '{"jsonrpc"' in text:
                before, _, after = text.partition('{"jsonrpc"')
                message = _message('{"jsonrpc"' + after)
                self._glued = before
            if message is not None:
                yield message
            elif text and len(self._noise) < _NOISE_KEPT:
                self._noise.append(text)

    def _say(self, message: Mapping[str, Any]) -> None:
        self._program.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n", self._deadline)

    def _note(self, **changes: Any) -> None:
        self._start = replace(self._start, **changes)


def _message(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("jsonrpc") == "2.0" else None
