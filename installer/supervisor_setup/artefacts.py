"""What can be installed: a file of our own, an entry in a JSON object, an item in a JSON list."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Group(StrEnum):
    """The parts that `--only` chooses from, and two that are the user's: the config and restored files."""

    AGENTS = "agents"
    MCP = "mcp"
    SKILLS = "skills"
    PERMISSIONS = "permissions"
    CONFIG = "config"
    BACKUP = "backup"


class Kind(StrEnum):
    """How an artefact sits in its file."""

    FILE = "file"
    ENTRY = "entry"
    ITEM = "item"


class Absent:
    """The artefact is not there; a value of its own so that no caller mistakes it for JSON's null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Address:
    """Where an artefact is; two artefacts with the same address are the same artefact.

    `pointer` is empty for a file. For an item it ends with the item's own canonical JSON, since a list has
    no keys.
    """

    kind: Kind
    path: Path
    pointer: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.path) if self.kind is Kind.FILE else f"{self.path} {self.label}"

    @property
    def label(self) -> str:
        """The place inside the file, for a person to read."""
        return ".".join(self.pointer)


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


def canonical_json(value: Any) -> str:
    """One spelling for each JSON value, so that equal values have equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(content: Any) -> str:
    """Hash of a file's bytes or of a JSON value."""
    data = content if isinstance(content, bytes) else canonical_json(content).encode("ascii")
    return "sha256:" + hashlib.sha256(data).hexdigest()
