"""What a request must pass before the SDK sees it.

In this order: Host and Origin, the place, the token, the method, the size, and the time that its body takes.
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from supervisor_mcp import protocol
from supervisor_mcp.records import Record
from supervisor_mcp.web.addresses import Names

PATH = "/mcp"
MAX_BODY_BYTES = 16 * 1024 * 1024
BODY_SECONDS = 20.0
SESSION_HEADER = b"mcp-session-id"
_SESSION_BYTES = 16
_MAX_SMALL_BYTES = 65_536  # of the messages that are looked into here; prompts are larger and pass unread

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Cancel = Callable[[str, object], None]


class Refusal(Record):
    """An answer to what does not pass."""

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _Gone(Exception):
    """The client went away before its request was complete."""


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


_POST_ONLY = Refusal(status=405, text="only POST is served here", headers=((b"allow", b"POST"),))
_TOO_LARGE = Refusal(status=413, text=f"the request is larger than {MAX_BODY_BYTES} bytes")
_TOO_SLOW = Refusal(status=408, text=f"the request was not complete after {BODY_SECONDS:.0f} s")


class Gate:
    """An ASGI application in front of another one."""

    def __init__(self, app: App, *, token: bytes, names: Names, cancel: Cancel) -> None:
        """Let to `app` what presents `token` and asks for one of `names`.

        `cancel` is told the session and the request's id when a client cancels a request. No state is kept
        of a session: it is a name for the client, made when it says hello, because two clients number
        their requests alike and one must not cancel the other's.
        """
        self._app = app
        self._token = token
        self._names = names
        self._cancel = cancel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            self._check(scope)
            body = await _whole(scope, receive)
        except _Refused as refused:
            await _answer(refused.refusal, send)
            return
        except _Gone:
            return
        session, message = _one(scope, SESSION_HEADER), _message(body)
        if session is None and message.get("method") == "initialize":
            send = _naming_session(send)
        elif session is not None and message.get("method") == "notifications/cancelled":
            params = message.get("params")
            request_id = params.get("requestId") if isinstance(params, dict) else None
            if protocol.is_request_id(request_id):
                self._cancel(session, request_id)
        await self._app(scope, _replay(body, receive), send)

    def _check(self, scope: Scope) -> None:
        arrived_at = (scope.get("server") or (None,))[0]
        host, origins = _one(scope, b"host"), _all(scope, b"origin")
        if host is None or not self._names.has_host(host, arrived_at):
            raise _Refused(_unknown_host(host))
        if origins and not (len(origins) == 1 and self._names.has_origin(origins[0], arrived_at)):
            raise _Refused(Refusal(status=403, text="pages of other sites may not ask this server"))
        if scope["path"] != PATH:
            raise _Refused(Refusal(status=404, text=f"nothing is here; MCP is spoken at {PATH}"))
        if scope["query_string"]:
            text = "no query is taken; the token belongs into the Authorization header, and one that stood "
            raise _Refused(Refusal(status=400, text=text + "in an address may be in logs now"))
        self._check_token(_one(scope, b"authorization"))
        if scope["method"] != "POST":
            raise _Refused(_POST_ONLY)

    def _check_token(self, header: str | None) -> None:
        scheme, _, given = (header or "").partition(" ")
        given = given.strip()
        if not given:  # as a client sends it whose variable with the token is not set
            raise _Refused(_unauthorized("", "a token is needed, in the header Authorization: Bearer TOKEN"))
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode("latin-1"), self._token):
            raise _Refused(_unauthorized(', error="invalid_token"', "this is not the token of this server"))


def _unknown_host(host: str | None) -> Refusal:
    text = "the Host header is not one of this server's names"
    hint = "" if host is None else "; another name of this machine is allowed with --allow-host NAME"
    return Refusal(status=421, text=text + hint)


def _unauthorized(error: str, text: str) -> Refusal:
    challenge = f'Bearer realm="supervisor-mcp"{error}'.encode("ascii")
    return Refusal(status=401, text=text, headers=((b"www-authenticate", challenge),))


def _all(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _one(scope: Scope, name: bytes) -> str | None:
    """The header's value; None where it is missing, or there are several of which each could be meant."""
    found = _all(scope, name)
    return found[0] if len(found) == 1 else None


async def _whole(scope: Scope, receive: Receive) -> bytes:
    declared = _one(scope, b"content-length")
    if declared is not None and int(declared) > MAX_BODY_BYTES:  # the HTTP parser lets digits alone pass
        raise _Refused(_TOO_LARGE)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive)
    except TimeoutError:
        raise _Refused(_TOO_SLOW) from None


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _Refused(_TOO_LARGE)
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body out once, then whatever else comes: that the client has gone."""
    rest = [body]

    async def replayed() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return replayed


def _naming_session(send: Send) -> Send:
    """Give the client a name with the answer, which it then sends along."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            name = secrets.token_hex(_SESSION_BYTES).encode("ascii")
            message = {**message, "headers": [*message.get("headers", ()), (SESSION_HEADER, name)]}
        await send(message)

    return named


def _message(body: bytes) -> dict[str, Any]:
    """The message, if it is a small one; whether it is in order is for the SDK to say."""
    if len(body) > _MAX_SMALL_BYTES:
        return {}
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


async def _answer(refusal: Refusal, send: Send) -> None:
    error = {"code": protocol.INVALID_REQUEST, "message": refusal.text}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode("ascii")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"connection", b"close"),  # what is left of the request is not read
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
