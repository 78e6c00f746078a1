"""Calls that run: checked, started on worker threads, reported on, cancelled.

`checked` and `outcome` serve both transports; RunningCalls is the connection's over stdio.
"""

from collections.abc import Callable
from typing import Any

from supervisor_mcp import protocol, stderr
from supervisor_mcp.calls import Call, CallCancelled, ProgressListener
from supervisor_mcp.core import Core
from supervisor_mcp.protocol import ProtocolError
from supervisor_mcp.workers import Workers

MAX_CONCURRENT_CALLS = 64

Finish = Callable[[dict[str, Any] | None], None]  # None: the call was cancelled, no answer is due


def checked(core: Core, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The tool's name and the arguments that the `params` of tools/call ask for.

    Raises:
        ProtocolError: There is no such tool, or no call can be made of the parameters.
    """
    name, arguments = params.get("name"), params.get("arguments") or {}
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ProtocolError(protocol.INVALID_PARAMS, "Invalid params: `name` and `arguments` are needed")
    if not core.has_tool(name):
        known = ", ".join(tool["name"] for tool in core.list_tools())
        raise ProtocolError(protocol.INVALID_PARAMS, f"Unknown tool: {name}; there are {known}")
    return name, arguments


def outcome(core: Core, name: str, arguments: dict[str, Any], call: Call) -> dict[str, Any] | None:
    """Run a checked call to its end; the result of tools/call, None once it is cancelled. Never raises."""
    try:
        call.raise_if_cancelled()
        result = core.call(name, arguments, call)
        return protocol.text_result(result.text, is_error=result.is_error)
    except CallCancelled:
        return None
    except Exception as error:  # a bug must not leave the model without an answer
        stderr.log_exception(f"{name} failed")
        text = f"{name} failed: a bug in supervisor-mcp ({type(error).__name__}). Do the task yourself."
        return protocol.text_result(text, is_error=True)


class RunningCalls:
    """Calls by request id."""

    def __init__(self, core: Core, send: Callable[[object], None]) -> None:
        """Run tools of `core`; notifications about them go to `send`."""
        self._core = core
        self._send = send
        self._calls: dict[object, Call] = {}
        self._workers = Workers(MAX_CONCURRENT_CALLS)

    def start(self, request_id: object, params: dict[str, Any], finish: Finish) -> None:
        """Begin the call that the `params` of tools/call ask for; `finish` gets its result, once.

        Raises:
            ProtocolError: There is no such tool, or no call can be made of the parameters.
        """
        name, arguments = checked(self._core, params)
        if request_id in self._calls:
            raise ProtocolError(protocol.INVALID_REQUEST, "Invalid request: a call with this id is running")
        call = self._calls[request_id] = Call(self._listener(protocol.progress_token(params)))

        def run() -> None:
            finish(self._run(request_id, name, arguments, call))

        self._workers.submit(run)

    def cancel(self, request_id: object) -> None:
        """Stop the call, if it still runs."""
        call = self._calls.get(request_id)
        if call is not None:
            call.cancel()

    def _run(
        self, request_id: object, name: str, arguments: dict[str, Any], call: Call
    ) -> dict[str, Any] | None:
        try:
            return outcome(self._core, name, arguments, call)
        finally:
            del self._calls[request_id]

    def _listener(self, token: object) -> ProgressListener | None:
        if token is None:
            return None

        def listener(seconds: float, message: str) -> None:
            params = {"progressToken": token, "progress": seconds, "message": message}
            self._send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

        return listener
