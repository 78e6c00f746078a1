"""The local-models server over HTTP: how long it takes to start, and what a call costs on the way.

    python benchmarks/server_http.py [CALLS]

Each call is made in turn directly to a stand-in for LiteLLM, through the server over stdin and stdout, and
through the server over HTTP in both eras of the protocol, over connections that are kept.
"""

import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STARTS = 5
PROMPT = "What is the capital of France?"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
COMMAND = [sys.executable, "-m", "supervisor_mcp"]


class Model(BaseHTTPRequestHandler):
    """Answers every prompt at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List one model."""
        self._send(b'{"data": [{"id": "local-llama"}]}')

    def do_POST(self) -> None:
        """Answer, in the form that was asked for."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked.get("stream"):
            delta = {"choices": [{"delta": {"content": "Paris."}, "finish_reason": "stop"}]}
            self._send(b"data: " + json.dumps(delta).encode() + b"\n\ndata: [DONE]\n\n")
        else:
            self._send(b'{"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}')

    def _send(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def started(folder: Path, config: Path) -> tuple[subprocess.Popen[bytes], int, float]:
    """A server over HTTP, its port, and the milliseconds from spawn to the first answered request."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "--http", "0", "--state", str(folder), "--config", str(config)], stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    found = re.search(rb"http://\S+:(\d+)/mcp", process.stderr.readline())
    assert found is not None
    post(int(found[1]), folder, "tools/list", {})()
    return process, int(found[1]), (time.perf_counter() - began) * 1000


def post(
    port: int, folder: Path, method: str, params: dict[str, object], *, modern: bool = False
) -> Callable[[], None]:
    """Makes one request each time it is called, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {
        "Authorization": f"Bearer {(folder / 'http-token').read_text().strip()}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    if modern:
        headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        headers |= {"Mcp-Name": str(params["name"])} if "name" in params else {}
        params = {**params, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    def run() -> None:
        connection.request("POST", "/mcp", body, headers)
        answer = connection.getresponse().read()
        assert b'"result"' in answer, answer
        assert b'"isError":true' not in answer, answer

    return run


def over_stdio(config: Path, folder: Path) -> tuple[subprocess.Popen[bytes], Callable[[], None]]:
    """A server over stdin and stdout, and what makes one call of it."""
    process = subprocess.Popen(
        [*COMMAND, "--state", str(folder), "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    call = {"name": "ask_local_llama", "arguments": {"prompt": PROMPT}, "_meta": META}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode() + b"\n"

    def run() -> None:
        process.stdin.write(line)
        process.stdin.flush()
        assert b'"isError":false' in process.stdout.readline()

    return process, run


def directly(port: int) -> Callable[[], None]:
    """Makes the same request of the model without a server between, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps(
        {"model": "local-llama", "messages": [{"role": "user", "content": PROMPT}], "stream": True}
    )

    def run() -> None:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()

    return run


def resident_mb(pid: int) -> float:
    """What the process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main(calls: int) -> None:
    """Measure and print."""
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.yaml"
        backend = {"name": "litellm", "kind": "litellm", "url": f"http://127.0.0.1:{model.server_address[1]}"}
        config.write_text(json.dumps({"backends": [backend]}), encoding="utf-8")
        starts = []
        for _ in range(STARTS):
            process, port, milliseconds = started(folder, config)
            starts.append(milliseconds)
            process.terminate()
            process.wait()
        process, port, _ = started(folder, config)
        stdio, call_stdio = over_stdio(config, folder / "stdio")
        call: dict[str, object] = {"name": "ask_local_llama", "arguments": {"prompt": PROMPT}}
        ways = {
            "directly": directly(model.server_address[1]),
            "over stdin and stdout": call_stdio,
            "over HTTP, with a handshake": post(port, folder, "tools/call", call),
            "over HTTP, 2026-07-28": post(port, folder, "tools/call", call, modern=True),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(calls + 10):
            for way, run in ways.items():
                began = time.perf_counter()
                run()
                if number >= 10:  # the first ones import what calls need
                    times[way].append((time.perf_counter() - began) * 1000)
        print(f"spawn to the first answer: {statistics.median(starts):.0f} ms (least {min(starts):.0f})")
        print(f"resident after the calls: {resident_mb(process.pid):.0f} MB")
        base = statistics.median(times["directly"])
        for way, found in times.items():
            middle = statistics.median(found)
            print(f"{way}: {middle:.2f} ms (least {min(found):.2f}), {middle - base:+.2f} ms")
        process.terminate()
        stdio.kill()
        process.wait()
        stdio.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
