"""An MCP server over standard input and output with one tool per fact that the tests look at.

    python tiny_mcp_server.py NAME [--die]

With `--die` it writes its reason to standard error and exits before it says anything.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

LINES = "first line\nsecond line"
LONG_CHARS = 6000
LONG_INSTRUCTIONS = f"Instructions of eager. {'i' * LONG_CHARS}"
BIG_BYTES = 195_000
SLEEP_S = 0.4

_OUTPUT_LOCK = threading.Lock()


def _tool(name: str, description: str, **extra: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": {}},
        **extra,
    }


def _tools(server: str) -> list[dict[str, Any]]:
    result_schema = {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]}
    return [
        _tool("plain", f"Description of plain on {server}."),
        _tool("structured", "Gives structured content beside the text.", outputSchema=result_schema),
        _tool("long", "d" * LONG_CHARS),
        _tool("big", "Gives more than fits."),
        _tool("surroundings", "Says what the server sees."),
        _tool("nap_reading", "Sleeps.", annotations={"readOnlyHint": True}),
        _tool("nap_writing", "Sleeps."),
    ]


def _text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def _nap() -> dict[str, Any]:
    begun = time.monotonic()
    time.sleep(SLEEP_S)
    return _text(json.dumps([begun, time.monotonic()]))


def _surroundings() -> dict[str, Any]:
    seen = {
        "cwd": str(Path.cwd()),
        "project": os.environ.get("CLAUDE_PROJECT_DIR"),
        "key": os.environ.get("ANTHROPIC_API_KEY"),
        "set": os.environ.get("TINY_SET"),
        "unset": os.environ.get("TINY_UNSET"),
    }
    return _text(json.dumps(seen))


def _call(name: str) -> dict[str, Any]:
    if name == "structured":
        return {**_text(LINES), "structuredContent": {"result": LINES}}
    if name == "big":
        return _text(("x" * 99 + "\n") * (BIG_BYTES // 100))
    if name == "surroundings":
        return _surroundings()
    if name.startswith("nap_"):
        return _nap()
    return _text(LINES)


def _answer(server: str, message: dict[str, Any]) -> dict[str, Any] | None:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": server, "version": "1"},
            "instructions": LONG_INSTRUCTIONS if server == "eager" else f"Instructions of {server}.",
        }
    if method == "tools/list":
        return {"tools": _tools(server)}
    if method == "tools/call":
        return _call(params["name"])
    return {} if method == "ping" else None


def _serve(server: str, message: dict[str, Any]) -> None:
    result = _answer(server, message)
    if result is None:
        body: dict[str, Any] = {"error": {"code": -32601, "message": "not served"}}
    else:
        body = {"result": result}
    with _OUTPUT_LOCK:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}) + "\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Serve until standard input ends; every request in a thread of its own, so that naps can overlap."""
    if "--die" in arguments:
        sys.stderr.write("the reason that nobody sees\n")
        return 1
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            threading.Thread(target=_serve, args=(arguments[0], message)).start()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
