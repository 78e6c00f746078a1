"""What we wrote: hashes, who owned what before, and how to take it out again. Never contents."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup.artefacts import Address, Group, Kind
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

SCHEMA_VERSION = 1


class Prior(StrEnum):
    """What stood at an address before we first wrote there."""

    ABSENT = "absent"
    EQUAL = "equal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Record:
    """One artefact that we wrote or adopted.

    `undo` is what the edit needs to give the original bytes back (see `edit`); `blob` names the file in the
    state folder that holds what an overwrite replaced, since the manifest keeps no contents.
    """

    address: Address
    group: Group
    digest: str
    prior: Prior
    undo: Mapping[str, Any] = field(default_factory=dict)
    blob: str | None = None

    @property
    def owned(self) -> bool:
        """Whether it is ours to change and to remove; what the user had already stays the user's."""
        return self.prior is not Prior.EQUAL


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything written into one place; `scope` and `root` are a store's `name` and `root`.

    `created` lists files and folders that did not exist before us and may go when nothing else is in them.
    `options` are the choices of the install that later commands follow.
    """

    scope: str
    root: Path
    records: Mapping[Address, Record] = field(default_factory=dict)
    created: tuple[Path, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    tool_version: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to remember."""
        return not self.records


def dump(manifest: Manifest) -> bytes:
    """The manifest as it is stored; stable, so that an unchanged one is the same bytes."""
    return (json.dumps(to_json(manifest), indent=1, ensure_ascii=True) + "\n").encode("ascii")


def to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": manifest.tool_version,
        "scope": manifest.scope,
        "root": str(manifest.root),
        "options": dict(manifest.options),
        "created": [str(path) for path in manifest.created],
        "records": [record_to_json(record) for record in manifest.records.values()],
    }


def load(data: bytes, path: Path, *, key: str | None = None) -> Manifest:
    """Read a stored manifest; with `key` one that stands at that key of a JSON object.

    Raises:
        UserError: it was damaged, or written by a later version.
    """
    try:
        body = json.loads(data)
        body = body if key is None else body[key]
        version = body["schema_version"]
        if version == SCHEMA_VERSION:
            return _from_json(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: the record of what was installed is damaged ({error})",
            hint="move it away and install again; what is in place then counts as yours: "
            f"mv {shlex.quote(str(path))} {shlex.quote(str(path))}.damaged",
        ) from error
    raise UserError(
        f"{path}: written by a newer supervisor-setup (format {version}, this one knows {SCHEMA_VERSION})",
        hint="upgrade supervisor-setup",
    )


def _from_json(body: Mapping[str, Any]) -> Manifest:
    records = [record_from_json(item) for item in body["records"]]
    return Manifest(
        scope=body["scope"],
        root=Path(body["root"]),
        records={record.address: record for record in records},
        created=tuple(Path(item) for item in body["created"]),
        options=body["options"],
        tool_version=body["tool_version"],
    )


def record_to_json(record: Record) -> dict[str, Any]:
    """One record as plain data."""
    return {
        "kind": record.address.kind,
        "path": str(record.address.path),
        "pointer": list(record.address.pointer),
        "group": record.group,
        "digest": record.digest,
        "prior": record.prior,
        "undo": dict(record.undo),
        "blob": record.blob,
    }


def record_from_json(item: Mapping[str, Any]) -> Record:
    """The reverse of `record_to_json`."""
    return Record(
        address=Address(Kind(item["kind"]), Path(item["path"]), tuple(item["pointer"])),
        group=Group(item["group"]),
        digest=item["digest"],
        prior=Prior(item["prior"]),
        undo=item["undo"],
        blob=item["blob"],
    )
