"""A server on the official SDK with the same tools, to hold ours against; the tools are its argument."""

import json
import sys
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

TOOLS = [types.Tool.model_validate(tool) for tool in json.loads(sys.argv[1])]


async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name not in [tool.name for tool in TOOLS]:
        raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")
    text = "The capital of France is Paris."
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def main() -> None:
    server = Server(
        "reference", version="1", instructions="x", on_list_tools=list_tools, on_call_tool=call_tool
    )
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


anyio.run(main)
