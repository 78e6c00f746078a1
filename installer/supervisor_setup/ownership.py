"""What the manifest says once a plan has been carried out: who owns what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from supervisor_setup.artefacts import Absent, Address, Group
from supervisor_setup.edit.undo import Change
from supervisor_setup.manifest import Prior, Record
from supervisor_setup.plan import Decision, Operation


def records_after(
    plan: Sequence[Operation],
    records: Mapping[Address, Record],
    undos: Mapping[Address, Mapping[str, Any]],
    blobs: Mapping[Address, str],
) -> dict[Address, Record]:
    """All records once the plan is done.

    `undos` tells for each edit what takes it back, `blobs` where that which it replaced is kept; records of
    what is not in the plan stay.
    """
    # The order stays that of the edits, since they are undone last one first.
    after = dict(records)
    for operation in plan:
        record = record_after(operation, undos.get(operation.address, {}), blobs.get(operation.address))
        if operation.decision in (Decision.RESTORE, Decision.OVERWRITE) or record is None:
            after.pop(operation.address, None)
        if record is not None:
            after[operation.address] = record
    gone = {operation.address for operation in plan if isinstance(operation.actual, Absent)}
    there = [record for address, record in records.items() if address not in gone]
    return _with_shared_parents(after, there)


def _with_shared_parents(after: Mapping[Address, Record], before: Sequence[Record]) -> dict[Address, Record]:
    """The records, each knowing what the first entry beside it brought along or found.

    Whichever entry of ours goes last must take the parents along that came with the first, and put back the
    blanks that the first found in an empty container.
    """
    created: dict[object, Any] = {}
    fillers: dict[object, Any] = {}
    known = [record for record in (*before, *after.values()) if record.undo.get("change") == Change.INSERTED]
    for record in known:
        if record.undo["created"]:
            created.setdefault((record.address.path, record.address.container), record.undo["created"])
        if record.undo["filler"]:
            fillers.setdefault(_opened(record), record.undo["filler"])
    shared = dict(after)
    for address, record in after.items():
        if record.undo.get("change") == Change.INSERTED:
            parents = created.get((address.path, address.container), record.undo["created"])
            opened = replace(record, undo={**record.undo, "created": parents})
            filler = fillers.get(_opened(opened), "")
            shared[address] = replace(opened, undo={**opened.undo, "filler": filler})
    return shared


def _opened(record: Record) -> tuple[Path, tuple[str, ...]]:
    """The container that an edit put its entry, or the outermost of the entry's new parents, into."""
    container = record.address.container
    return record.address.path, container[: len(container) - record.undo["created"]]


def record_after(operation: Operation, undo: Mapping[str, Any], blob: str | None) -> Record | None:
    """What the manifest says of an artefact once its operation is done; None: nothing."""
    wanted, record = operation.wanted, operation.record
    if operation.decision in (Decision.KEEP_EDITED, Decision.KEEP_BOTH):
        return record
    # What is not wanted any more but was changed by the user is the user's from now on.
    if isinstance(wanted, Absent) or operation.decision is Decision.KEEP_USERS:
        return None
    if wanted.group in (Group.CONFIG, Group.BACKUP):
        return record
    # What was restored is a new edit, unless an overwrite had replaced something that must come back.
    renewed = operation.decision is Decision.RESTORE and not (record and record.blob)
    if record is not None and record.owned and not renewed:
        return Record(record.address, wanted.group, wanted.digest, record.prior, record.undo, record.blob)
    prior = {
        Decision.ADOPT: Prior.EQUAL,
        Decision.UNCHANGED: Prior.EQUAL,
        Decision.OVERWRITE: Prior.OTHER,
    }.get(operation.decision, Prior.ABSENT)
    return Record(operation.address, wanted.group, wanted.digest, prior, undo, blob)
