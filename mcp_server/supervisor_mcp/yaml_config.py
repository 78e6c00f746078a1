"""config.yaml read straight, with the line of whatever is wrong in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from supervisor_mcp.settings import from_mapping, merge
from supervisor_mcp.settings_types import KeyPath, Settings, SettingsError


def read(path: str) -> Settings:
    """The settings that the YAML file at `path` asks for.

    Raises:
        SettingsError: The file cannot be read, is not YAML, or says something wrong; with its location.
    """
    document = _parse(path)
    try:
        return from_mapping(merge(document))
    except SettingsError as error:
        line = _line(document, error.key_path)
        location = path if line is None else f"{path}:{line}"
        raise SettingsError(error.key_path, error.message, location=location) from error


def _parse(path: str) -> Mapping[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        document = YAML(typ="rt", pure=True).load(text)
    except OSError as error:
        raise SettingsError((), f"cannot be read: {error.strerror}", location=path) from error
    except UnicodeDecodeError as error:
        raise SettingsError((), "is not UTF-8", location=path) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = f"{path}:{mark.line + 1}" if mark else path
        raise SettingsError((), f"is not valid YAML: {error.problem}", location=location) from error
    except YAMLError as error:
        raise SettingsError((), f"is not valid YAML: {error}".splitlines()[0], location=path) from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise SettingsError((), "must be a mapping of settings", location=f"{path}:1")
    return document


def _line(document: object, key_path: KeyPath) -> int | None:
    """The line of the deepest part of `key_path` that stands in the file; None for what only defaults say."""
    line = None
    node = document
    for key in key_path:
        if not isinstance(node, CommentedBase) or not isinstance(node, Mapping | list):
            break
        try:
            position = node.lc.key(key) if isinstance(node, Mapping) else node.lc.item(key)
            node = node[key]  # type: ignore[index]
        except (LookupError, TypeError):
            break
        line = position[0] + 1
    return line
