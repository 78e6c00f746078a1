"""What is wrong with the tools that an agent's file gives or takes away.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from supervisor_setup.checks.surroundings import Surroundings
from supervisor_setup.checks.vocabulary import Vocabulary, nearest
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter

_TOOL = re.compile(r"[^\s,()]+(?:\([^)]*\))?")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_MCP = "mcp__"
_MCP_NAME = re.compile(r"mcp__[a-zA-Z0-9_-]+\*?")
_SHOWN = 5
_MCP_HINT = (
    "take it out; a tool of an MCP server is mcp__SERVER__TOOL, with _ for all but letters, digits and -"
)


def tools(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    """Too many tools, none, or tools that do not exist."""
    yield from _denied(path, parsed, around)
    field = parsed.fields.get("tools")
    names = ["*"] if field is None else tool_names(field.value)
    if field is None or "*" in names:
        if not parsed.fields.get("disallowedTools"):
            yield _unbounded(path, field.line if field else 1)
        return
    if not names:
        message = "`tools` holds no tool name, so the agent has no tool at all"
        yield Finding(
            "agents.unknown-tool", Status.WARNING, message, path, field.line, hint="tools: Read, Grep, Glob"
        )
        return
    unknown = [name for name in names if not _can_exist(name, around.vocabulary)]
    foreign = _of_unknown_servers(names, parsed, around)
    nothing_left = len(unknown) + len(foreign) == len(names)
    if unknown:
        yield _unknown_tools(path, field.line, unknown, around, nothing_left=nothing_left)
    if foreign:
        yield _unknown_servers(path, field.line, foreign, around, nothing_left=nothing_left)


def tool_names(value: object) -> list[str]:
    """The names in a `tools` value as the client splits them, without their specifiers."""
    if isinstance(value, str):
        return [match[0].partition("(")[0] for match in _TOOL.finditer(value)]
    if isinstance(value, list):
        return [name for item in value if isinstance(item, str) for name in tool_names(item)]
    return []


def server_in_names(server: str) -> str:
    """The name of an MCP server as it stands in its tools' names."""
    return _NOT_IN_NAMES.sub("_", server)


def _can_exist(name: str, vocabulary: Vocabulary) -> bool:
    return name in vocabulary.tools or bool(_MCP_NAME.fullmatch(name))


def _denied(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    """Names in `disallowedTools` that take nothing away."""
    field = parsed.fields.get("disallowedTools")
    names = tool_names(field.value) if field else []
    idle = [name for name in names if not _can_exist(name, around.vocabulary)]
    if field is not None and idle:
        yield Finding(
            "agents.unknown-tool",
            Status.WARNING,
            f"the client has no tool {_listed(idle)}, so `disallowedTools` takes nothing away with it",
            path,
            field.line,
            hint=_meant(idle, around.vocabulary)
            or "name each tool, or list in `tools` what the agent may use",
        )


def _of_unknown_servers(names: Sequence[str], parsed: Frontmatter, around: Surroundings) -> list[str]:
    """The MCP tools among `names` whose server nobody has configured; [] where that is unknown."""
    if around.servers is None:
        return []
    known = around.servers | _own_servers(parsed)
    found = []
    for name in names:
        server = name.removeprefix(_MCP)
        if not _MCP_NAME.fullmatch(name) or around.vocabulary.client_server.fullmatch(_server_of(name)):
            continue
        if not any(server == one or server.startswith(f"{one}__") for one in known):
            found.append(name)
    return found


def _own_servers(parsed: Frontmatter) -> frozenset[str]:
    """The servers that the agent's file defines or names."""
    field = parsed.fields.get("mcpServers")
    items = field.value if field is not None and isinstance(field.value, list) else []
    names = [name for item in items for name in (item if isinstance(item, dict) else [item])]
    return frozenset(server_in_names(str(name)) for name in names)


def _server_of(tool: str) -> str:
    return tool.removeprefix(_MCP).partition("__")[0]


def _unknown_tools(
    path: Path, line: int, unknown: list[str], around: Surroundings, *, nothing_left: bool
) -> Finding:
    return Finding(
        "agents.unknown-tool",
        Status.ERROR if nothing_left else Status.WARNING,
        f"the client has no tool {_listed(unknown)}: {_effect(around, nothing_left=nothing_left)}",
        path,
        line,
        hint=_meant(unknown, around.vocabulary) or _MCP_HINT,
    )


def _unknown_servers(
    path: Path, line: int, foreign: list[str], around: Surroundings, *, nothing_left: bool
) -> Finding:
    server = _server_of(foreign[0])
    near = nearest(server, around.servers or ())
    return Finding(
        "agents.unknown-tool",
        # It may still come with --mcp-config, so this is never certain.
        Status.WARNING,
        f"the client finds no MCP server for {_listed(foreign)}: "
        + _effect(around, nothing_left=nothing_left),
        path,
        line,
        hint=f"did you mean {_MCP}{near}?" if near else f"claude mcp add {server} -- COMMAND",
    )


def _effect(around: Surroundings, *, nothing_left: bool) -> str:
    """What becomes of an agent without these tools."""
    if not nothing_left:
        return "the agent goes without"
    starts = around.facts.agree("agents_without_tools_start")
    if starts:
        return "the agent has no other, and starts without any"
    return "it refuses to start the agent, which has no other" + (
        " (2.1.197 starts it without tools)" if starts is None else ""
    )


def _unbounded(path: Path, line: int) -> Finding:
    return Finding(
        "agents.unbounded-tools",
        Status.WARNING,
        "the agent has every tool, the one that starts further agents included, and each delegation begins "
        "with some 27 to 62 kB of tool descriptions instead of 10",
        path,
        line,
        hint="name what it needs, for example `tools: Read, Grep, Glob`",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more


def _meant(names: Sequence[str], vocabulary: Vocabulary) -> str | None:
    gone = {name: vocabulary.former_tools[name] for name in names if name in vocabulary.former_tools}
    if gone:
        instead = ", ".join(f"{tool} for {name}" for name, tool in gone.items() if tool)
        return f"it is gone; use {instead}" if instead else "it is gone; take it out"
    near = {name: _near_tool(name, vocabulary) for name in names[:_SHOWN]}
    meant = ", ".join(f"{tool} for {name}" for name, tool in near.items() if tool)
    return f"did you mean {meant}?" if meant else None


def _near_tool(name: str, vocabulary: Vocabulary) -> str | None:
    by_lower = {tool.lower(): tool for tool in sorted(vocabulary.tools)}
    near = nearest(name.strip("`'\"[];.").lower(), by_lower)
    return by_lower[near] if near else None
