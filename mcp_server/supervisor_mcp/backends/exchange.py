"""One HTTP exchange that can be left at any moment.

Built on `http.client` because httpx takes 0.3 s and 15 MB to import, which the first call would pay, and has
no way to end a request that still waits for its headers, which is where a model spends the time that it loads
and reads the prompt. Here the exchange runs on a thread of its own, and whoever waits for it stops it by
shutting the socket down, which the backend sees at once.

Proxies of the environment are ignored on purpose: the models stand on this machine, the LAN or a tailnet, and
a prompt must not take the way through a company's proxy.
"""

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from supervisor_mcp import __version__
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.records import Record

REPORT_SECONDS = 3.0
MAX_REPLY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_CERTIFICATE_HINT = "set SSL_CERT_FILE to its authority's certificate in the environment of Claude Code"


class Request(Record):
    """A POST of `body`, or a GET without one; `connect_seconds` bound connecting, `seconds` everything."""

    url: str
    body: bytes | None
    headers: dict[str, str]
    connect_seconds: float
    seconds: float


class Reply(Record):
    """What came back, whatever its status."""

    status: int
    body: bytes

    def text(self) -> str:
        """The body as text, wrong bytes replaced."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON, None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def send(request: Request, call: Call, doing: str) -> Reply:
    """Exchange `request`, reporting every few seconds that the call is `doing` this.

    Raises:
        BackendError: No connection, no complete reply, or not in time.
        CallCancelled: The client cancelled; the connection is closed.
    """
    exchange = _Exchange(request)
    with call.stopping(exchange.abandon):
        threading.Thread(target=exchange.run, daemon=True).start()
        try:
            _wait(exchange, request, call, doing)
        except BaseException:
            exchange.abandon()
            raise
    call.raise_if_cancelled()
    return exchange.outcome()


def _wait(exchange: "_Exchange", request: Request, call: Call, doing: str) -> None:
    started = reported = time.monotonic()
    while True:
        seconds = request.seconds if exchange.connected else min(request.connect_seconds, request.seconds)
        limit = started + seconds
        if exchange.finished.wait(max(0.0, min(limit, reported + REPORT_SECONDS) - time.monotonic())):
            return
        now = time.monotonic()
        if now >= limit and not exchange.connected:
            raise _unreachable(request.url, f"no connection within {seconds:g} s")
        if now >= started + request.seconds:
            hint = "raise the backend's `timeout` (seconds) in config.yaml if its models load slowly"
            raise BackendError(Kind.TIMEOUT, f"gave no answer within {request.seconds:g} s", hint)
        if now >= reported + REPORT_SECONDS:
            call.report(doing)
            reported = now


class _Exchange:
    """The thread's side of one exchange."""

    def __init__(self, request: Request) -> None:
        self.finished = threading.Event()
        self.connected = False
        self._request = request
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._abandoned = False
        self._reply: Reply | None = None
        self._error: BackendError | None = None

    def outcome(self) -> Reply:
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    def abandon(self) -> None:
        """End the exchange from another thread; shutting down, unlike closing, wakes a thread that reads."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                _shut_down(self._socket)
        self.finished.set()

    def run(self) -> None:
        connection: HTTPConnection | None = None
        try:
            connection = self._connect()
            self._reply = _read_reply(connection, self._request)
        except BackendError as error:
            self._error = error
        except socket.gaierror as error:
            self._error = _unreachable(self._request.url, f"the name cannot be resolved ({error.strerror})")
        except ssl.SSLCertVerificationError as error:
            text = f"cannot be reached: its certificate is not trusted ({error.verify_message})"
            self._error = BackendError(Kind.UNREACHABLE, text, _CERTIFICATE_HINT)
        except (OSError, HTTPException, ValueError) as error:
            self._error = self._broken(error)
        finally:
            if connection is not None:
                connection.close()
            self.finished.set()

    def _connect(self) -> HTTPConnection:
        request = self._request
        parts = urlsplit(request.url)
        host, port, seconds = parts.hostname or "", parts.port, request.connect_seconds
        connection = (
            HTTPSConnection(host, port, timeout=seconds, context=_tls_context())
            if parts.scheme == "https"
            else HTTPConnection(host, port, timeout=seconds)
        )
        connection.connect()
        with self._lock:
            self._socket = connection.sock
            if self._abandoned:
                _shut_down(connection.sock)
        connection.sock.settimeout(None)  # whoever waits minds the time
        self.connected = True
        return connection

    def _broken(self, error: Exception) -> BackendError:
        url = self._request.url
        if self.connected:
            reason = f"broke off its answer ({type(error).__name__})"
            return BackendError(Kind.BROKEN, reason, f"look into the log of the server at {_root(url)}")
        if isinstance(error, ConnectionRefusedError):
            return _unreachable(url, "connection refused")
        if isinstance(error, TimeoutError):
            return _unreachable(url, f"no connection within {self._request.connect_seconds:g} s")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _unreachable(url, reason or type(error).__name__)


def _read_reply(connection: HTTPConnection, request: Request) -> Reply:
    parts = urlsplit(request.url)
    headers = {"User-Agent": f"supervisor-mcp/{__version__}", "Connection": "close", **request.headers}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    # A refusal may come before the whole prompt is sent, and is worth reading.
    with suppress(BrokenPipeError):
        connection.request("GET" if request.body is None else "POST", parts.path, request.body, headers)
    response = connection.getresponse()
    body = bytearray()
    while chunk := response.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise BackendError(Kind.BROKEN, f"answered with more than {MAX_REPLY_BYTES >> 20} MB")
    if response.length:
        raise BackendError(Kind.BROKEN, "broke off its answer", f"look into the log of {_root(request.url)}")
    return Reply(status=response.status, body=bytes(body))


def _unreachable(url: str, reason: str) -> BackendError:
    hint = f"start the server at {_root(url)} or correct its `url`; `supervisor-setup doctor` checks it"
    return BackendError(Kind.UNREACHABLE, f"cannot be reached: {reason}", hint)


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):  # it was over already
        connected.shutdown(socket.SHUT_RDWR)


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()
