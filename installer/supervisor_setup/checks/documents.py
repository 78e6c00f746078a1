"""The client's JSON files as the checks see them: each read once, and whatever is wrong with one is a value.

Of the client's state file, which may have 30 MB, only the parts below are kept. Of a large one msgspec passes
over the rest in a tenth of the time of `json.load` and without building it. Where msgspec refuses, the strict
reader has the last word, and gives the place.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup import files
from supervisor_setup.errors import TargetError
from supervisor_setup.values import dataclass

_BOM = b"\xef\xbb\xbf"
STATE_KEYS = ("mcpServers", "oauthAccount", "customApiKeyResponses", "primaryApiKey")
"""Top-level keys of the state file that are kept, beside `projects`, of which only the present one is."""
_LARGE_BYTES = 2_000_000
"""Below this the standard library is done before msgspec is imported."""


class State(StrEnum):
    """What became of reading a file."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    BROKEN = "broken"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON file: `value` is a good one's; `error`, `line` and `column` say what is wrong with another.

    `stamp` is the file's time of change in seconds, 0 for a missing one.
    """

    path: Path
    state: State
    value: Any = None
    error: str = ""
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    stamp: float = 0.0

    def at(self, *keys: str) -> Any:
        """The value below these keys, None where there is none."""
        found = self.value
        for key in keys:
            if not isinstance(found, Mapping) or key not in found:
                return None
            found = found[key]
        return found

    def mapping(self, *keys: str) -> Mapping[str, Any]:
        """The object below these keys; an empty one where there is none."""
        found = self.at(*keys)
        return found if isinstance(found, Mapping) else {}

    def line_of(self, *keys: str) -> int | None:
        """The line on which the entry below these keys starts, as the file is now."""
        from supervisor_setup.edit import EditError, json_spans

        try:
            data = files.read(self.path).data
            return None if data is None else json_spans.line_of(data, keys)
        except (TargetError, EditError):
            return None


def read(path: Path) -> Document:
    """A whole file."""
    return _read(path, _decoded)


def read_state(path: Path, projects: Sequence[str]) -> Document:
    """The client's state file: `STATE_KEYS`, and of its `projects` those of these names."""
    return _read(path, lambda data: _decoded_state(data, projects))


def _read(path: Path, decode: Any) -> Document:
    try:
        found = files.read(path)
    except TargetError as error:
        return Document(path, State.UNREADABLE, error=error.message, hint=error.hint)
    if found.data is None or found.stat is None:
        return Document(path, State.MISSING)
    stamp = found.stat.st_mtime
    try:
        return Document(path, State.GOOD, value=decode(found.data.removeprefix(_BOM)), stamp=stamp)
    except (ValueError, RecursionError):
        return _strict(path, found.data, stamp)


def _strict(path: Path, data: bytes, stamp: float) -> Document:
    from supervisor_setup.edit import EditError, json_spans

    try:
        return Document(path, State.GOOD, value=json_spans.parse(data), stamp=stamp)
    except EditError as error:
        return Document(
            path, State.BROKEN, error=error.what, line=error.line, column=error.column, stamp=stamp
        )


def _decoded(data: bytes) -> Any:
    # As the client decodes it: a byte that is not UTF-8 becomes a replacement character.
    return json.loads(data.decode("utf-8", "replace"), parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _decoded_state(data: bytes, projects: Sequence[str]) -> dict[str, Any]:
    return _picked(data, projects) if len(data) > _LARGE_BYTES else _kept(_decoded(data), projects)


def _kept(found: Any, projects: Sequence[str]) -> dict[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get("projects", {}), dict):
        raise ValueError("it has another shape")  # noqa: TRY004 - refused, as msgspec does it
    value = {key: found[key] for key in STATE_KEYS if key in found}
    if "projects" in found:
        value["projects"] = {name: part for name, part in found["projects"].items() if name in projects}
    return value


def _picked(data: bytes, projects: Sequence[str]) -> dict[str, Any]:
    import msgspec  # 10 ms, for this file alone

    kinds: dict[str, Any] = {**dict.fromkeys(STATE_KEYS, msgspec.Raw), "projects": dict[str, msgspec.Raw]}
    fields = [(key, kind | msgspec.UnsetType, msgspec.UNSET) for key, kind in kinds.items()]
    shape = msgspec.defstruct("StateFile", fields)
    try:
        found: Any = msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    raw = {key: getattr(found, key) for key in STATE_KEYS}
    value = {key: _decoded(bytes(part)) for key, part in raw.items() if part is not msgspec.UNSET}
    if found.projects is not msgspec.UNSET:
        mine = {name: part for name, part in found.projects.items() if name in projects}
        value["projects"] = {name: _decoded(bytes(part)) for name, part in mine.items()}
    return value
