"""Operations to new file contents: pure, so that a dry run and the real one compute the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from supervisor_setup.artefacts import Absent, Address, Artefact, Group, Kind, canonical_json
from supervisor_setup.edit import EditError, json_spans
from supervisor_setup.edit.json_spans import Undo
from supervisor_setup.errors import TargetError
from supervisor_setup.observed import content_of, syntax_error
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.values import dataclass

_NEW_DOCUMENT = {Kind.ENTRY: b"{}\n", Kind.ITEM: b"{}\n", Kind.YAML_ITEM: b""}


@dataclass(frozen=True, slots=True)
class FileChange:
    """All operations of a plan that change one file.

    `ours` tells that the file did not exist before us, so that it goes when nothing is left in it; `blobs`
    holds what earlier overwrites replaced, by address, to be given back.
    """

    path: Path
    operations: tuple[Operation, ...]
    ours: bool = False
    blobs: Mapping[Address, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Computed:
    """The outcome of a change: the new bytes (None: no file), what undoes each edit, what each replaced."""

    data: bytes | None
    undo: Mapping[Address, Mapping[str, Any]]
    replaced: Mapping[Address, bytes]


def group_by_file(
    plan: Sequence[Operation], created: Sequence[Path], blobs: Mapping[Address, bytes]
) -> tuple[FileChange, ...]:
    """The files that a plan changes, in the plan's order."""
    grouped: dict[Path, list[Operation]] = {}
    for operation in plan:
        if operation.decision.writes:
            grouped.setdefault(operation.address.path, []).append(operation)
    return tuple(
        FileChange(path, _in_order(operations), path in created, blobs)
        for path, operations in grouped.items()
    )


def _in_order(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Removals first, the last edit undone first, so that each finds the bytes that it left behind.

    What is added then creates the parents anew and knows that they are ours.
    """
    removals = [operation for operation in operations if operation.decision is Decision.REMOVE]
    others = [operation for operation in operations if operation.decision is not Decision.REMOVE]
    return (*reversed(removals), *others)


def compute(change: FileChange, data: bytes | None, *, linked: bool = False) -> Computed:
    """Carry the change out on a file of these bytes; one that is `linked` to is never removed, only emptied.

    Raises:
        TargetError: an artefact is not what the plan saw, or the file cannot be edited.
    """
    undo: dict[Address, Mapping[str, Any]] = {}
    replaced: dict[Address, bytes] = {}
    for operation in change.operations:
        address = operation.address
        if not same(content_of(address, data), operation.actual):
            raise TargetError(
                f"{address}: was changed by somebody else just now", hint="run the command again"
            )
        try:
            if address.kind is Kind.FILE:
                data = _file(operation, data, change, replaced)
            else:
                data = _edit(operation, data, change, undo, replaced)
        except EditError as error:
            raise syntax_error(address.path, error) from error
    if change.ours and not linked and data is not None and _is_empty_document(change, data):
        data = None
    return Computed(data, undo, replaced)


def same(one: Any, other: Any) -> bool:
    """Whether two contents are equal, with JSON's idea of it: 1, 1.0 and true differ."""
    if isinstance(one, bytes | Absent) or isinstance(other, bytes | Absent):
        return one is other or (isinstance(one, bytes) and isinstance(other, bytes) and one == other)
    return canonical_json(one) == canonical_json(other)


def _file(
    operation: Operation, data: bytes | None, change: FileChange, replaced: dict[Address, bytes]
) -> bytes | None:
    if isinstance(operation.wanted, Absent):
        return change.blobs.get(operation.address)
    if _replaces_the_users(operation) and data is not None:
        replaced[operation.address] = data
    content = operation.wanted.content
    assert isinstance(content, bytes)
    return content


def _edit(
    operation: Operation,
    data: bytes | None,
    change: FileChange,
    undo: dict[Address, Mapping[str, Any]],
    replaced: dict[Address, bytes],
) -> bytes:
    if isinstance(operation.wanted, Absent):
        assert data is not None, "what is not there is not removed"
        return _remove(operation, data, change)
    document = _NEW_DOCUMENT[operation.address.kind] if data is None else data
    edited, token = _add(operation.wanted, document)
    if _replaces_the_users(operation):
        replaced[operation.address] = token.prior.encode("utf-8")
    # The manifest keeps no contents: what was replaced is stored apart and joins the token again for undoing.
    undo[operation.address] = replace(token, prior="").to_json()
    return edited


def _add(wanted: Artefact, data: bytes) -> tuple[bytes, Undo]:
    address = wanted.address
    if address.kind is Kind.ENTRY:
        return json_spans.set_entry(data, address.pointer, wanted.content)
    if address.kind is Kind.ITEM:
        return json_spans.add_item(data, address.place, wanted.content)
    from supervisor_setup.edit import yaml_entries  # ruamel.yaml costs 50 ms

    return yaml_entries.set_list_entry(data, address.place, address.pointer[-2], wanted.content)


def _remove(operation: Operation, data: bytes, change: FileChange) -> bytes:
    address, record = operation.address, operation.record
    assert record is not None
    token = Undo.from_json(record.undo)
    blob = change.blobs.get(address)
    if blob is not None:
        token = replace(token, prior=blob.decode("utf-8"))
    if address.kind is Kind.ENTRY:
        return json_spans.remove_entry(data, address.pointer, token)
    if address.kind is Kind.ITEM:
        return json_spans.remove_item(data, address.place, operation.actual, token)
    from supervisor_setup.edit import yaml_entries  # ruamel.yaml costs 50 ms

    field, name = address.pointer[-2:]
    return yaml_entries.remove_list_entry(data, address.place, field, name, token)


def _replaces_the_users(operation: Operation) -> bool:
    if isinstance(operation.wanted, Absent) or operation.wanted.group is Group.BACKUP:
        return False
    owned = operation.record is not None and operation.record.owned
    return operation.decision is Decision.OVERWRITE and not owned


def _is_empty_document(change: FileChange, data: bytes) -> bool:
    kinds = {operation.address.kind for operation in change.operations}
    if Kind.FILE in kinds:
        return False
    return not data.strip() if Kind.YAML_ITEM in kinds else json_spans.parse(data) == {}
