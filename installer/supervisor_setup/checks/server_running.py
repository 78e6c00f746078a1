"""What the MCP servers do when they are started as the client starts them."""

import signal
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor_setup.checks import (
    installed_client,
    mcp_servers,
    server_elsewhere,
    server_http,
    server_launch,
    server_start,
    server_words,
)
from supervisor_setup.checks.server_findings import about, removal
from supervisor_setup.checks.server_start import Start
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

FIRST_REQUEST_WAITS = 5.0
"""Seconds after which the client sends its first request without an `alwaysLoad` server's tools."""
_SLOW = 3.0
# What both measured clients take as an answer to `initialize`.
_VERSIONS = ("2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
# A server without `initialize` may still serve the newer protocol, which has no such opening.
_OTHER_ERA = (-32601, -32022)


def command(world: World) -> Iterator[Finding]:
    """A server's program is not found or ends at its start, or nothing answers at its URL.

    Claude then lacks the server's tools, and the client shows no more than "Failed to connect", never the
    server's own words.

    Mend: what the server itself says, which is shown here; a program that is not found needs its full path,
    or has to be installed.
    """
    for start in server_start.all_started(world):
        yield from _command(world, start)
    ours = server_elsewhere.asked(world)
    if ours is not None and ours.unanswered is not None:
        message = f"{ours.unanswered}, so Claude has no local models"
        yield about("server.command", Status.ERROR, ours.entry, message, ours.hint, "url")
    for entry, problem in server_http.unanswered(world):
        yield about(
            "server.command",
            Status.ERROR,
            entry,
            f"{problem}, so Claude has no tools of it",
            f"start the server behind it, or: {removal(entry)}",
        )


def handshake(world: World) -> Iterator[Finding]:
    """A server that starts does not answer, answers too late, or answers what the client does not take.

    Its tools are missing then, in all sessions or in the first request of each. A server with `alwaysLoad` is
    waited for: each session starts that much later, and after about 5 s without its tools.

    Mend: update the server, or run its command in a terminal to see what it waits for. What takes long to
    start goes without `alwaysLoad`, or is installed instead of fetched at each start (`npx`, `uvx`).
    """
    ours = server_elsewhere.asked(world)
    if ours is not None and ours.refusal is not None:
        message = f"it {ours.refusal}, so Claude has no local models"
        yield about("server.handshake", Status.ERROR, ours.entry, message, ours.hint, "url")
    for start in _starts(world):
        yield from _handshake(world, start)


def description_length(world: World) -> Iterator[Finding]:
    """A tool's description or a server's instructions are longer than the client passes on.

    The client cuts them without a word, after 2,048 characters (2.1.197) or 4,096 (2.1.330): what stands at
    the end, often the examples and the warnings, never reaches Claude.

    Mend: shorten them, in config.yaml for tools of ours; the important part belongs first.
    """
    limit = max(row.text_limit for row in installed_client.installed(world).facts.rows)
    for start in _starts(world):
        long = list(_too_long(start, limit))
        if long:
            ours = mcp_servers.is_ours(world, start.entry)
            yield about(
                "server.description-length",
                Status.WARNING if ours else Status.INFO,
                start.entry,
                f"{', '.join(long)}: the client cuts what is beyond {limit:,} characters",
                _shortening(world, ours=ours),
            )


def _starts(world: World) -> Iterator[Start]:
    """What every server did that was asked, ours elsewhere too."""
    yield from server_start.all_started(world)
    ours = server_elsewhere.asked(world)
    if ours is not None and ours.start is not None:
        yield ours.start


def _shortening(world: World, *, ours: bool) -> str:
    if not ours:
        return "only the server's author can shorten them"
    if mcp_servers.runs_elsewhere(world):
        return "shorten `description` in config.yaml on the server's machine"
    return f"shorten `description` in {world.layout.config}"


def _command(world: World, start: Start) -> Iterator[Finding]:
    entry = start.entry
    if start.failure is not None:
        if not (mcp_servers.is_ours(world, entry) and isinstance(start.failure, FileNotFoundError)):
            yield _unstartable(world, start)
        return
    if start.code is not None:
        words = server_words.last_lines(world, entry, start.err) or "it says nothing on its standard error"
        yield about(
            "server.command",
            Status.ERROR,
            entry,
            f"its program ends at its start ({_exit(start.code)}): {words}",
            'mend what it says; the client shows only "Failed to connect"' + _place(world),
        )
    elif start.glued is not None:
        yield about(
            "server.command",
            Status.WARNING,
            entry,
            f"it prints `{_quoted(world, start, start.glued)}` on its standard output in front of an answer, "
            "which older clients then cannot read",
            "its messages for people belong on standard error; update the server",
        )
    elif start.noise:
        yield about(
            "server.command",
            Status.INFO,
            entry,
            f"it prints `{_quoted(world, start, start.noise[0])}` on its standard output, which is for "
            "messages of the protocol; Claude Code passes over such lines, other clients break",
            "its messages for people belong on standard error; update the server",
        )


def _place(world: World) -> str:
    """Where it was started, for a hint, when that is not where a session would start it."""
    if server_launch.folder(world) == world.layout.cwd:
        return ""
    return "; started in the home folder, because the client was never told to trust this project"


def _unstartable(world: World, start: Start) -> Finding:
    words, _ = server_launch.launch(world, start.entry)
    assert start.failure is not None
    if isinstance(start.failure, FileNotFoundError):
        found = f"its program {words[0]!r} is not found"
        hint = (
            f"install it, or write its full path into `command`; to drop the server: {removal(start.entry)}"
        )
        if "/" in words[0]:
            hint += _place(world)
        if words[0].startswith("~"):
            hint = "write the full path: the client does not expand `~`"
    else:
        found = f"its program {words[0]!r} cannot be started: {start.failure.strerror}"
        hint = f"mend the program; to drop the server: {removal(start.entry)}"
    message = server_words.shown(world, start.entry, f"{found}, so Claude has no tools of it")
    return about("server.command", Status.ERROR, start.entry, message, hint, "command")


def _handshake(world: World, start: Start) -> Iterator[Finding]:
    entry = start.entry
    if start.failure is not None or start.code is not None:
        return
    status = Status.ERROR if mcp_servers.is_ours(world, entry) or start.answered else Status.WARNING
    if start.asked is not None:
        message = (
            f"it does not answer `{start.asked}` within {server_start.ANSWER_SECONDS:.0f} s, so a session "
            "starts without its tools"
        )
        yield about("server.handshake", status, entry, message, "run its command in a terminal")
    elif start.refused == "initialize" and start.error.get("code") in _OTHER_ERA:
        return
    elif start.refused is not None:
        said = server_words.short(
            server_words.shown(world, entry, str(start.error.get("message") or "")), 200
        )
        message = f"it answers `{start.refused}` with an error, so Claude has no tools of it: {said}"
        yield about("server.handshake", Status.ERROR, entry, message, "mend what it says, or update it")
    elif start.protocol not in _VERSIONS:
        message = (
            f"it answers with protocol version {server_words.short(start.protocol or '', 20)}, which the "
            "client does not take"
        )
        yield about("server.handshake", Status.ERROR, entry, message, "update the server")
    else:
        yield from _tools(start)
        yield from _slow(start)


def _tools(start: Start) -> Iterator[Finding]:
    wrong = [_name(tool) for tool in start.tools or () if not _is_tool(tool)]
    if wrong:
        message = (
            f"its tool {server_words.short(wrong[0], 40)} has no name or no `inputSchema` of type object, "
            "for which the client drops all its tools"
        )
        yield about("server.handshake", Status.ERROR, start.entry, message, "update the server")


def _slow(start: Start) -> Iterator[Finding]:
    seconds = start.seconds or 0.0
    if not start.entry.always_loaded or seconds < _SLOW:
        return
    late = seconds >= FIRST_REQUEST_WAITS
    effect = "the first request goes out without its tools" if late else "every session waits for it"
    yield about(
        "server.handshake",
        Status.WARNING,
        start.entry,
        f"it needs {seconds:.1f} s to answer and has `alwaysLoad`: {effect}",
        "install it instead of fetching it at each start (npx, uvx), or take `alwaysLoad` out",
        "alwaysLoad",
    )


def _is_tool(tool: Any) -> bool:
    if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
        return False
    schema = tool.get("inputSchema")
    return isinstance(schema, Mapping) and schema.get("type") == "object"


def _name(tool: Any) -> str:
    return str(tool.get("name")) if isinstance(tool, Mapping) else str(tool)


def _too_long(start: Start, limit: int) -> Iterator[str]:
    if len(start.instructions) > limit:
        yield f"its instructions ({len(start.instructions):,})"
    tools = [tool for tool in start.tools or () if isinstance(tool, Mapping)]
    long = [tool for tool in tools if len(str(tool.get("description") or "")) > limit]
    for tool in long[:3]:
        yield f"the description of {server_words.short(_name(tool), 40)} ({len(str(tool['description'])):,})"
    if len(long) > 3:
        yield f"{len(long) - 3} more"


def _said(world: World, start: Start) -> str:
    words = str(start.error.get("message") or start.error.get("code") or "it says nothing more")
    return server_words.short(server_words.shown(world, start.entry, words), 200)


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _quoted(world: World, start: Start, text: str) -> str:
    return server_words.short(server_words.shown(world, start.entry, text)) or " "
