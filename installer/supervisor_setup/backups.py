"""Copies of every file as it was before a run changed it: its newest states and the first."""

import json
from collections.abc import Sequence
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.artefacts import digest
from supervisor_setup.values import dataclass

KEPT = 10

_INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Copy:
    """One file in a backup."""

    path: Path
    stored: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Backup:
    """All files that one run changed, as they were before it."""

    name: str
    command: str
    copies: tuple[Copy, ...]


def save(state: Path, command: str, snapshots: Sequence[files.Snapshot]) -> str | None:
    """Store the snapshots that have contents; returns the backup's name, or None where there was nothing.

    The newest ten states of each file are kept, and its first.
    """
    present = [snapshot for snapshot in snapshots if snapshot.data is not None]
    if not present:
        return None
    folder = _new_folder(state / "backups")
    entries = []
    for number, snapshot in enumerate(present):
        assert snapshot.data is not None
        stored = f"{number}-{snapshot.path.name}"
        files.write_private(folder / stored, snapshot.data)
        entries.append({"path": str(snapshot.path), "stored": stored, "digest": digest(snapshot.data)})
    index = {"schema_version": 1, "command": command, "copies": entries}
    files.write_private(folder / _INDEX, json.dumps(index, indent=1).encode("utf-8"))
    _prune(state)
    return folder.name


def listing(state: Path) -> list[Backup]:
    """All complete backups, newest first."""
    backups = []
    for folder in sorted(_folders(state / "backups"), reverse=True):
        try:
            index = json.loads((folder / _INDEX).read_bytes())
            copies = tuple(
                Copy(Path(item["path"]), folder / item["stored"], item["digest"]) for item in index["copies"]
            )
            backups.append(Backup(folder.name, index["command"], copies))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return backups


def _new_folder(parent: Path) -> Path:
    from datetime import UTC, datetime

    files.make_folders(parent, 0o700)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    taken = [int(path.name[-3:]) for path in _folders(parent) if path.name.startswith(stamp)]
    number = max(taken, default=-1) + 1
    while True:
        folder = parent / f"{stamp}-{number:03d}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []


def _prune(state: Path) -> None:
    import shutil

    needed = _needed(listing(state))
    for folder in _folders(state / "backups"):
        # One without its index was cut off by a kill, before the run had changed anything.
        if folder.name not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def _needed(newest_first: Sequence[Backup]) -> set[str]:
    """The backups that hold one of the newest ten states of a file, or its first: the one from before us."""
    holders: dict[Path, list[str]] = {}
    for backup in newest_first:
        for copy in backup.copies:
            holders.setdefault(copy.path, []).append(backup.name)
    return {name for names in holders.values() for name in (*names[:KEPT], names[-1])}
