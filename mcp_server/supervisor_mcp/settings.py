"""The server's part of config.yaml as values: defaults, merge, checks.

Standard library only and quick to import: the server reads it while the client waits. The installer calls
`merge` to write the cache that `load` reads, so both see the same settings.
"""

import json
import os
from collections.abc import Mapping

from supervisor_mcp import settings_checks as checks
from supervisor_mcp.settings_types import Backend, KeyPath, Server, Settings, SettingsError, Tool, dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Backend",
    "Server",
    "Settings",
    "SettingsError",
    "Tool",
    "defaults",
    "dotted",
    "from_mapping",
    "load",
    "merge",
]

CACHE_SCHEMA_VERSION = 1
CONFIG_VERSION = 1


def defaults() -> "dict[str, Any]":
    """The bundled config, as plain data that the caller may change."""
    path = os.path.join(os.path.dirname(__file__), "defaults.json")  # noqa: PTH118, PTH120 # pathlib takes 6 ms
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 # likewise
        data: dict[str, Any] = json.load(file)
    return data


def merge(user: "Mapping[str, Any]") -> "dict[str, Any]":
    """The user's config over the defaults: `backends` as a whole, `tools` by tool and key, the rest by key.

    Returns plain data with exactly the keys of `defaults`.

    Raises:
        SettingsError: A part does not have the type that merging needs; `from_mapping` checks the rest.
    """
    merged = defaults()
    version = user.get("version", CONFIG_VERSION)
    if version != CONFIG_VERSION:
        raise SettingsError(("version",), f"is {version!r}; this release reads version {CONFIG_VERSION}")
    for part in ("server", "files", "embedded", "cache"):
        merged[part] |= _mapping(user, part, ())
    if "backends" in user:
        merged["backends"] = user["backends"]
    for name, keys in _mapping(user, "tools", ()).items():
        if not isinstance(keys, Mapping):
            raise SettingsError(("tools", name), "must be a mapping")
        merged["tools"][name] = {**merged["tools"].get(name, {}), **keys}
    return merged


def from_mapping(data: "Mapping[str, Any]") -> Settings:
    """Settings from merged data, as `merge` returns it.

    Raises:
        SettingsError: A value is missing, unknown, or of the wrong type; the first one found.
    """
    return Settings(
        server=checks.server(_mapping(data, "server", ())),
        backends=checks.backends(data.get("backends", [])),
        tools=tuple(checks.tool(name, keys) for name, keys in _mapping(data, "tools", ()).items()),
        files=checks.files(_mapping(data, "files", ())),
        embedded=checks.embedded(_mapping(data, "embedded", ())),
        cache=checks.cache(_mapping(data, "cache", ())),
    )


def load(config_path: str | None, cache_path: str | None) -> Settings:
    """The settings in force: from the cache while it matches config.yaml, else from config.yaml.

    Without a config file the defaults hold. The YAML parser is imported only when the cache does not serve.

    Raises:
        SettingsError: config.yaml cannot be read or followed; `location` says where.
    """
    if config_path is None:
        return from_mapping(defaults())
    try:
        stat = os.stat(config_path)  # noqa: PTH116 # pathlib takes 6 ms
    except FileNotFoundError:
        return from_mapping(defaults())
    except OSError as error:
        raise SettingsError((), f"cannot be read: {error.strerror}", location=config_path) from error
    cached = _from_cache(
        cache_path, {"path": config_path, "mtime_ns": stat.st_mtime_ns, "size": stat.st_size}
    )
    if cached is not None:
        return cached
    from supervisor_mcp import yaml_config

    return yaml_config.read(config_path)


def _from_cache(path: str | None, source: "dict[str, Any]") -> Settings | None:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 # pathlib takes 6 ms
            data = json.load(file)
        if data["schema_version"] != CACHE_SCHEMA_VERSION or data["source"] != source:
            return None
        return from_mapping(data["settings"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SettingsError):
        return None  # a cache that does not serve is not an error: config.yaml is the truth


def _mapping(data: "Mapping[str, Any]", key: str, path: KeyPath) -> "Mapping[str, Any]":
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise SettingsError((*path, key), "must be a mapping")
    return value
