"""Which entries the client skips, and why: its own rules for a server's entry, read off `claude mcp list`.

Measured on 2.1.197 and 2.1.330, which agree: the entry is left out, the others of the file stay, and a
session says nothing of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

REMOTE_TYPES = ("http", "streamable-http", "sse", "ws")
_LOCAL_TYPES = (None, "stdio")
_OF_OTHERS = ("sdk", "claudeai-proxy")


def problems(spec: Any) -> list[str]:
    """What makes the client skip this entry; nothing for an entry that it takes."""
    if not isinstance(spec, Mapping):
        return ["is not an object"]
    return list(_problems(spec))


def _problems(spec: Mapping[str, Any]) -> Iterator[str]:
    kind = spec.get("type")
    if kind in REMOTE_TYPES:
        yield from _remote(spec)
    elif kind in _LOCAL_TYPES:
        yield from _local(spec)
    elif kind in _OF_OTHERS:
        yield f'has `"type": "{kind}"`, which only other programs can register'
    else:
        yield f"has an unknown `type`; there are stdio, {', '.join(REMOTE_TYPES)}"
    yield from _common(spec)


def _remote(spec: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(spec.get("url"), str):
        yield "has no `url`"
    yield from _texts(spec, "headers")


def _local(spec: Mapping[str, Any]) -> Iterator[str]:
    command = spec.get("command")
    if command is None and "type" not in spec and isinstance(spec.get("url"), str):
        yield 'has a `url` but no `type`; add `"type": "http"` (or "sse")'
        return
    if command is None:
        yield "has no `command`"
    elif not isinstance(command, str):
        yield "`command` is not a string; its arguments go into `args`"
    elif not command:
        yield "`command` is empty"
    if "args" in spec:
        arguments = spec["args"]
        if not isinstance(arguments, list):
            yield "`args` is not a list"
        elif not all(isinstance(one, str) for one in arguments):
            yield "`args` has an item that is not a string"
    yield from _texts(spec, "env")


def _texts(spec: Mapping[str, Any], key: str) -> Iterator[str]:
    if key not in spec:
        return
    if not isinstance(spec[key], Mapping):
        yield f"`{key}` is not an object"
        return
    for name, value in spec[key].items():
        if not isinstance(value, str):
            yield f"`{key}.{name}` is not a string"


def _common(spec: Mapping[str, Any]) -> Iterator[str]:
    if not _is_positive_whole(spec.get("timeout", 1)):
        yield "`timeout` is not a positive whole number (milliseconds)"
    if not isinstance(spec.get("alwaysLoad", False), bool):
        yield "`alwaysLoad` is not true or false"


def _is_positive_whole(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 and value == value // 1
