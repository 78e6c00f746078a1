"""The real server over HTTP as a process, and a client that sends whatever a test wants sent."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from server_process import COMMAND, MODERN_META, initialize_params, write_config

MODERN_HEADERS = {"MCP-Protocol-Version": "2026-07-28"}
_ACCEPTED = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class Reply:
    """An answer: `status`, `headers` by small name, `body`, and the messages in it.

    `on_line` is given each line of the body as it comes.
    """

    def __init__(
        self, response: http.client.HTTPResponse, on_line: Callable[[bytes], None] | None = None
    ) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = b""
        if on_line is not None:
            for line in response:
                self.body += line
                on_line(line)
        else:
            self.body = response.read()

    @property
    def messages(self) -> list[Any]:
        """The JSON-RPC messages of the answer, of a stream or alone."""
        if "text/event-stream" not in self.headers.get("content-type", ""):
            return [json.loads(self.body)] if self.body else []
        return [json.loads(line[6:]) for line in self.body.splitlines() if line.startswith(b"data: ")]

    @property
    def result(self) -> Any:
        """The result in the last message."""
        return self.messages[-1]["result"]


class HttpServer:
    """A server on a free port of the loopback."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        listen: str = "0",
        command: list[str] = COMMAND,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        given = () if config is None else ("--config", str(write_config(folder, dict(config))))
        self.state = folder / "state"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--http", listen, "--state", str(self.state), *given, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self.said: list[str] = []
        self.port = self._wait()

    @property
    def token(self) -> str:
        return (self.state / "http-token").read_text(encoding="utf-8").strip()

    def request(
        self,
        body: bytes | object = b"",
        headers: Mapping[str, str | None] | None = None,
        *,
        method: str = "POST",
        path: str = "/mcp",
        seconds: float = 30,
        on_line: Callable[[bytes], None] | None = None,
    ) -> Reply:
        """Send one request with the token; a header of None is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            all_headers = {**_ACCEPTED, "Authorization": f"Bearer {self.token}", **(headers or {})}
            kept = {name: value for name, value in all_headers.items() if value is not None}
            connection.request(method, path, data, kept)
            return Reply(connection.getresponse(), on_line)
        finally:
            connection.close()

    def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, request_id: object = 1, **named: Any
    ) -> Reply:
        """Send a JSON-RPC request."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        return self.request(message if params is None else {**message, "params": params}, **named)

    def call(self, tool: str = "ask_local_llama", request_id: object = 1, **named: Any) -> Reply:
        """Call a tool with a prompt."""
        return self.ask("tools/call", call_params(tool), request_id=request_id, **named)

    def session(self) -> dict[str, str]:
        """The headers of a client that has said hello."""
        reply = self.ask("initialize", initialize_params("2025-11-25"), request_id="init")
        return {"Mcp-Session-Id": reply.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}

    def end(self, number: int = signal.SIGTERM, seconds: float = 40) -> tuple[int, float]:
        """Tell it to stop; the exit code and the seconds that it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, rest = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
            self.process.wait()
        self.said += rest.decode().splitlines()
        return self.process.returncode, time.monotonic() - began

    def _wait(self) -> int:
        """The port, once it listens; 0 when it has ended instead."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.decode().rstrip())
            found = re.search(r"serves MCP at http://\S+:(\d+)/mcp", self.said[-1])
            if found:
                return int(found[1])
        return 0


def call_params(tool: str = "ask_local_llama", **meta: Any) -> dict[str, Any]:
    """The parameters of a call with a prompt."""
    params: dict[str, Any] = {"name": tool, "arguments": {"prompt": "What is the capital of France?"}}
    return {**params, "_meta": meta} if meta else params


def as_modern(method: str, params: Mapping[str, Any] | None = None) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the parameters of a request of the revision without a handshake."""
    headers = {**MODERN_HEADERS, "Mcp-Method": method}
    if params and "name" in params:
        headers["Mcp-Name"] = str(params["name"])
    return headers, {**(params or {}), "_meta": {**MODERN_META, **(params or {}).get("_meta", {})}}


def modern(server: HttpServer, method: str, params: Mapping[str, Any] | None = None, **named: Any) -> Reply:
    """A request of the revision without a handshake, with the headers that it wants."""
    headers, all_params = as_modern(method, params)
    return server.ask(method, all_params, headers=headers, **named)


def impatient(**seconds: float) -> list[str]:
    """A server whose time limits are these: `impatient(HEAD_SECONDS=0.3)`."""
    return patched({f"supervisor_mcp.web.{name}": seconds for name in ("gate", "listener")})


def patched(values: Mapping[str, Mapping[str, object]]) -> list[str]:
    """A server some of whose modules' values are others."""
    lines = ["import importlib, sys", "from supervisor_mcp import server"]
    for module, changes in values.items():
        lines += [f"module = importlib.import_module({module!r})"]
        lines += [f"module.{name} = {value!r}" for name, value in changes.items()]
    lines += ["sys.exit(server.main())"]
    return [sys.executable, "-c", "\n".join(lines)]
