"""Checks of merged settings, value by value.

The JSON Schema says the same for editors and for `install`; the server checks again because it may read a
config.yaml that changed since, and because importing a schema validator would cost more than the whole start.
"""

import os
from collections.abc import Callable, Mapping

from supervisor_mcp import arguments
from supervisor_mcp.settings_types import (
    Backend,
    Cache,
    Embedded,
    Files,
    KeyPath,
    Server,
    SettingsError,
    Tool,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BACKEND_KINDS = ("litellm", "ollama", "openai")
FILE_KINDS = ("summarize", "ask", "classify", "extract")
TOOL_KINDS = ("prompt", "models", *FILE_KINDS)
MAX_DESCRIPTION_CHARS = 2048
MAX_SECONDS = 86_400
FILES_INPUT_CHARS = 4_000_000
"""What one call of a tool reads at the most, unless config.yaml says otherwise."""
DEFAULT_ARGUMENTS = {"prompt": "The whole task in one text, with everything that the model needs to know."}


def server(data: "Mapping[str, Any]") -> Server:
    """The `server` part."""
    return Server(**_fields(data, ("server",), _SERVER_FIELDS, required=("name", "always_load")))


def backends(data: object) -> tuple[Backend, ...]:
    """The `backends` part, in order; names are unique."""
    if not isinstance(data, list):
        raise SettingsError(("backends",), "must be a list")
    found = tuple(_backend(item, ("backends", number)) for number, item in enumerate(data))
    names = [backend.name for backend in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise SettingsError(("backends", number, "name"), f"is {name!r}, which another backend is called")
    return found


def tool(name: str, data: object) -> Tool:
    """One entry of `tools`."""
    path = ("tools", name)
    if not _is_tool_name(name):
        raise SettingsError(
            path, "is not a tool's name: small letters, digits and _, a letter first, at most 64"
        )
    values = _fields(_as_mapping(data, path), path, _TOOL_FIELDS, required=("description",))
    values = {"kind": "prompt", **values}
    if values["kind"] != "models" and not values.get("model"):
        raise SettingsError((*path, "model"), "is missing: name the model that the tool asks")
    if values["kind"] == "prompt":
        values.setdefault("arguments", DEFAULT_ARGUMENTS)
        _check_template(values, path)
    if values["kind"] in FILE_KINDS:
        values.setdefault("max_input_chars", FILES_INPUT_CHARS)
    fixed = arguments.names_of_kind(values["kind"])
    for argument in values.get("arguments", {}):
        if fixed is not None and argument not in fixed:
            text = f"is no argument of the kind {values['kind']}, which has {', '.join(fixed)}"
            raise SettingsError((*path, "arguments", argument), text)
    return Tool(name=name, **values)


def files(data: "Mapping[str, Any]") -> Files:
    """The `files` part."""
    return Files(**_fields(data, ("files",), _FILES_FIELDS, required=()))


def embedded(data: "Mapping[str, Any]") -> Embedded:
    """The `embedded` part."""
    return Embedded(**_fields(data, ("embedded",), _EMBEDDED_FIELDS, required=()))


def cache(data: "Mapping[str, Any]") -> Cache:
    """The `cache` part."""
    return Cache(**_fields(data, ("cache",), _CACHE_FIELDS, required=()))


def _backend(data: object, path: KeyPath) -> Backend:
    values = _fields(_as_mapping(data, path), path, _BACKEND_FIELDS, required=("name", "kind", "url"))
    key = values.pop("api_key", {})
    return Backend(**values, key_env=key.get("env"), key_file=key.get("file"))


def _check_template(values: "dict[str, Any]", path: KeyPath) -> None:
    template = values.get("template")
    for argument in values["arguments"]:
        if template is not None and f"{{{argument}}}" not in template:
            raise SettingsError(
                (*path, "template"), f"leaves out {{{argument}}}, so that argument would be lost"
            )


def _is_tool_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.isascii()
        and name[:1].islower()
        and len(name) <= 64
        and all(letter.islower() or letter.isdigit() or letter == "_" for letter in name)
    )


def _fields(
    data: "Mapping[str, Any]",
    path: KeyPath,
    checks: "Mapping[str, Callable[[Any, KeyPath], Any]]",
    *,
    required: tuple[str, ...],
) -> "dict[str, Any]":
    for name in data:
        if name not in checks:
            raise SettingsError((*path, name), f"is not known here; known are {', '.join(checks)}")
    for name in required:
        if name not in data:
            raise SettingsError((*path, name), "is missing")
    return {name: checks[name](value, (*path, name)) for name, value in data.items()}


def _as_mapping(value: object, path: KeyPath) -> "Mapping[str, Any]":
    if not isinstance(value, Mapping):
        raise SettingsError(path, "must be a mapping")
    return value


def _text(value: object, path: KeyPath) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(path, "must be a text that is not empty")
    return str(value)


def _any_text(value: object, path: KeyPath) -> str:
    return "" if value == "" else _text(value, path)


def _boolean(value: object, path: KeyPath) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(path, "must be true or false")
    return value


def _number(lowest: float, highest: float, *, whole: bool = False) -> "Callable[[Any, KeyPath], Any]":
    kinds = (int,) if whole else (int, float)

    def check(value: object, path: KeyPath) -> float:
        if isinstance(value, bool) or not isinstance(value, kinds) or not lowest <= value <= highest:
            kind = "whole number" if whole else "number"
            raise SettingsError(path, f"must be a {kind} from {lowest:g} to {highest:g}")
        return int(value) if whole else float(value)

    return check


def _one_of(choices: tuple[str, ...]) -> "Callable[[Any, KeyPath], str]":
    def check(value: object, path: KeyPath) -> str:
        if value not in choices:
            raise SettingsError(path, f"is {value!r}; it must be one of {', '.join(choices)}")
        return str(value)

    return check


def _texts(value: object, path: KeyPath) -> dict[str, str]:
    return {str(name): _text(text, (*path, name)) for name, text in _as_mapping(value, path).items()}


def _arguments(value: object, path: KeyPath) -> dict[str, str]:
    found = {name: _any_text(text, (*path, name)) for name, text in _as_mapping(value, path).items()}
    if not found:
        raise SettingsError(path, "must name at least one argument")
    for name in found:
        if not _is_tool_name(name):
            raise SettingsError((*path, name), "is not an argument's name: small letters, digits and _")
    return found


def _description(value: object, path: KeyPath) -> str:
    text = _text(value, path)
    if len(text) > MAX_DESCRIPTION_CHARS:
        raise SettingsError(
            path, f"has {len(text)} characters; the client cuts it at {MAX_DESCRIPTION_CHARS}"
        )
    return text


def _url(value: object, path: KeyPath) -> str:
    url = _text(value, path).rstrip("/").removesuffix("/v1")
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("http", "https") or not host or any(mark in url for mark in "?# \t\n"):
        raise SettingsError(path, "must be an http(s) URL without a query, such as http://koala:4000")
    if "@" in host:
        raise SettingsError(path, "must not hold a user name or password; use `api_key`")
    return url


def _api_key(value: object, path: KeyPath) -> "dict[str, str]":
    source = _fields(_as_mapping(value, path), path, {"env": _text, "file": _text}, required=())
    if len(source) != 1:
        raise SettingsError(path, "must name either `env` or `file`, never the key itself")
    if "file" in source:
        source["file"] = os.path.expanduser(source["file"])  # noqa: PTH111 # pathlib takes 6 ms of the start
        if not os.path.isabs(source["file"]):  # noqa: PTH117 # likewise
            raise SettingsError((*path, "file"), "must be an absolute path or begin with ~/")
    return source


def _text_list(value: object, path: KeyPath) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingsError(path, "must be a list")
    return tuple(_text(item, (*path, number)) for number, item in enumerate(value))


def _absolute(value: object, path: KeyPath) -> str:
    full = os.path.expanduser(_text(value, path))  # noqa: PTH111 # pathlib takes 6 ms of the start
    if not os.path.isabs(full):  # noqa: PTH117 # likewise
        raise SettingsError(path, "must be an absolute path or begin with ~/")
    return full


def _folders(value: object, path: KeyPath) -> tuple[str, ...]:
    return tuple(_absolute(item, (*path, number)) for number, item in enumerate(_text_list(value, path)))


_SECONDS = _number(0.001, MAX_SECONDS)

_SERVER_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "name": _text,
    "always_load": _boolean,
    "url": lambda value, path: None if value is None else _url(value, path),
    "token_env": _text,
}
_BACKEND_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "name": _text,
    "kind": _one_of(BACKEND_KINDS),
    "url": _url,
    "enabled": _boolean,
    "api_key": _api_key,
    "models": _texts,
    "context_tokens": _number(256, 10_000_000, whole=True),
    "connect_timeout": _SECONDS,
    "timeout": _SECONDS,
    "idle_timeout": _SECONDS,
    "parallel": _number(1, 256, whole=True),
    "local": _boolean,
}

_FILES_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "roots": _folders,
    "max_files": _number(1, 1_000_000, whole=True),
    "max_file_bytes": _number(1, 1_000_000_000, whole=True),
    "cloud_models": _text_list,
}

_EMBEDDED_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "enabled": _boolean,
    "model": _absolute,
    "program": _absolute,
    "context_tokens": _number(256, 10_000_000, whole=True),
    "idle_seconds": _SECONDS,
}

_CACHE_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "enabled": _boolean,
    "max_bytes": _number(1_000_000, 100_000_000_000, whole=True),
}

_TOOL_FIELDS: "dict[str, Callable[[Any, KeyPath], Any]]" = {
    "enabled": _boolean,
    "kind": _one_of(TOOL_KINDS),
    "description": _description,
    "model": _text,
    "system": _any_text,
    "arguments": _arguments,
    "template": _text,
    "max_input_chars": _number(1, 10_000_000, whole=True),
    "max_output_tokens": _number(1, 1_000_000, whole=True),
    "max_output_chars": _number(200, 1_000_000, whole=True),
    "temperature": _number(0, 2),
}
