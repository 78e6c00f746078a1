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

    Several items of one name in a YAML list are the list of them, which no single item of ours equals.

    Raises:
        TargetError: the bytes do not parse, or are not of the shape that the address needs.
    """
    if data is None:
        return ABSENT
    if address.kind is Kind.FILE:
        return data
    try:
        if address.kind is Kind.ENTRY:
            found = json_spans.lookup(data, address.pointer)
            return ABSENT if found is json_spans.ABSENT else found
        return _item(data, address) if address.kind is Kind.ITEM else _yaml_item(data, address)
    except EditError as error:
        raise syntax_error(address.path, error) from error


def _item(data: bytes, address: Address) -> Any:
    *pointer, wanted = address.pointer
    value = json.loads(wanted)
    # Adding it tells, with the same refusals, whether it is there: then nothing is to be done.
    _, undo = json_spans.add_item(data, tuple(pointer), value)
    return value if undo.change is json_spans.Change.KEPT else ABSENT


def _yaml_item(data: bytes, address: Address) -> Any:
    from supervisor_setup.edit import yaml_entries  # ruamel.yaml costs 50 ms

    *_, field, name = address.pointer
    found = yaml_entries.list_entries(data, address.place, field, name)
    if not found:
        return ABSENT
    try:
        return _as_json(found[0] if len(found) == 1 else found)
    except RecursionError:
        raise TargetError(f"{address}: refers to itself", hint="mend the item; nothing was written") from None


def _as_json(value: Any) -> Any:
    """YAML's data as JSON's; what JSON does not know, such as a date, becomes text that ours never equals."""
    if isinstance(value, dict):
        return {_key(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int | float) else repr(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else repr(key)


def syntax_error(path: Path, error: EditError) -> TargetError:
    """An edit's refusal, with the file that it is about."""
    return TargetError(f"{path}:{error}", hint="mend the file at that place; nothing was written")
