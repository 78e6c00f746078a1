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
    planned = {operation.address for operation in plan}
    after = {address: record for address, record in records.items() if address not in planned}
    for operation in plan:
        record = record_after(operation, undos.get(operation.address, {}), blobs.get(operation.address))
        if record is not None:
            after[operation.address] = record
    gone = {operation.address for operation in plan if isinstance(operation.actual, Absent)}
    there = [record for address, record in records.items() if address not in gone]
    return _with_shared_parents(after, there)


def _with_shared_parents(after: Mapping[Address, Record], before: Sequence[Record]) -> dict[Address, Record]:
    """The records, each knowing which parents came with the first entry beside it.

    Whichever entry of ours goes last must take those parents along, and that need not be the first.
    """
    parents: dict[tuple[Path, tuple[str, ...]], Mapping[str, Any]] = {}
    for record in (*before, *after.values()):
        if record.undo.get("created") or record.undo.get("filler"):
            created = {name: record.undo[name] for name in ("created", "filler")}
            parents.setdefault((record.address.path, record.address.container), created)
    return {
        address: replace(record, undo={**record.undo, **parents.get((address.path, address.container), {})})
        if record.undo.get("change") == Change.INSERTED
        else record
        for address, record in after.items()
    }


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
    if record is not None and record.owned and operation.decision is not Decision.RESTORE:
        return Record(record.address, wanted.group, wanted.digest, record.prior, record.undo, record.blob)
    prior = {
        Decision.ADOPT: Prior.EQUAL,
        Decision.UNCHANGED: Prior.EQUAL,
        Decision.OVERWRITE: Prior.OTHER,
    }.get(operation.decision, Prior.ABSENT)
    return Record(operation.address, wanted.group, wanted.digest, prior, undo, blob)
