"""What is wrong with single values of an agent's frontmatter: its keys, model, tools and options.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.vocabulary import Vocabulary, kind, near_key
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Field, Frontmatter

_CONSEQUENCES = {
    "permissionMode": "the agent runs in the session's mode",
    "maxTurns": "nothing limits the agent's turns",
    "autoCompactWindow": "the session's window holds",
    "effort": "the agent runs with the session's effort",
    "memory": "the agent keeps no notes",
    "isolation": "the agent works in your own tree",
    "mcpServers": "the agent gets no servers of its own",
}
_TOOL = re.compile(r"[^\s,()]+(?:\([^)]*\))?")


def unknown_keys(path: Path, parsed: Frontmatter, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Keys that the client ignores, among them misspelt ones that would have mattered."""
    for key, field in parsed.fields.items():
        if key in vocabulary.keys:
            continue
        near = near_key(key, vocabulary, parsed)
        status, effect = Status.WARNING if near else Status.INFO, "it has no effect"
        if near == "model":
            status, effect = Status.ERROR, "the agent runs on the main model"
        elif near == "tools":
            effect = "the agent has every tool"
        yield Finding(
            "agents.unknown-key",
            status,
            f"the client does not know `{key}` and ignores it: {effect}",
            path,
            field.line,
            hint=f"did you mean `{near}`?" if near else None,
        )


def model(path: Path, parsed: Frontmatter, vocabulary: Vocabulary) -> Iterator[Finding]:
    """A model that the agent will not run on."""
    field = parsed.fields.get("model")
    if field is None:
        return
    if not isinstance(field.value, str) or not field.value.strip():
        found = "empty" if field.value is None or isinstance(field.value, str) else kind(field.value)
        message = f"`model` is {found}, not a text, and is ignored: the agent runs on the main model"
        yield Finding("agents.model", Status.ERROR, message, path, field.line, hint="model: haiku")
        return
    model = field.value.strip()
    if model.lower() in vocabulary.aliases or vocabulary.model_id.fullmatch(model.lower()):
        return
    near = difflib.get_close_matches(model.lower(), sorted(vocabulary.aliases), n=1, cutoff=0.5)
    yield Finding(
        "agents.model",
        Status.ERROR,
        f"the client passes the model `{model}` on as it is, and the API answers 404: every delegation fails",
        path,
        field.line,
        hint=f"did you mean `model: {near[0]}`?"
        if near
        else "use haiku, sonnet, opus, inherit or a full claude- id",
    )


def ignored_values(path: Path, parsed: Frontmatter, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Values that the client passes over, as if the key were not there."""
    for key, field in parsed.fields.items():
        if key == "hooks":
            yield from _hooks(path, field)
            continue
        takes = _taken(key, vocabulary, field.value)
        if takes is None:
            continue
        effect = _CONSEQUENCES.get(key)
        yield Finding(
            "agents.ignored-value",
            Status.INFO if key == "color" else Status.WARNING,
            f"the client ignores this `{key}`" + (f": {effect}" if effect else ""),
            path,
            field.line,
            hint=f"it takes {takes}",
        )


def _taken(key: str, vocabulary: Vocabulary, value: object) -> str | None:
    """What `key` takes, when `value` is not that."""
    if key in vocabulary.values:
        allowed = vocabulary.values[key]
        fits = any(type(value) is type(one) and value == one for one in allowed)
        return (
            None
            if fits
            else ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in allowed)
        )
    if key == "maxTurns":
        return None if _integer(value) >= 1 else "a positive integer"
    if key == "autoCompactWindow":
        return None if _integer(value) >= 100_000 else "an integer of at least 100000"
    if key == "effort":
        levels = ("low", "medium", "med", "high", "xhigh", "max")
        return (
            None if str(value).lower() in levels or _integer(value) else f"{', '.join(levels)} or an integer"
        )
    if key == "mcpServers":
        return None if isinstance(value, list) else "a list of server names and definitions"
    return None


def _integer(value: object) -> int:
    """The whole number that the client reads from `value`; 0 for none."""
    if isinstance(value, str) and re.match(r"\s*\+?[0-9]", value):
        value = int(re.sub(r"^\s*\+?([0-9]+).*", r"\1", value, flags=re.DOTALL))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _hooks(path: Path, field: Field) -> Iterator[Finding]:
    hooks = field.value
    guards = ("PreToolUse", "PermissionRequest")
    if not hooks or (
        isinstance(hooks, dict) and all(isinstance(hooks.get(name, []), list) for name in guards)
    ):
        return
    yield Finding(
        "agents.ignored-value",
        Status.ERROR,
        "`hooks` cannot be loaded, so 2.1.330 drops the agent, and 2.1.197 runs it without them",
        path,
        field.line,
        hint="it takes event names, each with a list of matchers",
    )


def tools(path: Path, parsed: Frontmatter, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Too many tools, none, or tools that do not exist."""
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
    unknown = [name for name in names if not (name in vocabulary.tools or name.startswith("mcp__"))]
    if unknown:
        yield _unknown_tools(path, field.line, unknown, names, vocabulary)


def _unknown_tools(
    path: Path, line: int, unknown: list[str], names: list[str], vocabulary: Vocabulary
) -> Finding:
    listed = ", ".join(f"`{name}`" for name in unknown[:5])
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    near = {name: _near_tool(name, vocabulary) for name in unknown}
    meant = ", ".join(f"{tool} for {name}" for name, tool in near.items() if tool)
    nothing_left = len(unknown) == len(names)
    return Finding(
        "agents.unknown-tool",
        Status.ERROR if nothing_left else Status.WARNING,
        f"the client has no tool {listed}{more}: "
        + ("it refuses to start the agent, which has no other" if nothing_left else "the agent goes without"),
        path,
        line,
        hint=f"did you mean {meant}?" if meant else "MCP tools are named mcp__SERVER__TOOL",
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


def tool_names(value: object) -> list[str]:
    """The names in a `tools` value as the client splits them, without their specifiers."""
    if isinstance(value, str):
        return [match[0].partition("(")[0] for match in _TOOL.finditer(value)]
    if isinstance(value, list):
        return [name for item in value if isinstance(item, str) for name in tool_names(item)]
    return []


def _near_tool(name: str, vocabulary: Vocabulary) -> str | None:
    bare = name.strip("`'\"[];.").lower()
    by_lower = {tool.lower(): tool for tool in vocabulary.tools}
    near = difflib.get_close_matches(bare, by_lower, n=1, cutoff=0.8)
    return by_lower[near[0]] if near else None
