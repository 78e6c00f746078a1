"""A scripted stand-in for the Messages API: it says what a test wrote down and records what the client sent.

A conversation is known by the marker that `planted` puts into its first user message; its turn is the number
of assistant messages that the client sends back. Both survive parallel subagents and retried requests.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self
from urllib.parse import urlsplit

from .wire import MessagesRequest, OtherRequest, marker_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One assistant message: its content blocks, and what made it stop."""

    blocks: tuple[Json, ...]

    @property
    def stop_reason(self) -> str:
        """`tool_use` when the client is to run something, `end_turn` otherwise."""
        return "tool_use" if any(block["type"] == "tool_use" for block in self.blocks) else "end_turn"


TurnMaker = Turn | Callable[[MessagesRequest], Turn]


def text(words: str) -> Turn:
    """The model says `words` and stops."""
    return Turn(({"type": "text", "text": words},))


def tool_use(name: str, /, **arguments: Any) -> Turn:
    """The model calls the tool `name`."""
    return Turn(({"type": "tool_use", "name": name, "input": arguments},))


def at_once(*turns: TurnMaker) -> TurnMaker:
    """Several turns as one message, so that their tools run side by side."""

    def make(request: MessagesRequest) -> Turn:
        return Turn(tuple(block for turn in turns for block in _made(turn, request).blocks))

    return make


def delegate(agent: str, conversation: str, task: str = "Do your work.") -> TurnMaker:
    """The model hands `task` to the subagent type `agent`, whose own script is `conversation`.

    The tool's name is read off the request, because it was Task in older clients and is Agent now.
    """

    def make(request: MessagesRequest) -> Turn:
        return tool_use(
            request.delegation_tool(),
            description=f"run {agent}",
            subagent_type=agent,
            prompt=planted(conversation, task),
            run_in_background=False,  # the newer client would answer at once and notify some turns later
        )

    return make


def planted(conversation: str, words: str) -> str:
    """A prompt that the stand-in knows its conversation by."""
    return f"{words} {marker_of(conversation)}"


def _made(turn: TurnMaker, request: MessagesRequest) -> Turn:
    return turn if isinstance(turn, Turn) else turn(request)


@dataclass(slots=True)
class MessagesApi:
    """The server: start it with `with`, script conversations, run the client, read what it sent."""

    requests: list[MessagesRequest] = field(default_factory=list)
    others: list[OtherRequest] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    unknown_models: set[str] = field(default_factory=set)
    """Models for which the API answers 404; such requests are recorded, and have no turn."""
    _scripts: dict[str, tuple[TurnMaker, ...]] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        server.daemon_threads = True
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), name="messages-api", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What ANTHROPIC_BASE_URL is set to."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, conversation: str, turns: Sequence[TurnMaker]) -> None:
        """Say what the model answers in `conversation`, turn by turn."""
        self._scripts[conversation] = tuple(turns)

    def of(self, conversation: str) -> list[MessagesRequest]:
        """The requests of one conversation, in the order in which they came."""
        return [request for request in self.requests if request.conversation == conversation]

    def first(self, conversation: str) -> MessagesRequest:
        """The request that opened `conversation`; fails with the conversations that there were."""
        found = self.of(conversation)
        if not found:
            seen = sorted({str(request.conversation) for request in self.requests})
            raise AssertionError(f"no request of the conversation {conversation!r} came; seen: {seen}")
        return found[0]

    def last(self, conversation: str) -> MessagesRequest:
        """The newest request of `conversation`: it carries every tool result before it."""
        self.first(conversation)
        return self.of(conversation)[-1]

    def check(self) -> None:
        """Fail when a turn came that nobody scripted, or when the client wanted to leave the machine."""
        escapes = [f"tried to reach {other.path}" for other in self.others if other.method == "CONNECT"]
        problems = [*self.surprises, *escapes]
        assert not problems, f"{problems}\n{self.summary()}"

    def summary(self) -> str:
        """One line per request, for a failed test's report."""
        calls = [f"{r.conversation or '-'} turn {r.turn}: {r.model}, {r.size} bytes" for r in self.requests]
        return "\n".join((*calls, *(f"{other.method} {other.path}" for other in self.others)))

    def answer(self, request: MessagesRequest) -> Json:
        """Record `request` and give the scripted message, with an id of its own."""
        with self._lock:
            self.requests.append(request)
            number = next(self._ids)
            turn = self._turn_for(request)
        return {
            "id": f"msg_scripted_{number:06}",
            "type": "message",
            "role": "assistant",
            "model": request.model,
            "content": [_with_id(block, number, index) for index, block in enumerate(turn.blocks)],
            "stop_reason": turn.stop_reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": request.size // 4,
                "output_tokens": 10,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
        }

    def _turn_for(self, request: MessagesRequest) -> Turn:
        if request.conversation is None:
            return text("nothing planted here")
        script = self._scripts.get(request.conversation, ())
        if request.turn >= len(script):
            self.surprises.append(f"{request.conversation}: no turn {request.turn} was scripted")
            return text("the script has ended")
        return _made(script[request.turn], request)


def _with_id(block: Json, number: int, index: int) -> Json:
    if block["type"] != "tool_use":
        return block
    return {**block, "id": f"toolu_scripted_{number:06}_{index}"}


def _events(message: Json) -> list[Json]:
    """`message` as the events of a streamed answer."""
    opening = {**message, "content": [], "stop_reason": None}
    events: list[Json] = [{"type": "message_start", "message": opening}]
    for index, block in enumerate(message["content"]):
        start: Json
        delta: Json
        if block["type"] == "text":
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": message["usage"]})
    events.append({"type": "message_stop"})
    return events


def _handler_for(api: MessagesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = urlsplit(self.path).path
            if path == "/v1/messages/count_tokens":
                self._record(raw)
                self._json(HTTPStatus.OK, {"input_tokens": len(raw) // 4})
            elif path == "/v1/messages":
                request = MessagesRequest.parse(dict(self.headers.items()), raw)
                if request.model in api.unknown_models:
                    api.requests.append(request)
                    self._error(f"model: {request.model}")
                    return
                message = api.answer(request)
                if request.body.get("stream"):
                    self._stream(_events(message))
                else:
                    self._json(HTTPStatus.OK, message)
            else:
                self._not_found(raw)

        def do_GET(self) -> None:
            self._not_found(b"")

        def do_HEAD(self) -> None:
            self._record(b"")
            self.send_response(HTTPStatus.OK)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_CONNECT(self) -> None:
            """The client takes this for its HTTPS proxy: whatever comes here wanted to leave the machine."""
            self._record(b"")
            self.send_error(HTTPStatus.FORBIDDEN)

        def _not_found(self, raw: bytes) -> None:
            self._record(raw)
            self._error(self.path)

        def _error(self, message: str) -> None:
            error = {"type": "not_found_error", "message": message}
            self._json(HTTPStatus.NOT_FOUND, {"type": "error", "error": error})

        def _record(self, raw: bytes) -> None:
            api.others.append(OtherRequest(self.command, self.path, raw))

        def _json(self, status: HTTPStatus, payload: Mapping[str, Any]) -> None:
            body = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, events: Sequence[Json]) -> None:
            lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
            body = "".join(lines).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output to the test's own words."""

    return Handler
