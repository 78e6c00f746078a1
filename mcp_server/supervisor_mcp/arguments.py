"""A tool's arguments: their schema, their checks, and the message that they make."""

import re
from collections.abc import Mapping

from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_ITEMS = 2000
MAX_LABELS = 100
MAX_SHORT_CHARS = 4000
"""Characters of what says what is wanted: a question, a focus, criteria, a path, a label."""


class Argument(Record):
    """One argument of a tool that reads files.

    `kind` is string, strings, integer or object; an integer lies between `least` and `most`, of strings there
    are at most `most`. `short` says that each string says what is wanted and is no material itself.
    """

    name: str
    kind: str
    description: str = ""
    required: bool = True
    least: int = 0
    most: int = 0
    short: bool = True


_PATHS = Argument(
    name="paths", kind="strings", description="Files, folders, globs (src/**/*.py)", most=MAX_ITEMS
)
# What the kinds of tools that read files take; the tools' own names, descriptions and limits are data.
_OF_KIND = {
    "summarize": (
        _PATHS,
        Argument(name="focus", kind="string", required=False),
        Argument(
            name="words",
            kind="integer",
            description="Default 150",
            required=False,
            least=10,
            most=1000,
        ),
    ),
    "ask": (_PATHS, Argument(name="question", kind="string")),
    "classify": (
        _PATHS.but(required=False),
        Argument(
            name="items",
            kind="strings",
            description="Texts, instead of paths",
            required=False,
            most=MAX_ITEMS,
            short=False,
        ),
        Argument(name="labels", kind="strings", most=MAX_LABELS),
        Argument(name="criteria", kind="string", description="What each label means", required=False),
    ),
    "extract": (_PATHS, Argument(name="schema", kind="object", description="JSON Schema of one file's data")),
}
_JSON_TYPES: "dict[str, dict[str, Any]]" = {
    "string": {"type": "string"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "integer": {"type": "integer"},
    "object": {"type": "object"},
}


def of(tool: Tool) -> tuple[Argument, ...]:
    """The arguments that the tool takes; what config.yaml says of one replaces its description."""
    known = _OF_KIND.get(tool.kind)
    if known is None:
        return tuple(
            Argument(name=name, kind="string", description=text, short=False)
            for name, text in tool.arguments.items()
        )
    return tuple(one.but(description=tool.arguments.get(one.name, one.description)) for one in known)


def names_of_kind(kind: str) -> tuple[str, ...] | None:
    """The arguments of a kind of tool whose arguments cannot be chosen; None for the others."""
    known = _OF_KIND.get(kind)
    return None if known is None else tuple(one.name for one in known)


def schema(tool: Tool) -> "dict[str, Any]":
    """The JSON Schema of the tool's arguments, as tools/list shows it."""
    taken = of(tool)
    properties = {
        one.name: {**_JSON_TYPES[one.kind], **({"description": one.description} if one.description else {})}
        for one in taken
    }
    required = [one.name for one in taken if one.required]
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def problem(tool: Tool, arguments: "Mapping[str, Any]") -> str | None:
    """What is wrong with the arguments, and how to call instead; None when nothing is."""
    taken = of(tool)
    wanted = ", ".join(one.name for one in taken) or "no arguments"
    for name in arguments:
        if all(name != one.name for one in taken):
            return f"{tool.name} has no argument `{name}`. Call it again with {wanted}."
    for one in taken:
        if one.name in arguments:
            wrong = _wrong(one, arguments[one.name])
            if wrong:
                return f"`{one.name}` of {tool.name} {wrong}"
        elif one.required:
            return f"{tool.name} needs the argument `{one.name}`. Call it again with {wanted}."
    if tool.kind == "classify" and ("paths" in arguments) == ("items" in arguments):
        return f"{tool.name} needs either `paths` or `items`. Call it again with one of them."
    length = sum(_length(arguments.get(one.name)) for one in taken if not one.short)
    if length > tool.max_input_chars:
        return (
            f"The arguments of {tool.name} have {length} characters; it takes {tool.max_input_chars}. "
            "Split the material, call once for each part, and put the answers together."
        )
    return None


def example(tool: Tool, token: str) -> str:
    """A call's arguments in which each that is needed is `token`, as far as its type allows."""
    written = {"string": f'"{token}"', "strings": f'["{token}"]', "object": "{}", "integer": "10"}
    taken = [one for one in of(tool) if one.required or (one.name == "paths" and tool.kind == "classify")]
    return ", ".join(f"{one.name}={written[one.kind]}" for one in taken)


def message(tool: Tool, arguments: Mapping[str, str]) -> str:
    """The user message for checked arguments; what an argument says is never taken for a placeholder."""
    if tool.template is None:
        return "\n\n".join(arguments[name] for name in tool.arguments)
    names = "|".join(re.escape(name) for name in tool.arguments)
    return re.sub(f"{{({names})}}", lambda found: arguments[found[1]], tool.template)


def _wrong(one: Argument, value: object) -> str | None:
    """What is wrong with a value, after the argument's name."""
    if one.kind == "string":
        return _wrong_text(one, value)
    if one.kind == "strings":
        return _wrong_list(one, value)
    if one.kind == "object":
        return None if isinstance(value, dict) else "must be an object. Call it again with the object itself."
    if isinstance(value, bool) or not isinstance(value, int) or not one.least <= value <= one.most:
        return f"must be a whole number from {one.least} to {one.most}."
    return None


def _wrong_text(one: Argument, value: object) -> str | None:
    if not isinstance(value, str):
        return "must be a string. Call it again with the text itself."
    if not value.strip():
        return "is empty. Call it again with the text itself."
    if one.short and len(value) > MAX_SHORT_CHARS:
        return f"has {len(value)} characters; it takes {MAX_SHORT_CHARS}. Call it again with less."
    return None


def _wrong_list(one: Argument, value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return 'must be a list of strings. Call it again with a list such as ["a", "b"].'
    if not value:
        return "is empty. Call it again with at least one string."
    if len(value) > one.most:
        return f"has {len(value)} entries; it takes {one.most}. Call once for each part."
    return next((wrong for text in value if (wrong := _wrong_text(one, text))), None)


def _length(value: object) -> int:
    if isinstance(value, list):
        return sum(map(len, value))
    return len(value) if isinstance(value, str) else 0
