"""A server of models for tests: plays LiteLLM, Ollama or llama.cpp, and every way in which they fail."""

import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANG_SECONDS = 30.0
CHARS_PER_TOKEN = 4

LITELLM_UNKNOWN_MODEL = (
    "/chat/completions: Invalid model name passed in model={model}. "
    "Call `/v1/models` to view available models for your key."
)
LITELLM_CONTEXT = (
    "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: "
    "OpenAIException - request (30031 tokens) exceeds the available context size (8192 tokens), "
    "try increasing it"
)


@dataclass
class Seen:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeBackend:
    """What the server serves, what it was asked, and how it behaves when a model is asked.

    `pages` are further answers to GET, by path, each a status and bytes or JSON; they need no key. With
    `window` a model reads that many tokens of a prompt, its last ones, and says how many it read.
    """

    models: list[str] = field(default_factory=lambda: ["local-llama", "local-coder"])
    answer: "str | Callable[[str], str]" = "The capital of France is Paris."
    finish: str = "stop"
    key: str | None = None
    context_length: int | None = 131_072
    tokens: tuple[int, int] | None = None  # of prompt and answer; None: two for each word
    counts: bool = True  # whether it tells them
    thought: str = ""
    deployments: list[dict[str, Any]] | None = None  # /model/info of a LiteLLM; None: this key may not see it
    served_by: str = "openai"  # `owned_by` of the models
    extra: dict[str, Any] = field(default_factory=dict)  # what else a path answers, or does
    pages: dict[str, tuple[int, Any]] = field(default_factory=dict)
    window: int | None = None
    fault: "Callable[[Handler], None] | None" = None
    seen: list[Seen] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    scheme: str = "http"
    port: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[Seen]:
        return [request for request in self.seen if request.path == path]

    def say(self, body: Any) -> tuple[str, int, int]:
        """What the model answers to the prompt in `body`, and the tokens of the prompt and of the answer."""
        prompt = "\n".join(message["content"] for message in body["messages"])
        read = prompt if self.window is None else prompt[-CHARS_PER_TOKEN * self.window :]
        answer = self.answer if isinstance(self.answer, str) else self.answer(read)
        prompt_tokens, answer_tokens = self.tokens or (2 * len(read.split()), 2 * len(answer.split()))
        if self.window is not None:
            prompt_tokens = len(read) // CHARS_PER_TOKEN
        return answer, prompt_tokens, answer_tokens


class Handler(BaseHTTPRequestHandler):
    """Answers as the real servers were seen to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as the real servers do; else kept connections wait for each other
    server: "FakeServer"
    backend: FakeBackend
    body: Any = None

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""

    def setup(self) -> None:
        self.backend = self.server.backend
        self.backend.connections += 1
        super().setup()

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def send_json(self, status: int, data: object) -> None:
        self.send_bytes(status, json.dumps(data).encode())

    def send_bytes(self, status: int, data: bytes, *, claimed: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if claimed is None else claimed))
        self.end_headers()
        self.wfile.write(data)

    def send_completion(self, *, stream: bool) -> None:
        """The backend's answer, whole or in the events of a stream."""
        backend = self.backend
        answer, prompt_tokens, answer_tokens = backend.say(self.body)
        usage = (
            {"prompt_tokens": prompt_tokens, "completion_tokens": answer_tokens} if backend.counts else None
        )
        if not stream:
            message = {"role": "assistant", "content": answer}
            choice = {"finish_reason": backend.finish, "message": message}
            self.send_json(200, {"choices": [choice], "usage": usage})
            return
        half = len(answer) // 2
        deltas = [
            {"role": "assistant"},
            *([{"reasoning_content": backend.thought}] if backend.thought else []),
            {"content": answer[:half]},
            {"content": answer[half:]},
        ]
        choices = [{"delta": delta, "finish_reason": None} for delta in deltas]
        events = [
            {"choices": [choice]} for choice in [*choices, {"delta": {}, "finish_reason": backend.finish}]
        ]
        if usage:
            events.append({"choices": [], "usage": usage})
        self.send_bytes(200, b"".join(map(event, events)) + b"data: [DONE]\n\n")

    def send_ollama_answer(self) -> None:
        """The backend's answer in Ollama's lines."""
        backend = self.backend
        answer, prompt_tokens, answer_tokens = backend.say(self.body)
        half = len(answer) // 2
        messages = [{"content": answer[:half]}, {"content": answer[half:]}]
        if backend.thought:
            messages.insert(0, {"content": "", "thinking": backend.thought})
        lines: list[dict[str, Any]] = [{"message": message, "done": False} for message in messages]
        counts = {"prompt_eval_count": prompt_tokens, "eval_count": answer_tokens} if backend.counts else {}
        last = {"message": {"content": ""}, "done": True, "done_reason": backend.finish, **counts}
        self.send_bytes(200, b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, last]))

    def send_pieces(self, *pieces: bytes, pause: float = 0.0) -> None:
        """A chunked reply, piece by piece, without its end."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self._send_chunk(piece)
            time.sleep(pause)

    def send_pieces_on(self, *pieces: bytes) -> None:
        """More of a chunked reply, and its end."""
        for piece in (*pieces, b""):
            self._send_chunk(piece)

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def wait_for_disconnect(self, seconds: float = HANG_SECONDS) -> bool:
        """Sleep until the client goes away, and note that it did; False when it stayed so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            peek = 0 if isinstance(self.connection, ssl.SSLSocket) else socket.MSG_PEEK
            if readable and not self.connection.recv(1, peek):
                self.backend.disconnected.set()
                self.close_connection = True
                return True
        return False

    def _serve(self, body: Any) -> None:
        # A request belongs to the backend that it found, a connection may outlive it.
        backend = self.backend = self.server.backend
        backend.seen.append(
            Seen(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
        )
        backend.reached.set()
        self.body = body
        with suppress(ConnectionError):
            if self.path in ("/v1/chat/completions", "/api/chat") and backend.fault is not None:
                backend.fault(self)
            elif callable(extra := backend.extra.get(self.path)):
                extra(self)
            elif extra is not None:
                self.send_json(200, extra)
            elif body is None and self.path in backend.pages:
                status, page = backend.pages[self.path]
                self.send_bytes(status, page if isinstance(page, bytes) else json.dumps(page).encode())
            elif not self._refuse_key():
                self._route(body)

    def _refuse_key(self) -> bool:
        given = self.headers.get("Authorization")
        if self.backend.key is None or given == f"Bearer {self.backend.key}":
            return False
        if given is None:
            self.send_bytes(500, b"Internal Server Error")
        else:
            error = {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}
            self.send_json(400, {"error": error})
        return True

    def _route(self, body: Any) -> None:
        backend = self.backend
        if self.path == "/v1/models" and backend.models is None:
            self.send_json(500, {"detail": "Internal Server Error"})
        elif self.path == "/v1/models":
            models = [{"id": name, "owned_by": backend.served_by} for name in backend.models]
            self.send_json(200, {"data": models})
        elif self.path == "/model/info" and backend.deployments is not None:
            self.send_json(200, {"data": backend.deployments})
        elif self.path in ("/api/tags", "/api/ps"):
            names = backend.models if self.path == "/api/tags" else backend.models[:1]
            self.send_json(200, {"models": [{"name": name} for name in names]})
        elif body is None:
            self.send_json(404, {"detail": "Not Found"})
        elif self.path.startswith("/api/") and body["model"] not in backend.models:
            self.send_json(404, {"error": f"model '{body['model']}' not found"})
        elif self.path == "/api/show" and backend.context_length is None:
            self.send_json(404, {"error": "not here"})
        elif self.path == "/api/show":
            self.send_json(200, {"model_info": {"llama.context_length": backend.context_length}})
        elif self.path == "/api/chat":
            self.send_ollama_answer()
        elif self.path != "/v1/chat/completions":
            self.send_json(404, {"detail": "Not Found"})
        elif body["model"] not in backend.models:
            text = LITELLM_UNKNOWN_MODEL.format(model=body["model"])
            self.send_json(400, {"error": {"message": text, "type": "invalid_request_error"}})
        else:
            self.send_completion(stream=body["stream"])


def event(data: object) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


class FakeServer(ThreadingHTTPServer):
    """Runs a FakeBackend on the loopback, on a free port if none is given.

    Another one may take its place: new requests are its, the ones that still run are not.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, backend: FakeBackend, port: int = 0, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.backend = backend
        super().__init__(("127.0.0.1", port), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            backend.scheme = "https"
        backend.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def replace(self, backend: FakeBackend) -> FakeBackend:
        """Put `backend` in the place of the one that is served."""
        backend.scheme, backend.port = self.backend.scheme, self.backend.port
        self.backend = backend
        return backend

    def handle_error(self, *_arguments: object) -> None:
        """A client that goes away in the middle is what some tests are about."""


def litellm(backend: FakeBackend, **keys: Any) -> dict[str, Any]:
    """A config entry for `backend` as a LiteLLM proxy."""
    return {"name": "litellm", "kind": "litellm", "url": backend.url, **keys}


def ollama(backend: FakeBackend, **keys: Any) -> dict[str, Any]:
    """A config entry for `backend` as an Ollama server."""
    return {"name": "ollama", "kind": "ollama", "url": backend.url, **keys}


def openai(backend: FakeBackend, **keys: Any) -> dict[str, Any]:
    """A config entry for `backend` as a plain OpenAI-compatible server."""
    return {"name": "llama-swap", "kind": "openai", "url": backend.url, **keys}


def deployment(name: str, api_base: str | None, model: str = "openai/x", **info: Any) -> dict[str, Any]:
    """One entry of LiteLLM's /model/info."""
    params = {"model": model, **({"api_base": api_base} if api_base else {})}
    return {"model_name": name, "litellm_params": params, "model_info": info}


def hang(handler: Handler) -> None:
    handler.wait_for_disconnect()


def refuse_with(status: int, message: str) -> Callable[[Handler], None]:
    return lambda handler: handler.send_json(status, {"error": {"message": message}})


def say_raw(data: bytes) -> Callable[[Handler], None]:
    return lambda handler: handler.send_bytes(200, data)


def cut_in_the_middle(handler: Handler) -> None:
    handler.send_bytes(200, b'{"choices": [{"mess', claimed=5000)
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def slow(seconds: float) -> Callable[[Handler], None]:
    def fault(handler: Handler) -> None:
        time.sleep(seconds)
        handler.send_completion(stream=True)

    return fault


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
