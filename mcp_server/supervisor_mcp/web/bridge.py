"""The SDK's server on one side, the transport-neutral core on the other."""

import asyncio
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from supervisor_mcp import protocol, running
from supervisor_mcp.calls import Call
from supervisor_mcp.core import Core
from supervisor_mcp.protocol import ProtocolError
from supervisor_mcp.web.gate import SESSION_HEADER
from supervisor_mcp.workers import Workers

REQUEST_CANCELLED = -32800  # what the SDK answers there too; only revisions that want an answer get it

Context = ServerRequestContext[Any, Any]


class Bridge:
    """One core for all clients; `server` is what the SDK runs."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._workers = Workers(running.MAX_CONCURRENT_CALLS)
        self._calls: dict[tuple[str, object], Call] = {}
        tools = core.list_tools()
        self._listed = ListToolsResult.model_validate({"tools": tools})
        schemas = {tool["name"]: tool["inputSchema"] for tool in tools}
        self.server: Server[Any] = Server(
            str(protocol.SERVER_INFO["name"]),
            version=str(protocol.SERVER_INFO["version"]),
            title=str(protocol.SERVER_INFO["title"]),
            instructions=core.instructions,
            get_tool_input_schema=schemas.get,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        self.server.middleware.clear()  # telemetry, which nobody has asked for

    def cancel(self, session: str, request_id: object) -> None:
        """Stop the session's call of that id, if it still runs."""
        call = self._calls.get((session, request_id))
        if call is not None:
            call.cancel()

    async def _list_tools(self, _context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return self._listed

    async def _call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        try:
            name, arguments = running.checked(
                self._core, {"name": params.name, "arguments": params.arguments}
            )
        except ProtocolError as problem:
            raise MCPError(**problem.error) from problem
        result = await self._run(context, name, arguments)
        if result is None:
            raise MCPError(REQUEST_CANCELLED, "Request cancelled")
        return CallToolResult.model_validate(result)

    async def _run(self, context: Context, name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """The outcome of a call on a worker thread, which is cancelled when this coroutine is."""
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

        def tell(kind: str, value: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(news.put_nowait, (kind, value))

        call = Call(lambda seconds, message: tell("progress", (seconds, message)))
        key = (_session(context), context.request_id)
        self._calls[key] = call
        self._workers.submit(lambda: tell("outcome", running.outcome(self._core, name, arguments, call)))
        try:
            while True:
                kind, value = await news.get()
                if kind == "outcome":
                    outcome: dict[str, Any] | None = value
                    return outcome
                await context.session.report_progress(value[0], None, value[1])
        finally:
            call.cancel()  # no harm to one that has ended
            if self._calls.get(key) is call:
                del self._calls[key]


def _session(context: Context) -> str:
    name = context.request.headers.get(SESSION_HEADER.decode("ascii")) if context.request else None
    return name or ""
