"""The only writer. Everything is checked first, then written as one transaction, then verified.

A run that fails puts every file back. A run that is killed leaves each file whole, old or new, and a
journal; the next run compares the journal with the disk, learns what was done, and its ordinary plan
finishes the rest.
"""

import contextlib
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor_setup import backups, files, locks
from supervisor_setup.artefacts import ABSENT, Address, Kind
from supervisor_setup.changes import Computed, FileChange, compute, group_by_file, same
from supervisor_setup.errors import TargetError, UserError
from supervisor_setup.manifest import Manifest
from supervisor_setup.observed import content_of
from supervisor_setup.ownership import records_after
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.recovery import remove_empty_folders, tidy
from supervisor_setup.store import Journal, Store
from supervisor_setup.values import dataclass

_ATTEMPTS = 20
_VERIFY_DELAYS = (0.05, 0.15)
"""Seconds before each look at a file that the client may write beside us; its own window is some 5 ms."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to carry out.

    `command` names the backup; the `private` files are created for the user alone.
    """

    plan: tuple[Operation, ...]
    manifest: Manifest
    command: str
    private: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change whose outcome is known and whose target could be written when it was checked."""

    change: FileChange
    before: files.Snapshot
    computed: Computed

    @property
    def before_mode(self) -> int:
        """The file's permissions before the change; for a new file those of a private one."""
        return 0o600 if self.before.stat is None else stat.S_IMODE(self.before.stat.st_mode)


def prepare(plan: Sequence[Operation], manifest: Manifest, store: Store) -> tuple[Prepared, ...]:
    """Check every target of a plan and compute what it will hold, without writing anything.

    Raises:
        TargetError: for the first target that cannot be read, edited or written.
    """
    prepared = []
    for change in group_by_file(plan, manifest.created, _stored_blobs(plan, store)):
        before = files.read(change.path)
        computed = compute(change, before.data, linked=before.link is not None)
        files.check_writable(before)
        prepared.append(Prepared(change, before, computed))
    return tuple(prepared)


def execute(request: Request, store: Store) -> str | None:
    """Carry a plan out and remember it; returns the name of the backup that was made, if any file changed.

    Raises:
        UserError: it could not be done; every file is then as it was, unless the message says otherwise.
    """
    prepared = prepare(request.plan, request.manifest, store)
    if not prepared:
        after = _settle(request, {}, {}, ())
        store.save(after)
        tidy(after, store)
        return None
    try:
        return _write_all(request, prepared, store)
    except OSError as error:
        raise UserError(
            f"{error.filename or store.state}: {error.strerror or error}; nothing was changed",
            hint="make room or mend the permissions, then run the command again",
        ) from error


def _write_all(request: Request, prepared: Sequence[Prepared], store: Store) -> str | None:
    blobs = {
        address: store.keep_blob(data) for one in prepared for address, data in one.computed.replaced.items()
    }
    created = _to_be_created(prepared)
    temps = {one.change.path: files.temp_path(one.before.target, str(os.getpid())) for one in prepared}
    backup = backups.save(store.state, request.command, [one.before for one in prepared])
    computed = {one.change.path: one.computed for one in prepared}
    after = _settle(request, computed, blobs, created)
    remembered = store.open_journal(Journal(after, tuple(temps.values())))
    try:
        for one in prepared:
            computed[one.change.path] = _write(one, temps[one.change.path], request)
        after = _settle(request, computed, blobs, created)
        store.save(after)
        _verify(prepared, temps, request)
    except BaseException as error:
        if _roll_back(prepared, computed, temps):
            remove_empty_folders(created)
            store.abandon_journal(remembered)
            raise
        # The journal stays: the next run compares it with the disk and finishes.
        raise UserError(
            f"{store.journal_path}: the run failed ({error}) and not every file could be put back",
            hint=f"mend the cause and run the command again; the files as they were are in backup {backup}",
        ) from error
    # Everything is done; what fails to be cleared away now is cleared away by the next run.
    with contextlib.suppress(OSError):
        tidy(after, store)
        store.close_journal()
    return backup


def without_recreated(manifest: Manifest, plan: Sequence[Operation]) -> Manifest:
    """The manifest without those files and folders of ours that are there, but with nothing of ours in them.

    They were deleted and made anew, by the user, or will be made anew by this run.
    """
    ours = [operation for operation in plan if operation.record is not None]
    there = [operation.address.path for operation in ours if operation.actual is not ABSENT]
    absent = [operation.address.path for operation in ours if operation.actual is ABSENT]
    created = tuple(
        path
        for path in manifest.created
        if any(one.is_relative_to(path) for one in there)
        or not any(one.is_relative_to(path) for one in absent)
    )
    return replace(manifest, created=created)


def _settle(
    request: Request,
    computed: Mapping[Path, Computed],
    blobs: Mapping[Address, str],
    created: Sequence[Path],
) -> Manifest:
    """The manifest as it will be when everything is written."""
    undos = {address: undo for one in computed.values() for address, undo in one.undo.items()}
    before = request.manifest
    known = (*before.created, *(path for path in created if path not in before.created))
    return replace(before, records=records_after(request.plan, before.records, undos, blobs), created=known)


def _write(one: Prepared, temp: Path, request: Request) -> Computed:
    files.make_folders(one.before.target.parent)
    for _ in range(_ATTEMPTS):
        with _lock_for(one.change.path):
            now = files.read(one.change.path)
            computed = compute(one.change, now.data, linked=now.link is not None)
            if computed.data is None:
                written = now.data is None or files.remove(now)
            else:
                written = files.replace(now, computed.data, temp, new_mode=_new_mode(one, request))
        if written:
            return computed
    raise TargetError(
        f"{one.change.path}: somebody else keeps changing it",
        hint="close Claude Code and run the command again",
    )


def _verify(prepared: Sequence[Prepared], temps: Mapping[Path, Path], request: Request) -> None:
    """Make sure that the client, which writes even without its lock, has not put an older state back."""
    for one in prepared:
        if locks.is_client_state(one.change.path):
            _verify_one(one, temps[one.change.path], request)


def _verify_one(one: Prepared, temp: Path, request: Request) -> None:
    for _ in range(_ATTEMPTS):
        lost = None
        for delay in _VERIFY_DELAYS:
            time.sleep(delay)
            lost = _lost(one.change)
            if lost is not None:
                break
        if lost is None:
            return
        _write(Prepared(lost, one.before, one.computed), temp, request)
    raise TargetError(
        f"{one.change.path}: the client keeps writing an older state over ours",
        hint="close Claude Code and run the command again",
    )


def _lost(change: FileChange) -> FileChange | None:
    """The part of a change that is not on disk any more."""
    data = files.read(change.path).data
    lost = tuple(
        operation
        for operation in change.operations
        if same(content_of(operation.address, data), operation.actual)
    )
    return FileChange(change.path, lost, change.ours, change.blobs) if lost else None


def _roll_back(
    prepared: Sequence[Prepared], computed: Mapping[Path, Computed], temps: Mapping[Path, Path]
) -> bool:
    """Put every file back that holds what this run wrote; False where one could not be."""
    clean = True
    for one in reversed(prepared):
        try:
            clean &= _put_back(one, computed[one.change.path], temps[one.change.path])
        except (OSError, TargetError):
            clean = False
    return clean


def _put_back(one: Prepared, computed: Computed, temp: Path) -> bool:
    now = files.read(one.change.path)
    if now.data == one.before.data:
        return True
    if now.data is None and one.before.link is not None:
        files.put_link_back(one.before)
        return True
    if now.data != computed.data:
        return False
    if one.before.data is None:
        return files.remove(now)
    return files.replace(now, one.before.data, temp, new_mode=one.before_mode)


def _stored_blobs(plan: Sequence[Operation], store: Store) -> dict[Address, bytes]:
    blobs = {}
    for operation in plan:
        if operation.decision is Decision.REMOVE and operation.record and operation.record.blob:
            content = store.blob(operation.record.blob)
            if content is None:
                raise TargetError(
                    f"{operation.address}: the copy of what was replaced there is gone from {store.state}",
                    hint="take our part out by hand, then run the command again; "
                    "older states of the file: supervisor-setup restore",
                )
            blobs[operation.address] = content
    return blobs


def _to_be_created(prepared: Sequence[Prepared]) -> tuple[Path, ...]:
    created: dict[Path, None] = {}
    for one in prepared:
        if one.computed.data is None:
            continue
        created.update(dict.fromkeys(files.missing_folders(one.before.target.parent)))
        shared = any(operation.address.kind is not Kind.FILE for operation in one.change.operations)
        if shared and one.before.data is None:
            created[one.change.path] = None
    return tuple(created)


def _lock_for(path: Path) -> contextlib.AbstractContextManager[None]:
    return locks.client_lock(path) if locks.is_client_state(path) else contextlib.nullcontext()


def _new_mode(one: Prepared, request: Request) -> int:
    if locks.is_client_state(one.change.path) or one.change.path in request.private:
        return 0o600
    return files.default_mode()
