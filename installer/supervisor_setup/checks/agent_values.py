"""What is wrong with the keys and options of an agent's frontmatter.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.surroundings import Surroundings
from supervisor_setup.checks.vocabulary import Vocabulary, near_key
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


def unknown_keys(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    """Keys that the client ignores, among them misspelt ones that would have mattered."""
    for key, field in parsed.fields.items():
        if key in around.vocabulary.keys:
            continue
        near = near_key(key, around.vocabulary, parsed)
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
            hint=f"did you mean `{near}`?" if near else "take it out, or leave it for another program",
        )


def ignored_values(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    """Values that the client passes over, as if the key were not there."""
    for key, field in parsed.fields.items():
        if key == "hooks":
            yield from _hooks(path, field, around)
            continue
        takes = _taken(key, around.vocabulary, field.value)
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


def _hooks(path: Path, field: Field, around: Surroundings) -> Iterator[Finding]:
    hooks = field.value
    guards = ("PreToolUse", "PermissionRequest")
    if not hooks or (
        isinstance(hooks, dict) and all(isinstance(hooks.get(name, []), list) for name in guards)
    ):
        return
    loads = around.facts.agree("odd_agent_files_load")
    if loads is None:
        effect = "2.1.330 drops the agent, and 2.1.197 runs it without them"
    else:
        effect = "the agent runs without them" if loads else "the client drops the agent"
    yield Finding(
        "agents.ignored-value",
        Status.ERROR,
        f"`hooks` cannot be loaded, so {effect}",
        path,
        field.line,
        hint="it takes event names, each with a list of matchers",
    )
