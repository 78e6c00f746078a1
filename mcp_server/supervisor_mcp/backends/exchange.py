"""One HTTP exchange that can be left at any moment.

Built on `http.client` because httpx takes 0.3 s and 15 MB to import, which the first call would pay, and has
no way to end a request that still waits for its headers, which is where a model spends the time that it loads
and reads the prompt. Here the exchange runs on a thread of its own, and whoever waits for it stops it by
shutting the socket down, which the backend sees at once. A connection that was left so is never used again.

Proxies of the environment are ignored on purpose: the models stand on this machine, the LAN or a tailnet, and
a prompt must not take the way through a company's proxy.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from supervisor_mcp import __version__
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.pool import Pool
from supervisor_mcp.backends.reader import Reader
from supervisor_mcp.backends.wire import Reply, Request, root, unreachable
from supervisor_mcp.calls import Call

__all__ = ["Reply", "Request", "send"]

REPORT_SECONDS = 3.0
MAX_REPLY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_STALE_SECONDS = 1.0  # a kept connection that the server had closed fails sooner
_DRAIN_SECONDS = 0.5
_DRAIN_READS = 4  # an empty line and the last chunk follow an answer's own end
_CERTIFICATE_HINT = "set SSL_CERT_FILE to its authority's certificate in the environment of Claude Code"


def send(
    request: Request,
    call: Call,
    pool: Pool,
    on_connected: Callable[[], None],
    reader: Reader | None = None,
) -> Reply:
    """Exchange `request` over a connection of `pool`, or a new one, and report every few seconds.

    The lines of a good reply (status 200) go to `reader` as they come, if there is one; `on_connected` runs
    once the server is reached. Both on the exchange's thread.

    Raises:
        BackendError: No connection, no complete reply, not in time, or what the reader raised.
        CallCancelled: The client cancelled; the connection is closed.
    """
    exchange = _Exchange(request, pool, on_connected, reader)
    with call.stopping(exchange.abandon):
        threading.Thread(target=exchange.run, daemon=True).start()
        try:
            _wait(exchange, request, call)
        except BaseException:
            exchange.abandon()
            raise
    call.raise_if_cancelled()
    return exchange.outcome()


def _wait(exchange: "_Exchange", request: Request, call: Call) -> None:
    began = reported = time.monotonic()
    reader = exchange.reader
    while True:
        limit = request.started + request.seconds
        connect_limit = None if exchange.connected else began + request.connect_seconds
        # Before the first piece silence has no limit, but the piece may come while this thread sleeps.
        piece_at = None if reader is None else reader.last_piece_at or time.monotonic()
        idle_limit = None if piece_at is None else piece_at + request.idle_seconds
        limits = (limit, connect_limit, idle_limit, reported + REPORT_SECONDS)
        wake = min(at for at in limits if at is not None)
        if exchange.finished.wait(max(0.0, wake - time.monotonic())):
            return
        now = time.monotonic()
        if not exchange.connected and now >= min(limit, began + request.connect_seconds):
            raise unreachable(request.url, f"no connection within {request.connect_seconds:g} s")
        if now >= limit:
            hint = "raise the backend's `timeout` (seconds) in config.yaml if its models load slowly"
            raise BackendError(Kind.TIMEOUT, f"gave no answer within {request.seconds:g} s", hint)
        if reader is not None and reader.last_piece_at is not None:
            silent = now - reader.last_piece_at
            if silent >= request.idle_seconds:
                text = f"stopped in the middle of its answer and said nothing for {request.idle_seconds:g} s"
                hint = f"look into the log of the server at {root(request.url)}; `idle_timeout` is the limit"
                raise BackendError(Kind.TIMEOUT, text, hint)
        if now >= reported + REPORT_SECONDS:
            call.report(f"{request.doing} ({exchange.phase()})")
            reported = now


class _Exchange:
    """The thread's side of one exchange."""

    def __init__(
        self, request: Request, pool: Pool, on_connected: Callable[[], None], reader: Reader | None
    ) -> None:
        self.finished = threading.Event()
        self.connected = False
        self.reader = reader
        self._request = request
        self._pool = pool
        self._on_connected = on_connected
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._abandoned = False
        self._answering = False  # something of the reply has arrived
        self._whole = False  # all of it has
        self._reply: Reply | None = None
        self._error: Exception | None = None

    def outcome(self) -> Reply:
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    def phase(self) -> str:
        """What it does now, for the client."""
        if not self.connected:
            return "connecting"
        if self.reader is None or self.reader.last_piece_at is None:
            return "loading or reading the prompt"
        return f"answering, {self.reader.pieces} tokens so far"

    def abandon(self) -> None:
        """End the exchange from another thread; shutting down, unlike closing, wakes a thread that reads."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                _shut_down(self._socket)
        self.finished.set()

    def run(self) -> None:
        connection: HTTPConnection | None = None
        response: HTTPResponse | None = None
        try:
            connection, response = self._respond()
            self._reply = self._read(response)
        except BackendError as error:
            self._error = error
        except socket.gaierror as error:
            self._error = unreachable(self._request.url, f"the name cannot be resolved ({error.strerror})")
        except ssl.SSLCertVerificationError as error:
            text = f"cannot be reached: its certificate is not trusted ({error.verify_message})"
            self._error = BackendError(Kind.UNREACHABLE, text, _CERTIFICATE_HINT)
        except (OSError, HTTPException, ValueError) as error:
            self._error = self._broken(error)
        except Exception as error:  # a bug is the waiting thread's to report
            self._error = error
        finally:
            if self._whole:
                self._part_with(connection, response)  # so that the next call finds it
                self.finished.set()
            else:
                self.finished.set()
                self._part_with(connection, response)

    def _respond(self) -> tuple[HTTPConnection, HTTPResponse]:
        """Send the request and receive the head of the reply, over a kept connection if one still works."""
        began = time.monotonic()
        kept = self._pool.take()
        if kept is not None:
            try:
                self._adopt(kept)
                return kept, self._converse(kept)
            except OSError:
                kept.close()
                late = time.monotonic() > began + _STALE_SECONDS
                if self._answering or self._abandoned or late:
                    raise
                self.connected = False
        connection = self._connect()
        try:
            return connection, self._converse(connection)
        except BaseException:
            connection.close()
            raise

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
        connection.auto_open = 0  # one that it opened by itself nobody could stop
        connection.sock.settimeout(None)  # whoever waits minds the time
        self._adopt(connection)
        return connection

    def _adopt(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._socket = connection.sock
            if self._abandoned:
                _shut_down(connection.sock)
        self.connected = True
        self._on_connected()

    def _converse(self, connection: HTTPConnection) -> HTTPResponse:
        request = self._request
        headers = {"User-Agent": f"supervisor-mcp/{__version__}", **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        # A refusal may come before the whole prompt is sent, and is worth reading.
        with suppress(BrokenPipeError):
            method = "GET" if request.body is None else "POST"
            connection.request(method, urlsplit(request.url).path, request.body, headers)
        response = connection.getresponse()
        self._answering = True
        return response

    def _read(self, response: HTTPResponse) -> Reply:
        reader = self.reader if response.status == 200 else None
        kept, size = bytearray(), 0
        while chunk := response.read1(_CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_REPLY_BYTES:
                raise BackendError(Kind.BROKEN, f"answered with more than {MAX_REPLY_BYTES >> 20} MB")
            kept += chunk
            if reader is not None and b"\n" in chunk:
                *lines, kept = kept.split(b"\n")
                if not all(reader.take(bytes(line)) for line in lines):
                    return Reply(status=200, body=b"", headers=response.headers)
        self._whole = not response.length
        if not self._whole:
            raise BackendError(
                Kind.BROKEN, "broke off its answer", f"look into the log of {root(self._request.url)}"
            )
        if reader is not None:
            reader.take(bytes(kept))
            reader.end()
            kept = bytearray()
        return Reply(status=response.status, body=bytes(kept), headers=response.headers)

    def _part_with(self, connection: HTTPConnection | None, response: HTTPResponse | None) -> None:
        """Keep the connection for the next exchange if all of this one's was read, else close it."""
        if connection is None:
            return
        ended = self._whole or (self.reader is not None and self.reader.ended)
        if self._error is None and response is not None and ended and _is_read(connection, response):
            with self._lock:
                self._socket = None
                if not self._abandoned:
                    self._pool.give(connection)
                    return
        with self._lock:
            if self._socket is not None:
                _shut_down(self._socket)  # at once, though the response may still hold the socket
        connection.close()
        if response is not None:
            response.close()

    def _broken(self, error: Exception) -> BackendError:
        url = self._request.url
        if self.connected:
            reason = f"broke off its answer ({type(error).__name__})"
            return BackendError(Kind.BROKEN, reason, f"look into the log of the server at {root(url)}")
        if isinstance(error, ConnectionRefusedError):
            return unreachable(url, "connection refused").soon_over()
        if isinstance(error, TimeoutError):
            return unreachable(url, f"no connection within {self._request.connect_seconds:g} s")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        failed = unreachable(url, reason or type(error).__name__)
        return failed.soon_over() if isinstance(error, ConnectionError) else failed


def _is_read(connection: HTTPConnection, response: HTTPResponse) -> bool:
    """Whether a reply is read to its end, which an answer's own end may come a little before."""
    if connection.sock is None:
        return False  # the server closes it
    try:
        connection.sock.settimeout(_DRAIN_SECONDS)
        rest = sum(len(response.read1(_CHUNK_BYTES)) for _ in range(_DRAIN_READS))
        connection.sock.settimeout(None)
    except (OSError, HTTPException, ValueError):
        return False
    whole = response.isclosed() or not (response.chunked or response.length)
    response.close()
    return whole and rest < _CHUNK_BYTES


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):  # it was over already
        connected.shutdown(socket.SHUT_RDWR)


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()
