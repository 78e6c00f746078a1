"""What a call of the local-models server costs beside the same request made directly, and other servers.

    python benchmarks/calls.py [--calls N] [--peers FOLDER] [--check]

All servers talk over stdin and stdout, to one stand-in for LiteLLM and Ollama that answers at once. Measured
are the first call, which is when servers import what calls need; the calls after it, one of each server in
turn, beside the same request made directly with http.client on a kept connection; and peak memory (VmHWM)
after the first call. Then two faults, each met by fresh servers: a backend that refuses connections, and one
that never answers, where time-outs are set to 2 s if there is a setting for it. The figure is the seconds
until the result comes; whether it is marked as an error is told beside it.

FOLDER has the other servers: `npm install --prefix FOLDER/npm ollama-mcp`, and of PyPI's packages virtual
environments that are called like them: mcp-ollama-vllm, ollama-handoff, local-delegate-mcp. What is not there
is left out.

`--check` fails unless, in this run, by medians,
- a call takes at most 5 times the direct request,
- a call costs over the direct request at most what the cheapest of the other servers costs,
- both faults are told as errors, the first within 5 s, the second within 2 s after its time-out.
"""

import argparse
import http.client
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MAX_TIMES_DIRECT = 5.0
MAX_REFUSED_S = 5.0
TIMEOUT_S = 2
MAX_HANGING_S = TIMEOUT_S + 2.0
PATIENCE_S = 15.0
PROMPT = "What is the capital of France?"
MODEL = "local-llama"
WORDS_OF_FAULTS = {"refused": "refuses connections", "hanging": "never answers"}
COUNTS = {"prompt_eval_count": 9, "eval_count": 2}


class Backend(BaseHTTPRequestHandler):
    """Answers every prompt at once, in the form that was asked for; a server of `Hanging` never does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List one model."""
        self._send({"data": [{"id": MODEL, "object": "model"}], "models": [{"name": MODEL, "model": MODEL}]})

    def do_POST(self) -> None:
        """Answer the prompt."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if isinstance(self.server, Hanging):
            self.server.over.wait(2 * PATIENCE_S)
        elif self.path == "/api/generate":
            self._send({"response": "Paris.", "done": True, "done_reason": "stop", **COUNTS})
        elif self.path == "/api/chat":
            message = {"role": "assistant", "content": "Paris."}
            self._send({"message": message, "done": True, "done_reason": "stop", **COUNTS})
        elif asked.get("stream"):
            choice = {"delta": {"content": "Paris."}, "finish_reason": "stop"}
            self._send_bytes(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n")
        else:
            message = {"role": "assistant", "content": "Paris."}
            self._send({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def _send(self, data: object) -> None:
        self._send_bytes(json.dumps(data).encode())

    def _send_bytes(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Hanging(ThreadingHTTPServer):
    """Takes every prompt and answers none."""

    daemon_threads = True
    over = threading.Event()


@dataclass(frozen=True)
class Contender:
    """A server, how it is told of its backend, and the call that it is asked for.

    In `variables` and `arguments` {url} stands for the backend; `own` is the server of this project.
    """

    name: str
    command: tuple[str, ...]
    tool: str
    arguments: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    own: bool = False

    @contextmanager
    def started(self, url: str, home: Path) -> Iterator["Running"]:
        """The server, its handshake done; it ends with the block."""
        command = list(self.command)
        if self.own:
            backend = {"name": "litellm", "kind": "litellm", "url": url, "timeout": TIMEOUT_S}
            config = Path(tempfile.mkdtemp(dir=home)) / "config.yaml"
            config.write_text(json.dumps({"backends": [backend], "embedded": {"enabled": False}}))
            command += ["--config", str(config), "--state", str(config.parent)]
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = {**kept, "HOME": str(home)}
        env |= {name: value.format(url=url) for name, value in self.variables.items()}
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=home,
            bufsize=0,
        ) as process:
            try:
                yield Running(process, self)
            finally:
                process.kill()


class Running:
    """A started server."""

    def __init__(self, process: "subprocess.Popen[bytes]", contender: Contender) -> None:
        self._process = process
        self._contender = contender
        assert process.stdout is not None
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(process.stdout, selectors.EVENT_READ)
        self._rest = b""
        self._number = 0
        client = {"name": "benchmark", "version": "1"}
        given = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self._ask("initialize", given)
        self._tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self) -> tuple[float, dict[str, Any] | None]:
        """The seconds that a call took, and its result; None when none came while patience lasted."""
        began = time.perf_counter()
        answer = self._ask(
            "tools/call", {"name": self._contender.tool, "arguments": self._contender.arguments}
        )
        return time.perf_counter() - began, None if answer is None else answer.get("result", answer)

    def peak_mb(self) -> float:
        """The most that the process has had in memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def _tell(self, message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        self._number += 1
        self._tell({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            line = self._line(deadline)
            with suppress(ValueError):  # some servers print other things, too
                message = json.loads(line)
                if message.get("id") == self._number and ("result" in message or "error" in message):
                    return dict(message)
        return None

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            if not self._waiting.select(max(0, deadline - time.monotonic())):
                return b""
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                raise SystemExit(f"{self._contender.name} ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def _contenders(peers: Path | None) -> list[Contender]:
    script = shutil.which("supervisor-mcp", path=str(Path(sys.executable).parent))
    if script is None:
        raise SystemExit("supervisor-mcp is not installed beside this Python: pip install .")
    found = [Contender("supervisor-mcp", (script,), "ask_local_llama", {"prompt": PROMPT}, own=True)]
    if peers is None:
        return found
    asked = {"model": MODEL, "prompt": PROMPT}
    handed = {"task": "Answer.", "input": PROMPT, "output_format": "text"}
    delegate = {"LOCAL_DELEGATE_BASE_URL": "{url}/v1", "LOCAL_DELEGATE_TIMEOUT": str(TIMEOUT_S)}
    delegate |= {f"LOCAL_DELEGATE_MODEL_{use}": MODEL for use in ("MECHANICAL", "LONG", "CODE")}
    others = [
        Contender(
            "ollama-mcp",
            (str(peers / "npm" / "node_modules" / ".bin" / "ollama-mcp"),),
            "ollama_generate",
            {**asked, "format": "markdown"},
            {"OLLAMA_HOST": "{url}"},
        ),
        Contender(
            "mcp-ollama-vllm",
            (str(peers / "mcp-ollama-vllm" / "bin" / "mcp-ollama-vllm"),),
            "local_ask",
            asked,
            {"LOCAL_HOST": "{url}", "LOCAL_TIMEOUT": str(TIMEOUT_S)},
        ),
        Contender(
            "ollama-handoff",
            (str(peers / "ollama-handoff" / "bin" / "ollama-handoff"),),
            "ask_local",
            asked,
            {"OLLAMA_URL": "{url}", "OLLAMA_TIMEOUT_S": str(TIMEOUT_S)},
        ),
        Contender(
            "local-delegate-mcp",
            (str(peers / "local-delegate-mcp" / "bin" / "local-delegate-mcp"),),
            "local_delegate",
            handed,
            delegate,
        ),
    ]
    return found + [one for one in others if Path(one.command[0]).exists()]


@dataclass
class Figures:
    """What was measured of one server, in milliseconds, MB and seconds."""

    first_ms: float = 0.0
    calls_ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    refused: tuple[float, str] = (0.0, "")
    hanging: tuple[float, str] = (0.0, "")

    @property
    def median_ms(self) -> float:
        return statistics.median(self.calls_ms)


def _direct(port: int) -> "http.client.HTTPConnection":
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    assert isinstance(connection.sock, socket.socket)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _ask_directly(connection: "http.client.HTTPConnection") -> float:
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True})
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    connection.getresponse().read()
    return (time.perf_counter() - began) * 1000


def _measure_calls(
    contenders: list[Contender], figures: dict[str, Figures], calls: int, home: Path
) -> list[float]:
    """Fill in the figures of the calls; gives the milliseconds of the direct requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    direct: list[float] = []
    with ExitStack() as stack:
        running = {
            one.name: stack.enter_context(one.started(f"http://127.0.0.1:{port}", home)) for one in contenders
        }
        for name, one in running.items():
            seconds, result = one.call()
            if result is None or _is_error(result) or "Paris" not in json.dumps(result):
                raise SystemExit(f"{name} did not pass the answer on: {result}")
            figures[name].first_ms = seconds * 1000
            figures[name].peak_mb = one.peak_mb()
        connection = _direct(port)
        for _ in range(calls):
            direct.append(_ask_directly(connection))
            for name, one in running.items():
                figures[name].calls_ms.append(one.call()[0] * 1000)
    server.shutdown()
    return direct


def _measure_faults(contenders: list[Contender], figures: dict[str, Figures], home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{probe.getsockname()[1]}"  # bound, and nobody listens
        for one in contenders:
            with one.started(refusing, home) as running:
                figures[one.name].refused = _told(*running.call())
    hanging = Hanging(("127.0.0.1", 0), Backend)
    threading.Thread(target=hanging.serve_forever, daemon=True).start()
    for one in contenders:
        with one.started(f"http://127.0.0.1:{hanging.server_address[1]}", home) as running:
            figures[one.name].hanging = _told(*running.call())
    hanging.over.set()
    hanging.shutdown()


def _is_error(result: dict[str, Any]) -> bool:
    return bool(result.get("isError")) or "content" not in result


def _told(seconds: float, result: dict[str, Any] | None) -> tuple[float, str]:
    """The seconds, and how the failure was told."""
    if result is None:
        return seconds, "nothing came"
    words = " ".join(str(block.get("text", "")) for block in result.get("content", [result]))
    return seconds, ("error: " if _is_error(result) else "AS A SUCCESS: ") + " ".join(words.split())


def _print_table(figures: dict[str, Figures], direct: list[float]) -> None:
    base = statistics.median(direct)
    print(f"the same request directly: {base:.2f} ms (least {min(direct):.2f})")
    heads = f"{'first ms':>9} {'call ms':>8} {'least':>7} {'x direct':>8} {'over it':>8} {'peak MB':>8}"
    print(f"{'server':20} {heads}")
    for name, one in figures.items():
        print(
            f"{name:20} {one.first_ms:9.1f} {one.median_ms:8.2f} {min(one.calls_ms):7.2f}"
            f" {one.median_ms / base:8.1f} {one.median_ms - base:+8.2f} {one.peak_mb:8.1f}"
        )
    for fault in ("refused", "hanging"):
        print(f"\nthe backend {WORDS_OF_FAULTS[fault]}: seconds until the result, and what it says")
        for name, one in figures.items():
            seconds, words = getattr(one, fault)
            print(f"{name:20} {seconds:6.2f}  {words[:150]}")


def _broken_budgets(figures: dict[str, Figures], direct: list[float]) -> list[str]:
    base = statistics.median(direct)
    ours = figures["supervisor-mcp"]
    limits = [
        ("ms a call, against the direct request", ours.median_ms, base * MAX_TIMES_DIRECT),
        ("s until a refusal is told", ours.refused[0], MAX_REFUSED_S),
        ("s until a time-out is told", ours.hanging[0], MAX_HANGING_S),
    ]
    peers = [one.median_ms for name, one in figures.items() if name != "supervisor-mcp"]
    if peers:
        limits.append(("ms a call, against the cheapest other", ours.median_ms, min(peers)))
    broken = [f"{what}: {value:.1f} > {limit:.1f}" for what, value, limit in limits if value > limit]
    untold = [words for _, words in (ours.refused, ours.hanging) if not words.startswith("error: ")]
    return broken + [f"a fault was not told as an error: {words}" for words in untold]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A call of supervisor-mcp beside other MCP servers.")
    parser.add_argument("--calls", type=int, default=200, help="calls of each server (default: 200)")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="where the other servers are installed")
    parser.add_argument("--check", action="store_true", help="exit 1 when a budget is exceeded")
    options = parser.parse_args()
    contenders = _contenders(options.peers)
    figures = {one.name: Figures() for one in contenders}
    with tempfile.TemporaryDirectory() as name:
        direct = _measure_calls(contenders, figures, options.calls, Path(name))
        _measure_faults(contenders, figures, Path(name))
    _print_table(figures, direct)
    broken = _broken_budgets(figures, direct) if options.check else []
    for line in broken:
        print(f"over budget: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
