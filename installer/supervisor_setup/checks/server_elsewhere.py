"""Our own server where it runs elsewhere, over HTTP: asked once as the client asks it, token and all.

Only at the address that config.yaml names: an entry of another place gets no token out of doctor.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from supervisor_setup import __version__
from supervisor_setup.checks import expansion, mcp_servers, server_token, server_words
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.server_start import PROTOCOL, Start
from supervisor_setup.checks.world import World
from supervisor_setup.config import MCP_PATH
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_mcp.backends.exchange import Reply

SECONDS = 6.0
"""The longest that all of its answers take together."""
_CONNECT_SECONDS = 4.0
_SESSION = "Mcp-Session-Id"
_CERTIFICATES = "NODE_EXTRA_CA_CERTS"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the server did: `start` where it answered, else why nothing `answers`, or what it `refuses`.

    All three are missing where another check has the finding: a token that is not set here is server.env's.
    """

    entry: ServerEntry
    start: Start | None = None
    unanswered: str | None = None
    refusal: str | None = None
    hint: str = ""


def asked(world: World) -> Elsewhere | None:
    """What our server said; None where the client starts one itself, or does not use this one."""
    return world.memo.get("server elsewhere", lambda: _asked(world))


def entry_of(world: World) -> ServerEntry | None:
    """The entry that leads the client there."""
    config = world.config
    if isinstance(config, UserError) or config.server_url is None:
        return None
    return next((one for one in mcp_servers.started(world) if one.url == config.server_url), None)


def _asked(world: World) -> Elsewhere | None:
    from supervisor_mcp.backends.failures import BackendError, Kind

    entry = entry_of(world)
    if entry is None:
        return None
    talk = _Talk(world, entry)
    try:
        return talk.run()
    except BackendError as error:
        failure = error.failure
        if failure.kind is not Kind.UNREACHABLE:
            return Elsewhere(entry, refusal=failure.text, hint="look at what it says on its own machine")
        reason = failure.text.removeprefix("cannot be reached: ")
        hint = f"start it there: supervisor-mcp --http …; another address: {_install(world)} URL"
        if "certificate" in reason:
            if expansion.environment(world).get(_CERTIFICATES):
                return Elsewhere(entry)  # the client reads that file, and doctor does not
            hint = f"set {_CERTIFICATES} to the file of its authority's certificate where the client starts"
        return Elsewhere(entry, unanswered=f"nothing answers at {entry.url} ({reason})", hint=hint)


class _Talk:
    """The conversation, up to the list of tools."""

    def __init__(self, world: World, entry: ServerEntry) -> None:
        from supervisor_mcp.backends.pool import Pool

        self._world = world
        self._entry = entry
        self._url = entry.url or ""
        self._began = time.monotonic()
        self._pool = Pool()
        given = expansion.expanded(entry.settings.get("headers") or {}, expansion.environment(world))
        self._headers = {
            **{name: text for name, text in given.items() if isinstance(text, str)},
            "Accept": "application/json, text/event-stream",
        }

    def run(self) -> Elsewhere:
        me = {"name": "supervisor-setup doctor", "version": __version__}
        reply = self._post(
            "initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": me}, number=1
        )
        if reply.status != 200:
            return self._refused(reply)
        message = _message(reply)
        if message is None:
            return self._stranger("answers, but not in the way of MCP")
        start = Start(self._entry, seconds=time.monotonic() - self._began)
        result = message.get("result")
        if not isinstance(result, Mapping):
            found = message.get("error")
            error = found if isinstance(found, Mapping) else {}
            return Elsewhere(self._entry, replace(start, refused="initialize", error=error, seconds=None))
        session = reply.headers.get(_SESSION)
        if session:
            self._headers[_SESSION] = session
        self._headers["MCP-Protocol-Version"] = str(result.get("protocolVersion"))
        start = replace(
            start,
            protocol=str(result.get("protocolVersion")),
            instructions=str(result.get("instructions") or ""),
        )
        self._post("notifications/initialized", {})
        return Elsewhere(self._entry, replace(start, tools=tuple(self._tools())))

    def _tools(self) -> Iterator[Any]:
        message = _message(self._post("tools/list", {}, number=2)) or {}
        result = message.get("result")
        found = result.get("tools") if isinstance(result, Mapping) else None
        yield from found if isinstance(found, list) else []

    def _post(self, method: str, params: Mapping[str, Any], number: int | None = None) -> "Reply":
        from supervisor_mcp.backends import exchange
        from supervisor_mcp.calls import Call

        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = message if number is None else {**message, "id": number}
        request = exchange.Request(
            url=self._url,
            body=json.dumps(body).encode("ascii"),
            headers=self._headers,
            connect_seconds=_CONNECT_SECONDS,
            seconds=SECONDS,
            started=self._began,
            doing="",
        )
        return exchange.send(request, Call(), self._pool, on_connected=lambda: None)

    def _refused(self, reply: "Reply") -> Elsewhere:
        """What an HTTP error means; the server's own text says no more than that."""
        parts = urlsplit(self._url)
        if reply.status == 401:
            return self._without_access()
        if reply.status == 421:
            text = f"does not let itself be called {parts.hostname} (HTTP 421)"
            hint = (
                f"start it with --allow-host {parts.hostname}, or use an address: {_install(self._world)} URL"
            )
            return Elsewhere(self._entry, refusal=text, hint=hint)
        if reply.status == 404 and parts.path != MCP_PATH:
            hint = f"{_install(self._world)} {parts.scheme}://{parts.netloc}{MCP_PATH}"
            return Elsewhere(self._entry, refusal=f"has nothing at {parts.path} (HTTP 404)", hint=hint)
        return self._stranger(f"answers with HTTP {reply.status}: {self._quoted(reply)}")

    def _without_access(self) -> Elsewhere:
        if server_token.missing(self._world, self._entry):
            return Elsewhere(self._entry)
        config = self._world.config
        assert not isinstance(config, UserError)
        if not _bearer(self._headers):
            hint = f"{_install(self._world, '')} --overwrite"
            return Elsewhere(self._entry, refusal="wants a token, and gets none (HTTP 401)", hint=hint)
        text = "refuses the token that it is given (HTTP 401)"
        return Elsewhere(
            self._entry, refusal=text, hint=f"set {config.server_token_env} anew: {server_token.PLACE}"
        )

    def _stranger(self, text: str) -> Elsewhere:
        hint = f"see what stands at {self._url}; another address: {_install(self._world)} URL"
        return Elsewhere(self._entry, refusal=text, hint=hint)

    def _quoted(self, reply: "Reply") -> str:
        words = server_words.shown(self._world, self._entry, reply.text())
        return server_words.short(words, 120) or "and nothing more"


def _bearer(headers: Mapping[str, str]) -> bool:
    given = {name.lower(): text for name, text in headers.items()}.get("authorization", "")
    return bool(given.strip())


def _install(world: World, option: str = " --server-url") -> str:
    for where in world.installed:
        if not isinstance(where.manifest, UserError) and not where.manifest.empty:
            return where.install_command + option
    return f"{world.layout.command} install{option}"


def _message(reply: "Reply") -> Mapping[str, Any] | None:
    """The answer in a reply, which is JSON, or comes in the events of a stream."""
    lines = [line[5:] for line in reply.body.splitlines() if line.startswith(b"data:")] or [reply.body]
    for line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and found.get("jsonrpc") == "2.0" and "id" in found:
            return found
    return None
