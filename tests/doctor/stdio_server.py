"""An MCP server over standard input and output that misbehaves as it is told.

python stdio_server.py [die|mute|refuse|noise|glued|early-end|touch=PATH|version=V|long=N|...]
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

_WORDS = [word.partition("=") for word in sys.argv[1:]]
OPTIONS = {name: value for name, _, value in _WORDS}


def tools() -> list[dict[str, Any]]:
    """The tools, as the options want them."""
    tool = {
        "name": "plain",
        "description": "d" * int(OPTIONS.get("long", 1)),
        "inputSchema": {"type": "object"},
    }
    if "no-schema" in OPTIONS:
        del tool["inputSchema"]
    return [tool]


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request."""
    method = message["method"]
    if method == OPTIONS.get("error", "initialize" if "refuse" in OPTIONS else ""):
        return {
            "error": {
                "code": int(OPTIONS.get("code", -32000)),
                "message": f"no licence {os.environ.get('A_KEY')}",
            }
        }
    if method == "initialize":
        version = OPTIONS.get("version") or message["params"]["protocolVersion"]
        capabilities = {} if "no-tools" in OPTIONS else {"tools": {}}
        words = "i" * int(OPTIONS.get("instructions", 0))
        return {"result": {"protocolVersion": version, "capabilities": capabilities, "instructions": words}}
    if "pages" in OPTIONS and not message["params"].get("cursor"):
        return {"result": {"tools": tools(), "nextCursor": "more"}}
    return {"result": {"tools": tools()}}


def say(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Serve until the input ends."""
    if "touch" in OPTIONS:
        Path(OPTIONS["touch"]).write_text(
            json.dumps({**os.environ, "cwd": str(Path.cwd())}), encoding="utf-8"
        )
    if "die" in OPTIONS:
        sys.stderr.write(
            f'Traceback (most recent call last):\n  File "x"\nthe reason {os.environ.get("A_KEY")}\n'
        )
        return 3
    if "noise" in OPTIONS:
        say("Server listening on stdio\n")
    if "glued" in OPTIONS:
        say("loading... ")
    if "asks" in OPTIONS:
        say(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "roots/list"}) + "\n")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message and "mute" not in OPTIONS:
            say(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}) + "\n")
    if "ended" in OPTIONS:
        Path(OPTIONS["ended"]).write_text("by its input's end", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
