"""The real server as a process, spoken to in raw lines."""

import json
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "supervisor_mcp"]
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


class ServerProcess:
    """A running server: send messages, receive messages, see how it ends."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self.stderr = b""
        self._readers = [threading.Thread(target=self._read_out), threading.Thread(target=self._read_err)]
        for reader in self._readers:
            reader.start()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read()

    def send_raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: object) -> None:
        self.send_raw(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float = 30.0) -> Any:
        line = self.lines.get(timeout=seconds)
        assert line is not None, "the server closed its output"
        return json.loads(line)

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing arrives for a while."""
        time.sleep(seconds)
        return self.lines.empty()

    def ask(self, method: str, params: dict[str, Any] | None = None, request_id: object = 1) -> Any:
        """Send a request and receive the next message."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)
        return self.receive()

    def initialize(self, version: str = "2025-11-25") -> Any:
        answer = self.ask("initialize", initialize_params(version), request_id="init")
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool: str, arguments: dict[str, Any], request_id: object = 1) -> dict[str, Any]:
        """The result of a tool call; fails the test when the answer is a protocol error."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments}, request_id)
        assert answer["id"] == request_id, answer
        result: dict[str, Any] = answer["result"]
        return result

    def end(self) -> tuple[int, float]:
        """Close stdin; the exit code and the seconds that it took."""
        assert self.process.stdin is not None
        began = time.monotonic()
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            code = self.process.wait(timeout=10)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()
        return code, time.monotonic() - began


def initialize_params(version: str) -> dict[str, Any]:
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def text_of(result: dict[str, Any]) -> str:
    """The text of a tool result, which must be one plain text and nothing else."""
    assert "structuredContent" not in result
    (content,) = result["content"]
    assert content["type"] == "text"
    return str(content["text"])


def said(text: str) -> str:
    """What a model said: a result without its last line, which tells model, backend, tokens and seconds."""
    last = re.search(r"\n+\[[^\[\]\n]+ on [^\[\]\n]+ · \d+\.\d s\]$", text)
    assert last is not None, text
    return text[: last.start()]


def write_config(folder: Path, config: dict[str, Any]) -> Path:
    """A config.yaml (JSON is YAML) in `folder`."""
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path
