"""A stand-in for the paid API on loopback: Messages, count_tokens and Message Batches, scripted and counted.

    with PaidApi() as api:
        env = {"SUPERVISOR_ANTHROPIC_API_KEY": api.key, "SUPERVISOR_ANTHROPIC_BASE_URL": api.url}
        api.next(overloaded(), rate_limited("0.1"))  # for the requests that come next, in this order
        api.behave = lambda asked: refusal() if "poem" in asked.prompt else None  # for those that it picks
        …
        assert not api.paid_twice()
        assert len(api.billed()) == 50
        assert api.spent(PRICES) <= 2_000_000  # micro-dollars

Without a script each message fits the schema that was asked for (`filled`). The API refuses what the real one
refuses (`paid_rules`). A test that wants calls to be in flight clears `api.open`, waits with
`api.wait_in_flight(n)`, and sets it again. `api.hook("create", function)` runs a function of the test at an
instant of a request: "begin" before anything is done, "billed" when the work is done and nothing was sent.
Of batches: `api.batches` (`seconds`, `outcome`, `end`, `all`).
"""

import hashlib
import json
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from filled import filled_json
from paid_batches import Batch, Batches
from paid_behaviour import GOOD, Behaviour, bad_request, unauthorized, unknown_model
from paid_rules import Json, bill, cached_prefix, fault_of, input_tokens, schema_of, usage

from supervisor_setup import assets

KEY = "sk-ant-key-of-the-tests"
PRICES: Json = json.loads((assets.templates() / "prices.json").read_bytes())
"""What the product reckons with."""
MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-sonnet-5", "claude-haiku-5-5", "claude-haiku-4-5")


@dataclass(slots=True)
class Asked:
    """One request for a message, alone or in a batch, and what became of it. Times are monotonic seconds."""

    body: Json
    headers: dict[str, str]
    began: float
    behaviour: Behaviour = GOOD
    message: Json | None = None
    batch: str | None = None
    ended: float | None = None
    """When the whole answer had been handed to the network; None: it never was."""

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        text = json.dumps(self.body, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def prompt(self) -> str:
        """The text of the user's last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "\n".join(block["text"] for block in content)

    @property
    def message_id(self) -> str | None:
        """The id of the message that was made, which is billed; None when none was."""
        return None if self.message is None else self.message["id"]


@dataclass(slots=True)
class PaidApi:
    """The server: start it with `with`. `latency` is the seconds that a message takes."""

    latency: float = 0.0
    key: str = KEY
    further_keys: tuple[str, ...] = ()
    """Other keys that are good too: by them a test tells one process's requests from another's."""
    models: tuple[str, ...] = MODELS
    behave: Callable[[Asked], Behaviour | None] = lambda _asked: None
    open: threading.Event = field(default_factory=threading.Event)
    asked: list[Asked] = field(default_factory=list)
    counted: list[Json] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """Requests by method and path: `POST /v1/messages/batches`, `GET /v1/messages/batches/:id`."""
    in_flight: int = 0
    most_in_flight: int = 0
    batches: Batches = field(init=False)
    _next: deque[Behaviour] = field(default_factory=deque)
    _hooks: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    _prefixes: set[str] = field(default_factory=set)
    _made: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _server: "_Server | None" = None

    def __post_init__(self) -> None:
        self.batches = Batches(finish=self._finish_batched)
        self.open.set()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="paid-api", daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What the base url is set to."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next(self, *behaviours: Behaviour) -> None:
        """The next requests for a message are answered so, before `behave` is asked."""
        self._next.extend(behaviours)

    def hook(self, what: str, when: str, function: Callable[[], None]) -> None:
        """Run `function` once, when the next `message` or `create` (of a batch) begins or is `billed`."""
        self._hooks[(what, when)] = function

    def billed(self) -> list[Asked]:
        """The requests whose message was made, whether or not it arrived."""
        return [asked for asked in self.asked if asked.message is not None]

    def paid_twice(self) -> dict[str, int]:
        """The equal requests that were billed more than once: key and how often."""
        return {key: n for key, n in Counter(asked.key for asked in self.billed()).items() if n > 1}

    def spent(self, prices: Mapping[str, Any]) -> Fraction:
        """All that was billed, in micro-dollars, by a table like prices.json."""
        bills = [
            bill(asked.body["model"], asked.message["usage"], prices, batch=asked.batch is not None)
            for asked in self.billed()
            if asked.message is not None
        ]
        return sum(bills, Fraction(0))

    def wait_in_flight(self, n: int, seconds: float = 30.0) -> None:
        """Wait until `n` requests for a message are being answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.in_flight >= n, seconds), f"{self.in_flight} in flight"

    def wait_asked(self, n: int, seconds: float = 30.0) -> None:
        """Wait until `n` requests for a message have come in all."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= n, seconds), f"{len(self.asked)} asked"

    def run_hook(self, what: str, when: str) -> None:
        """Called by the server at that instant."""
        function = self._hooks.pop((what, when), None)
        if function is not None:
            function()

    def begin(self, body: Json, headers: dict[str, str]) -> Asked:
        """Record a request for a message and decide how it is answered."""
        asked = Asked(body, headers, time.monotonic())
        with self._changed:
            asked.behaviour = self._refusal(body) or (self._next.popleft() if self._next else GOOD)
            self.asked.append(asked)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._changed.notify_all()
        if asked.behaviour is GOOD:
            asked.behaviour = self.behave(asked) or GOOD
        return asked

    def work(self, asked: Asked) -> None:
        """Take the time that it takes, and make the message if one is to be made."""
        self.open.wait()
        time.sleep(self.latency)
        if asked.behaviour.billed:
            asked.message = self._message(asked)

    def end(self) -> None:
        """A request for a message is over."""
        with self._changed:
            self.in_flight -= 1
            self._changed.notify_all()

    def _refusal(self, body: Json) -> Behaviour | None:
        fault = fault_of(body)
        if fault is None and body["model"] not in self.models:
            return unknown_model(body["model"])
        return fault

    def _message(self, asked: Asked) -> Json:
        body, behaviour = asked.body, asked.behaviour
        schema = schema_of(body)
        text = behaviour.text
        if text is None:
            text = "It is so." if schema is None else filled_json(schema, asked.prompt)
        prefix = cached_prefix(body)
        with self._changed:
            self._made += 1
            number = self._made
            known = prefix in self._prefixes
            if prefix is not None:
                self._prefixes.add(prefix)
        return {
            "id": f"msg_{number:06}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": behaviour.stop_reason,
            "stop_sequence": None,
            "usage": usage(body, text, prefix_known=known),
        }

    def _finish_batched(self, params: Json, batch: str) -> Json:
        asked = Asked(params, {}, time.monotonic(), batch=batch, ended=time.monotonic())
        asked.behaviour = self.behave(asked) or GOOD
        asked.message = self._message(asked)
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()
        return asked.message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: "_Server"

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def _serve(self, raw: bytes) -> None:
        api, address = self.server.api, urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        name = None
        if len(parts) > 3:
            name, parts[3] = parts[3], ":id"
        api.calls[f"{self.command} /{'/'.join(parts)}"] += 1
        try:
            # A key comes in either header: the SDK has moved from the first to the second.
            if not {api.key, *api.further_keys} & {self.headers.get("x-api-key"), self._bearer()}:
                self._refuse(unauthorized())
                return
            if not self.headers.get("anthropic-version"):
                self._refuse(bad_request("anthropic-version: header is required"))
                return
            body = json.loads(raw) if raw else {}
            match (self.command, *parts[1:]):
                case ("POST", "messages"):
                    self._message(body)
                case ("POST", "messages", "count_tokens"):
                    api.counted.append(body)
                    self._send(200, {"input_tokens": input_tokens(body)})
                case ("POST", "messages", "batches"):
                    self._create(body, len(raw))
                case ("GET", "messages", "batches"):
                    self._send(200, api.batches.page(api.url, dict(parse_qsl(address.query))))
                case (_, "messages", "batches", ":id", *rest) if batch := api.batches.get(name or ""):
                    self._about(batch, rest)
                case _:
                    self._refuse(Behaviour(404, "not_found_error", self.path))
        except ConnectionError:  # the client is gone, or a test's hook has the connection end here
            self.close_connection = True

    def _bearer(self) -> str:
        return (self.headers.get("authorization") or "").removeprefix("Bearer ")

    def _message(self, body: Json) -> None:
        api = self.server.api
        asked = api.begin(body, {name.lower(): text for name, text in self.headers.items()})
        try:
            api.run_hook("message", "begin")
            api.work(asked)
            if asked.message is not None:
                api.run_hook("message", "billed")
            if asked.behaviour.cut:
                self._cut()
            elif asked.message is None:
                self._refuse(asked.behaviour)
            else:
                self._send(200, asked.message)
                asked.ended = time.monotonic()
        finally:
            api.end()

    def _create(self, body: Json, size: int) -> None:
        api = self.server.api
        api.run_hook("create", "begin")
        made = api.batches.create(body, size)
        if isinstance(made, Behaviour):
            self._refuse(made)
            return
        api.run_hook("create", "billed")
        self._send(200, made.told(api.url))

    def _about(self, batch: Batch, rest: list[str]) -> None:
        api = self.server.api
        if self.command == "POST" and rest == ["cancel"]:
            batch.cancelled = True
            self._send(200, batch.told(api.url))
        elif self.command == "GET" and not rest:
            self._send(200, batch.told(api.url))
        elif self.command == "GET" and rest == ["results"] and batch.results is not None:
            self._send_bytes(200, batch.lines(), "application/x-jsonl")
        else:
            self._refuse(Behaviour(404, "not_found_error", self.path))

    def _refuse(self, behaviour: Behaviour) -> None:
        error = {"type": behaviour.error, "message": behaviour.message}
        after = {} if behaviour.retry_after is None else {"retry-after": behaviour.retry_after}
        self._send(behaviour.status, {"type": "error", "error": error, "request_id": "req_1"}, after)

    def _send(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), "application/json", headers)

    def _send_bytes(
        self, status: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, text in {"content-type": kind, "content-length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, api: PaidApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """A client that is killed in the middle is what some tests are about."""
