"""Disk to artefacts: what stands at each address now."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from supervisor_setup import files
from supervisor_setup.artefacts import ABSENT, Address, Kind
from supervisor_setup.edit import EditError, json_spans
from supervisor_setup.errors import TargetError


class Disk:
    """The files of one run, each read once."""

    def __init__(self) -> None:
        self._snapshots: dict[Path, files.Snapshot] = {}

    def snapshot(self, path: Path) -> files.Snapshot:
        """The file as it was when this run first looked.

        Raises:
            TargetError: it cannot be read as a file.
        """
        if path not in self._snapshots:
            self._snapshots[path] = files.read(path)
        return self._snapshots[path]

    def content(self, address: Address) -> Any:
        """What stands at `address`: bytes for a file, a JSON value otherwise, or `ABSENT`.

        Raises:
            TargetError: the file cannot be read, or does not parse.
        """
        return content_of(address, self.snapshot(address.path).data)


def observe(addresses: Iterable[Address], disk: Disk) -> dict[Address, Any]:
    """What stands at each address.

    Raises:
        TargetError: for the first file that cannot be read or parsed.
    """
    return {address: disk.content(address) for address in addresses}


def content_of(address: Address, data: bytes | None) -> Any:
    """What stands at `address` in a file of these bytes.

    Raises:
        TargetError: the bytes are not JSON, or not of the shape that the address needs.
    """
    if data is None:
        return ABSENT
    if address.kind is Kind.FILE:
        return data
    try:
        if address.kind is Kind.ENTRY:
            found = json_spans.lookup(data, address.pointer)
            return ABSENT if found is json_spans.ABSENT else found
        return _item(data, address)
    except EditError as error:
        raise syntax_error(address.path, error) from error


def _item(data: bytes, address: Address) -> Any:
    *pointer, wanted = address.pointer
    value = json.loads(wanted)
    # Adding it tells, with the same refusals, whether it is there: then nothing is to be done.
    _, undo = json_spans.add_item(data, tuple(pointer), value)
    return value if undo.change is json_spans.Change.KEPT else ABSENT


def syntax_error(path: Path, error: EditError) -> TargetError:
    """An edit's refusal, with the file that it is about."""
    return TargetError(f"{path}:{error}", hint="mend the file at that place; nothing was written")
