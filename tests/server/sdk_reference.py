"""A server on the official SDK with the same tools, to hold ours against."""

import json
import os
import threading
from collections.abc import Sequence
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError


class Reference:
    """The SDK's server on a thread, over pipes; one connection, spoken to as a ServerProcess is.

    No process of its own: the SDK takes 2 s of a processor to import.
    """

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        its_input, ours = os.pipe()
        theirs, its_output = os.pipe()
        self._to = os.fdopen(ours, "w", encoding="utf-8")
        self._from = os.fdopen(theirs, encoding="utf-8")
        self._thread = threading.Thread(target=anyio.run, args=(_serve, tools, its_input, its_output))
        self._thread.start()

    def send(self, message: object) -> None:
        self._to.write(json.dumps(message) + "\n")
        self._to.flush()

    def receive(self) -> Any:
        line = self._from.readline()
        assert line, "the reference closed its output"
        return json.loads(line)

    def end(self) -> None:
        self._to.close()
        self._thread.join()
        self._from.close()


async def _serve(tools: Sequence[dict[str, Any]], its_input: int, its_output: int) -> None:
    listed = [types.Tool.model_validate(tool) for tool in tools]

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in [tool.name for tool in listed]:
            raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")
        text = "The capital of France is Paris."
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    server = Server(
        "reference", version="1", instructions="x", on_list_tools=list_tools, on_call_tool=call_tool
    )
    with (
        os.fdopen(its_input, encoding="utf-8") as lines_in,
        os.fdopen(its_output, "w", encoding="utf-8") as lines_out,
    ):
        files = anyio.wrap_file(lines_in), anyio.wrap_file(lines_out)
        async with stdio_server(*files) as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())
