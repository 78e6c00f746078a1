"""What killed programs leave behind: temporary files, and locks that nobody holds."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from supervisor_setup import locks
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import project_settings_files, scopes
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.files import TEMP_MARK, quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.values import dataclass

SETTLED_SECONDS = 300.0
"""A file or a lock is written, held and gone within a second; what is so old has nobody any more."""
_DAY_SECONDS = 86_400.0
_CLIENTS_TEMP = re.compile(r"(?P<target>.+)\.tmp\.(?P<process>\d{1,10})\.[0-9a-f]{12}")
_CREDENTIALS = ".credentials.json"


@dataclass(frozen=True, slots=True)
class Stray:
    """A temporary file whose writer is gone: a supervisor-setup of ours, or else the client."""

    path: Path
    ours: bool


def strays(world: World) -> tuple[Stray, ...]:
    """Every such file beside the files that we or the client write."""
    return world.memo.get("strays", lambda: tuple(_strays(world)))


def stray_temps(world: World) -> list[Path]:
    """The temporary files that can be taken away, after a backup: nobody ever reads one again."""
    return [one.path for one in strays(world)]


def stale_locks(world: World) -> list[Path]:
    """The client's locks that it would itself take for abandoned and take away."""
    lock = locks.client_lock_path(world.layout.client_state)
    return [lock] if locks.is_stale(lock) and _is_empty_folder(lock) else []


def stale_lock(world: World) -> Iterator[Finding]:
    """A lock on the client's state file that nobody holds.

    The client takes an empty one away itself once it is 10 seconds old. One that is no empty folder stays:
    the client then writes without a lock, so that two sessions can lose each other's changes, and `install`
    does not write. With one whose time lies in the future 2.1.330 does not write its state at all.

    Mend: close the client and remove the lock; `doctor --fix` removes an empty one.
    """
    lock = locks.client_lock_path(world.layout.client_state)
    try:
        age = time.time() - lock.lstat().st_mtime
    except OSError:
        return
    if age < -locks.STALE_SECONDS:
        yield _lock_finding(
            lock,
            "is a lock with a time in the future, which never counts as abandoned: the client writes without "
            "it, or does not write its state at all",
            hint=f"close the client, then: {_removal(lock)}",
        )
    elif age > locks.STALE_SECONDS and not _is_empty_folder(lock):
        yield _lock_finding(
            lock,
            "is a lock that the client cannot take away, so it writes without one: two sessions can lose "
            "each other's changes, and install does not write",
            hint=f"close the client, then: {_removal(lock)}",
        )
    elif stale_locks(world):
        yield Finding(
            "settings.stale-lock",
            Status.INFO,
            "is a lock that a killed program left; the client takes it away when it next writes its state",
            path=lock,
            hint=f"{world.layout.command} doctor --fix",
            fixable=True,
        )


def stray_temp(world: World) -> Iterator[Finding]:
    """A temporary file that a killed supervisor-setup or a killed client left beside a file of the client's.

    Nobody reads it again. It may be a copy of the file, with the keys and tokens in it, as large as that, and
    it goes into backups and synchronised folders.

    Mend: `doctor --fix` removes it after a backup.
    """
    for one in strays(world):
        whose = "supervisor-setup" if one.ours else "client"
        yield Finding(
            "settings.stray-temp",
            Status.WARNING,
            f"is a temporary file that a killed {whose} left; it may hold a copy of keys and tokens",
            path=one.path,
            hint=f"{world.layout.command} doctor --fix",
            fixable=True,
        )


def _lock_finding(lock: Path, message: str, *, hint: str) -> Finding:
    return Finding("settings.stale-lock", Status.WARNING, message, path=lock, hint=hint)


def _removal(lock: Path) -> str:
    if lock.is_dir() and not lock.is_symlink():
        return f"rmdir {quote(lock)}" if _is_empty_folder(lock) else f"rm -r {quote(lock)}"
    return f"rm {quote(lock)}"


def _is_empty_folder(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return not path.is_symlink() and next(entries, None) is None
    except OSError:
        return False


def _strays(world: World) -> Iterator[Stray]:
    targets = _clients_files(world)
    names: dict[Path, set[str]] = {}
    for target in targets:
        names.setdefault(target.parent, set()).add(target.name)
    expected = _expected_by_a_journal(world)
    for folder in dict.fromkeys((*names, *_our_folders(world))):
        for entry in _entries(folder):
            path, match = folder / entry.name, _CLIENTS_TEMP.fullmatch(entry.name)
            if TEMP_MARK in entry.name and entry.name.endswith(".tmp"):
                if path not in expected and _is_settled(entry, SETTLED_SECONDS):
                    yield Stray(path, ours=True)
            elif match and match["target"] in names.get(folder, ()):
                patience = _DAY_SECONDS if _is_alive(int(match["process"])) else SETTLED_SECONDS
                if _is_settled(entry, patience):
                    yield Stray(path, ours=False)


def _clients_files(world: World) -> list[Path]:
    """The files that the client rewrites, each under its own path and under that of the end of its links."""
    paths = [
        *(one.path for one in project_settings_files(world)),
        *(scope.servers for scope in scopes(world)),
        world.layout.claude_dir / _CREDENTIALS,
    ]
    return list(dict.fromkeys((*paths, *_resolved(paths))))


def _our_folders(world: World) -> Iterator[Path]:
    """The folders that we write into beside those."""
    yield world.layout.config.parent
    for scope in scopes(world):
        yield scope.agents
    for where in world.installed:
        if not isinstance(where.manifest, UserError):
            written = [address.path for address in where.manifest.records]
            yield from (path.parent for path in (*written, *_resolved(written)))


def _resolved(paths: Iterable[Path]) -> list[Path]:
    return [Path(os.path.realpath(path)) for path in paths]


def _expected_by_a_journal(world: World) -> set[Path]:
    """What an interrupted run left: the next one takes that away, and `drift.manifest` tells of it."""
    expected: set[Path] = set()
    for where in world.installed:
        try:
            journal = where.engine.store.journal()
        except UserError:
            continue
        expected.update(journal.temps if journal else ())
    return expected


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((one for one in entries if ".tmp" in one.name), key=lambda one: one.name)
    except OSError:
        return []


def _is_settled(entry: os.DirEntry[str], patience: float) -> bool:
    try:
        regular = entry.is_file(follow_symlinks=False)
        return regular and time.time() - entry.stat(follow_symlinks=False).st_mtime > patience
    except OSError:
        return False


def _is_alive(process: int) -> bool:
    """Whether there is such a process; its number may have been given to another."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


CHECKS = (Check("settings.stale-lock", stale_lock), Check("settings.stray-temp", stray_temp))
