"""MCP over stdin and stdout: one JSON message a line.

Of our own because the client waits for the server at every start, and the official SDK alone takes ten times
as long to import as this server takes to answer. Only the main thread reads; calls run on worker threads;
whoever has an answer writes it.
"""

import json
import os
from _thread import allocate_lock  # `threading` is imported with the first call
from collections.abc import Callable, Iterable

from supervisor_mcp import protocol, stderr
from supervisor_mcp.protocol import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor_mcp.core import Core
    from supervisor_mcp.running import RunningCalls

_ANSWERED_LATER: "dict[str, Any]" = {}  # told from results by identity

Respond = Callable[["dict[str, Any] | None"], None]  # None: the request was cancelled, no answer is due


def claim_stdout() -> int:
    """Keep fd 1 for the protocol alone: a private copy is returned, and fd 1 itself now leads to stderr."""
    wire = os.dup(1)
    os.dup2(2, 1)
    return wire


class Connection:
    """One client, from its first message to its last."""

    def __init__(self, core: "Core", wire: int) -> None:
        """Serve `core`; answers go to the file descriptor `wire`."""
        self._core = core
        self._wire = wire
        self._write_lock = allocate_lock()
        self._closed = False
        self._modern: bool | None = None  # unknown until the first request
        self._version: str | None = None  # as initialize settled it
        self._calls: RunningCalls | None = None

    def serve(self, lines: Iterable[bytes]) -> None:
        """Answer until the client closes its end; calls that still run then die with the process."""
        for line in lines:
            if self._closed:
                return
            if line.strip():
                self._receive(line)

    def _receive(self, line: bytes) -> None:
        try:
            message = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            problem = ProtocolError(protocol.PARSE_ERROR, f"Parse error: {error}")
            self._send({"jsonrpc": "2.0", "id": None, "error": problem.error})
            return
        if isinstance(message, list) and message and self._version in protocol.BATCH_VERSIONS:
            self._receive_batch(message)
        else:
            self._handle(message, self._respond)

    def _receive_batch(self, messages: "list[Any]") -> None:
        """Collect the answers of a batch and send them together, as revision 2025-03-26 has it."""
        lock = allocate_lock()
        answers: list[dict[str, Any]] = []
        due = len(messages)

        def respond(answer: "dict[str, Any] | None") -> None:
            nonlocal due
            with lock:
                due -= 1
                if answer is not None:
                    answers.append(answer)
                last = due == 0
            if last and answers:
                self._send(answers)

        for message in messages:
            self._handle(message, respond)

    def _respond(self, answer: "dict[str, Any] | None") -> None:
        if answer is not None:
            self._send(answer)

    def _handle(self, message: object, respond: Respond) -> None:
        """See to one message; `respond` is called once for it, here or by the worker that runs the call."""
        raw = message if isinstance(message, dict) else {}
        try:
            checked = protocol.check_message(message)
            result = self._dispatch(checked, respond)
        except ProtocolError as problem:
            self._refuse(raw, problem, respond)
        except Exception:  # a bug must not take the connection down
            stderr.log_exception("failed to handle a message")
            self._refuse(raw, ProtocolError(protocol.INTERNAL_ERROR, "Internal error"), respond)
        else:
            if result is not _ANSWERED_LATER:
                respond(None if result is None else self._success(raw.get("id"), result))

    def _refuse(self, raw: "dict[str, Any]", problem: ProtocolError, respond: Respond) -> None:
        if "id" not in raw and isinstance(raw.get("method"), str):
            respond(None)  # notifications are not answered, not even wrong ones
            return
        request_id = raw.get("id") if protocol.is_request_id(raw.get("id")) else None
        respond({"jsonrpc": "2.0", "id": request_id, "error": problem.error})

    def _dispatch(self, message: "dict[str, Any]", respond: Respond) -> "dict[str, Any] | None":
        if "method" not in message:
            return None  # an answer, though this server asks nothing
        if "id" not in message:
            self._notice(message["method"], message.get("params", {}))
            return None
        return self._answer(message, respond)

    def _success(self, request_id: object, result: "dict[str, Any]") -> "dict[str, Any]":
        shown = protocol.completed(result) if self._modern else result
        return {"jsonrpc": "2.0", "id": request_id, "result": shown}

    def _answer(self, request: "dict[str, Any]", respond: Respond) -> "dict[str, Any] | None":
        """The result of a request, unless a worker will respond."""
        method, params = request["method"], request.get("params", {})
        if self._modern is None:
            self._modern = protocol.opens_modern_era(method, params)
        if self._modern:
            protocol.check_modern_envelope(method, params)
        elif method != "initialize" and protocol.VERSION_KEY in protocol.meta(params):
            raise ProtocolError(
                protocol.INVALID_REQUEST, "Invalid request: this connection began with initialize"
            )
        if method == ("server/discover" if self._modern else "initialize"):
            return self._introduce(params)
        if method == "ping" and not self._modern:
            return {}
        if method not in ("tools/list", "tools/call"):
            raise ProtocolError(protocol.METHOD_NOT_FOUND, "Method not found", method)
        if not self._modern and self._version is None:
            raise ProtocolError(protocol.INVALID_PARAMS, "Invalid request: initialize comes first")
        if method == "tools/list":
            return protocol.tools_result(self._core.list_tools(), modern=bool(self._modern))
        request_id = request["id"]
        self._open_calls().start(
            request_id,
            params,
            lambda result: respond(None if result is None else self._success(request_id, result)),
        )
        return _ANSWERED_LATER

    def _open_calls(self) -> "RunningCalls":
        """What runs calls, with all that is slow to import; made for the first one."""
        if self._calls is None:
            from supervisor_mcp.running import RunningCalls

            self._calls = RunningCalls(self._core, self._send)
        return self._calls

    def _introduce(self, params: "dict[str, Any]") -> "dict[str, Any]":
        if self._modern:
            return protocol.discover_result(self._core.instructions)
        self._version = protocol.negotiated_version(params)
        return protocol.initialize_result(self._version, self._core.instructions)

    def _notice(self, method: str, params: "dict[str, Any]") -> None:
        request_id = params.get("requestId")
        if method == "notifications/cancelled" and self._calls and protocol.is_request_id(request_id):
            self._calls.cancel(request_id)

    def _send(self, message: object) -> None:
        data = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
        with self._write_lock:
            try:
                while data and not self._closed:
                    data = data[os.write(self._wire, data) :]
            except OSError:
                self._closed = True  # the client is gone; there is no one to tell


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
