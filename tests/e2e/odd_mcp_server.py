"""An MCP server over standard input and output that misbehaves as it is told.

python odd_mcp_server.py [noise|refuse|refuse-list|no-schema|version=V|start=S|sleep=S|size=N]
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any


def _answer(options: Mapping[str, str], message: Mapping[str, Any]) -> dict[str, Any]:
    method = message["method"]
    if method == "initialize" and "refuse" not in options:
        version = options.get("version") or message["params"]["protocolVersion"]
        about = {"serverInfo": {"name": "odd", "version": "1"}, "capabilities": {"tools": {}}}
        return {"result": {"protocolVersion": version, **about}}
    if method == "tools/list" and "refuse-list" not in options:
        schema = {} if "no-schema" in options else {"inputSchema": {"type": "object", "properties": {}}}
        return {
            "result": {
                "tools": [
                    {"name": "plain", "description": "d", "annotations": {"readOnlyHint": True}, **schema}
                ]
            }
        }
    if method == "tools/call":
        time.sleep(float(options.get("sleep", 0)))
        return {"result": {"content": [{"type": "text", "text": "x" * int(options.get("size", 1))}]}}
    code = -32000 if method in ("initialize", "tools/list") else -32601
    return {"error": {"code": code, "message": "no licence"}}


def main(arguments: list[str]) -> int:
    """Serve until standard input ends, one request after the other."""
    options = {name: value for name, _, value in (word.partition("=") for word in arguments)}
    time.sleep(float(options.get("start", 0)))
    if "noise" in options:
        sys.stdout.write("Server listening on stdio\n")
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            answer = {"jsonrpc": "2.0", "id": message["id"], **_answer(options, message)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
