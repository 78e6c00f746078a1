"""The HTTP server itself: uvicorn, with bounds of time and number around it."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from uvicorn.protocols.http.h11_impl import H11Protocol

from supervisor_mcp import stderr
from supervisor_mcp.core import Core
from supervisor_mcp.web.addresses import Names
from supervisor_mcp.web.bridge import Bridge
from supervisor_mcp.web.gate import MAX_BODY_BYTES, PATH, Gate

__all__ = ["PATH", "serve"]

MAX_CONNECTIONS = 512
HEAD_SECONDS = 10.0
IDLE_SECONDS = 75  # longer than clients keep a connection, else they meet one that is just being closed
GRACE_SECONDS = 5


async def serve(
    core: Core, listening: socket.socket, *, token: bytes, names: Names, ready: Callable[[], None]
) -> None:
    """Answer on the socket until SIGTERM or SIGINT; calls that run then have GRACE_SECONDS to end.

    `ready` is called once such a signal ends the server well.
    """
    _log_to_stderr()
    AppStatus.enable_automatic_graceful_drain = False  # it would cut the answers that are still to come
    bridge = Bridge(core)
    manager = StreamableHTTPSessionManager(
        bridge.server,
        stateless=True,
        max_request_body_size=MAX_BODY_BYTES,
        security_settings=None,  # the gate has looked already
    )
    gate = Gate(manager.handle_request, token=token, names=names, cancel=bridge.cancel)
    config = uvicorn.Config(
        gate,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    # Also before uvicorn listens to signals itself, and when it passes them on at its end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    ready()
    async with manager.run():
        await server.serve(sockets=[listening])


class PatientProtocol(H11Protocol):
    """uvicorn's own, but a connection on which no request begins is not kept for good."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client some time for its first request."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._close_unless_asked)

    def _close_unless_asked(self) -> None:
        began = self.cycle is not None  # there is none before the first request
        if not began and not self.transport.is_closing():
            self.transport.close()


class _Discreet(logging.Formatter):
    """Says what went wrong and where, and never shows what a request or an answer contained."""

    def formatException(self, ei: Any) -> str:
        """The exception's kind and place alone; its text may quote the request."""
        kind, _, trace = ei
        while trace.tb_next is not None:
            trace = trace.tb_next
        return f"{kind.__name__} in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}"


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        stderr.log(self.format(record))


def _log_to_stderr() -> None:
    handler = _Stderr(logging.WARNING)
    handler.setFormatter(_Discreet("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
