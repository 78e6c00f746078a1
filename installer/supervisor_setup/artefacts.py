"""What can be installed: a file of our own, an entry in a JSON object, an item in a JSON or YAML list."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup.values import dataclass


class Group(StrEnum):
    """The parts that `--only` chooses from, LiteLLM's config, and three that are nobody's or the user's."""

    AGENTS = "agents"
    MCP = "mcp"
    SKILLS = "skills"
    PERMISSIONS = "permissions"
    LITELLM = "litellm"
    CONFIG = "config"
    BACKUP = "backup"
    STRAY = "stray"


class Kind(StrEnum):
    """How an artefact sits in its file."""

    FILE = "file"
    ENTRY = "entry"
    ITEM = "item"
    YAML_ITEM = "yaml-item"


class Absent:
    """The artefact is not there; a value of its own so that no caller mistakes it for JSON's null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()
_NAMING_PARTS = {Kind.ITEM: 1, Kind.YAML_ITEM: 2}
"""How many parts of a pointer tell an item from its siblings."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an artefact is; two artefacts with the same address are the same artefact.

    `pointer` is empty for a file. A list has no keys, so for an item in JSON it ends with the item's own
    canonical JSON; for an item in YAML, a mapping, with the field that names it and its name. The field is
    empty where the item's first key is its name.
    """

    kind: Kind
    path: Path
    pointer: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.path) if self.kind is Kind.FILE else f"{self.path} {self.label}"

    @property
    def label(self) -> str:
        """The place inside the file, for a person to read."""
        return ".".join(self.place) + (f" {self.item}" if self.item is not None else "")

    @property
    def place(self) -> tuple[str, ...]:
        """The keys that lead to the entry, or to the list that the item is in."""
        return self.pointer[: len(self.pointer) - _NAMING_PARTS.get(self.kind, 0)]

    @property
    def container(self) -> tuple[str, ...]:
        """The keys that lead to the object or list that the entry or item is in."""
        return self.pointer[:-1] if self.kind is Kind.ENTRY else self.place

    @property
    def item(self) -> str | None:
        """The item's value in a JSON list, its name in a YAML list; None for anything else."""
        if self.kind is Kind.ITEM:
            return str(json.loads(self.pointer[-1]))
        return self.pointer[-1] if self.kind is Kind.YAML_ITEM else None


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something that should exist. `content` is bytes for a file and a JSON value otherwise."""

    address: Address
    group: Group
    content: Any

    @property
    def digest(self) -> str:
        """Hash of the content, as the manifest keeps it."""
        return digest(self.content)


def file_artefact(group: Group, path: Path, content: bytes) -> Artefact:
    """A whole file that is ours."""
    return Artefact(Address(Kind.FILE, path), group, content)


def entry_artefact(group: Group, path: Path, pointer: tuple[str, ...], value: Any) -> Artefact:
    """A value at `pointer` in a JSON file that is not ours."""
    return Artefact(Address(Kind.ENTRY, path, pointer), group, value)


def item_artefact(group: Group, path: Path, pointer: tuple[str, ...], value: str) -> Artefact:
    """A string in the list at `pointer` in a JSON file that is not ours."""
    return Artefact(Address(Kind.ITEM, path, (*pointer, canonical_json(value))), group, value)


def yaml_item_artefact(
    group: Group, path: Path, place: tuple[str, ...], field: str, item: Mapping[str, Any]
) -> Artefact:
    """A mapping in the list at `place` in a YAML file that is not ours; `field` is as in `Address`."""
    name = str(item[field]) if field else next(iter(item))
    return Artefact(Address(Kind.YAML_ITEM, path, (*place, field, name)), group, item)


def canonical_json(value: Any) -> str:
    """One spelling for each JSON value, so that equal values have equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(content: Any) -> str:
    """Hash of a file's bytes or of a JSON value."""
    data = content if isinstance(content, bytes) else canonical_json(content).encode("ascii")
    return "sha256:" + hashlib.sha256(data).hexdigest()
