"""A tool's arguments: their schema, their checks, and the message that they make."""

import re
from collections.abc import Mapping

from supervisor_mcp.settings_types import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def schema(tool: Tool) -> "dict[str, Any]":
    """The JSON Schema of the tool's arguments, as tools/list shows it."""
    properties = {
        name: {"type": "string", **({"description": text} if text else {})}
        for name, text in tool.arguments.items()
    }
    required = {"required": list(properties)} if properties else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def problem(tool: Tool, arguments: "Mapping[str, Any]") -> str | None:
    """What is wrong with the arguments, and how to call instead; None when nothing is."""
    wanted = ", ".join(tool.arguments) or "no arguments"
    for name in arguments:
        if name not in tool.arguments:
            return f"{tool.name} has no argument `{name}`. Call it again with {wanted}."
    for name in tool.arguments:
        if name not in arguments:
            return f"{tool.name} needs the argument `{name}`. Call it again with {wanted}."
        if not isinstance(arguments[name], str):
            return f"`{name}` of {tool.name} must be a string. Call it again with the text itself."
        if not arguments[name].strip():
            return f"`{name}` of {tool.name} is empty. Call it again with the text itself."
    length = sum(len(arguments[name]) for name in tool.arguments)
    if length > tool.max_input_chars:
        return (
            f"The arguments of {tool.name} have {length} characters; it takes {tool.max_input_chars}. "
            "Split the material, call once for each part, and put the answers together."
        )
    return None


def message(tool: Tool, arguments: Mapping[str, str]) -> str:
    """The user message for checked arguments; what an argument says is never taken for a placeholder."""
    if tool.template is None:
        return "\n\n".join(arguments[name] for name in tool.arguments)
    names = "|".join(re.escape(name) for name in tool.arguments)
    return re.sub(f"{{({names})}}", lambda found: arguments[found[1]], tool.template)
