"""After a kill: what the interrupted run had done, learnt from its journal and the disk.

Nothing is rolled back or forward here. The manifest is brought up to date with the disk, and the ordinary
plan of the next run does the rest.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.artefacts import ABSENT, Address, digest
from supervisor_setup.errors import TargetError
from supervisor_setup.manifest import Manifest, Record
from supervisor_setup.observed import content_of
from supervisor_setup.store import Store


def recover(store: Store) -> bool:
    """Clean up behind a killed run and learn what it had done; tells whether there was one."""
    journal = store.journal()
    if journal is None:
        return False
    for temp in journal.temps:
        temp.unlink(missing_ok=True)
    settled = reconcile(store.load(), journal.after)
    store.save(settled)
    tidy(settled, store)
    store.close_journal()
    return True


def reconcile(before: Manifest, after: Manifest) -> Manifest:
    """The manifest as it would be had the killed run recorded each thing that it did.

    `after` is the manifest that it was working towards.
    """
    records = {}
    for address in {**before.records, **after.records}:
        record = _believe(address, before.records.get(address), after.records.get(address))
        if record is not None:
            records[address] = record
    return replace(after, records=records)


def _believe(address: Address, old: Record | None, new: Record | None) -> Record | None:
    """The record that fits what is on disk."""
    try:
        actual = content_of(address, files.read(address.path).data)
    except TargetError:
        return old
    if new is None:
        return None if actual is ABSENT else old
    return new if actual is not ABSENT and digest(actual) == new.digest else old


def tidy(after: Manifest, store: Store) -> None:
    """Take away what no record needs any more: our empty folders and what overwrites had replaced."""
    if not any(record.owned for record in after.records.values()):
        remove_empty_folders(after.created)
    store.keep_only_blobs({record.blob for record in after.records.values() if record.blob})


def remove_empty_folders(created: Sequence[Path]) -> None:
    """Take away the folders that we created, where nothing else has moved in."""
    for path in sorted(created, key=lambda path: len(path.parts), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.rmdir()
