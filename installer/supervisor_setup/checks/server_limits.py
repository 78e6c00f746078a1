"""Limits and variables that cut a server's start, its calls or its answers short."""

import re
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks import expansion, mcp_servers, server_token, variables
from supervisor_setup.checks.client_files import Level, settings_files
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.server_findings import about
from supervisor_setup.checks.variables import Assignment, Source
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status

_COLD_LOAD_MS = 60_000
_SHORTEST_MS = 1_000
_DEFAULT_TOKENS = 25_000
_CHARS_A_TOKEN = 4
_FEW_TOKENS = 1_000
_LONGEST_RESULT = 50_000


def env(world: World) -> Iterator[Finding]:
    """A server's entry refers to a variable that is not set.

    The client passes the reference on as it is written: as the name of a program, in a URL, or as a
    key, which is then refused.

    A server of ours that runs elsewhere takes no request without the token that a variable holds.

    Mend: set the variable where the client is started, or write a default: `${VAR:-}`.
    """
    given = expansion.environment(world)
    for entry in mcp_servers.read_by_client(world):
        missing = [
            one for one in expansion.unset(entry.settings, given) if not _set_in_project(world, one.variable)
        ]
        token = server_token.missing(world, entry)
        if token is not None and not _set_in_project(world, token):
            message = f"{token}: not set here, and the server takes no request without its token"
            yield about("server.env", Status.ERROR, entry, message, server_token.hint(token), "headers")
            continue
        if not missing:
            continue
        broken = any(one.keys[0] in ("command", "url") for one in missing)
        names = ", ".join(dict.fromkeys(one.variable for one in missing))
        yield about(
            "server.env",
            Status.ERROR if broken else Status.WARNING,
            entry,
            f"{names}: not set here, so the server "
            + ("cannot be found" if broken else "gets the reference itself as a value"),
            _how_to_set(world, missing[0].variable),
            *missing[0].keys,
        )


def timeout(world: World) -> Iterator[Finding]:
    """A time limit is shorter than a local model needs to load, or is not what it seems.

    `timeout` of a server's entry, MCP_TOOL_TIMEOUT and MCP_TIMEOUT count in milliseconds, however much an
    answer progresses. A call beyond the first two fails; a server that needs longer than the last to start is
    missing. An entry's `timeout` below 1,000 is ignored, MCP_TOOL_TIMEOUT below it counts as 1,000.

    Mend: take the limit out, or write at least 300000 for local models; the number in milliseconds.
    """
    entries = mcp_servers.read_by_client(world)
    for entry in entries:
        yield from _entry_timeout(world, entry)
    if entries:
        yield from _call_timeout(world, entries)
        yield from _start_timeout(world)


def output_limit(world: World) -> Iterator[Finding]:
    """Results of tools are longer than the client lets through.

    Beyond MAX_MCP_OUTPUT_TOKENS, about four characters each, or 50,000 characters, Claude gets the name of a
    file instead of the answer, and must read it in pieces.

    Mend: unset MAX_MCP_OUTPUT_TOKENS, whose default is 25,000, or lower `max_output_chars` in config.yaml.
    """
    entries = mcp_servers.read_by_client(world)
    needed = _longest_result(world, entries)
    if needed > _LONGEST_RESULT:
        yield Finding(
            "server.output-limit",
            Status.WARNING,
            f"max_output_chars is {needed:,}, and the client writes what is beyond 50,000 to a file",
            path=world.layout.config,
            hint=f"set it to {_LONGEST_RESULT} at most",
        )
    found = variables.effective(world, "MAX_MCP_OUTPUT_TOKENS")
    if found is None or not entries:
        return
    tokens = _number(found.value)
    if tokens is None:
        yield _about_variable(
            "server.output-limit", Status.WARNING, found, "is not a number above 0 and is ignored"
        )
    elif tokens < _FEW_TOKENS or tokens * _CHARS_A_TOKEN < needed:
        lost = f"results of up to {needed:,} characters" if needed else "most results"
        yield _about_variable(
            "server.output-limit",
            Status.WARNING,
            found,
            f"lets about {tokens * _CHARS_A_TOKEN:,} characters through: {lost} end up in a file",
        )


def _set_in_project(world: World, name: str) -> bool:
    """Whether a project's settings set it, of which nobody can say when the client follows them."""
    levels = (Level.PROJECT, Level.LOCAL)
    return any(
        name in world.document(one.path).mapping("env")
        for one in settings_files(world)
        if one.level in levels
    )


def _how_to_set(world: World, name: str) -> str:
    for one in variables.assignments(world, name):
        if one.source is Source.PROFILE:
            return f"{one.path} sets it: start a new shell, and the client from there"
    return f"export {name}=…, or write ${{{name}:-}} for an empty default"


def _entry_timeout(world: World, entry: ServerEntry) -> Iterator[Finding]:
    limit = entry.settings.get("timeout")
    if limit is None:
        return
    if limit < _SHORTEST_MS:
        message = f"`timeout` is {limit:g} milliseconds, and the client ignores what is below 1,000"
        hint = f"write it in milliseconds: {limit * 1000:g}"
    elif limit < _COLD_LOAD_MS and mcp_servers.is_ours(world, entry):
        message = f"calls are cut after {limit / 1000:g} s, and a local model may need longer to load"
        hint = "remove `timeout`, or write 300000"
    else:
        return
    yield about("server.timeout", Status.WARNING, entry, message, hint, "timeout")


def _call_timeout(world: World, entries: tuple[ServerEntry, ...]) -> Iterator[Finding]:
    found = variables.effective(world, "MCP_TOOL_TIMEOUT")
    if found is None:
        return
    limit = _number(found.value)
    ours = [one for one in entries if mcp_servers.is_ours(world, one) and not _has_own_limit(one)]
    if limit is None:
        yield _about_variable(
            "server.timeout", Status.WARNING, found, "is not a number above 0 and is ignored"
        )
    elif limit <= _SHORTEST_MS:
        yield _about_variable(
            "server.timeout", Status.ERROR, found, "counts in milliseconds: every tool call is cut after 1 s"
        )
    elif limit < _COLD_LOAD_MS and ours:
        yield _about_variable(
            "server.timeout",
            Status.WARNING,
            found,
            f"cuts each call after {limit / 1000:g} s, and a local model may need longer to load",
        )


def _start_timeout(world: World) -> Iterator[Finding]:
    found = variables.effective(world, "MCP_TIMEOUT")
    if found is None or _is_projects(world, found.path):
        # The newer client lets a project give its servers more time, not less.
        return
    limit = _number(found.value)
    if limit is None:
        yield _about_variable(
            "server.timeout", Status.WARNING, found, "is not a number above 0 and is ignored"
        )
    elif limit < _SHORTEST_MS:
        yield _about_variable(
            "server.timeout",
            Status.ERROR,
            found,
            f"counts in milliseconds: a server that has not started after {limit} ms is given up",
        )


def _is_projects(world: World, path: Path | None) -> bool:
    levels = (Level.PROJECT, Level.LOCAL)
    return any(one.path == path for one in settings_files(world) if one.level in levels)


def _has_own_limit(entry: ServerEntry) -> bool:
    return (entry.settings.get("timeout") or 0) >= _SHORTEST_MS


def _longest_result(world: World, entries: tuple[ServerEntry, ...]) -> int:
    """The longest result that a tool of ours may give, in characters; 0 where nobody here knows one."""
    from supervisor_setup.checks import backend_config

    if mcp_servers.runs_elsewhere(world) or not any(mcp_servers.is_ours(world, one) for one in entries):
        return 0
    settings = None if isinstance(world.config, UserError) else backend_config.settings(world)
    return (
        max((tool.max_output_chars for tool in settings.tools if tool.enabled), default=0) if settings else 0
    )


def _number(text: str) -> int | None:
    """As the client reads it: the digits at the start."""
    found = re.match(r"\s*\+?(\d{1,15})", text)
    number = int(found[1]) if found else 0
    return number or None


def _about_variable(check: str, status: Status, found: Assignment, what: str) -> Finding:
    return Finding(
        check,
        status,
        f"{found.name}={found.value[:40]} {what}",
        path=found.path,
        line=found.line,
        hint=found.removal,
    )
