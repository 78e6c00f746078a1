"""Two locks: the client's own around its state file, and one between two runs of ours.

The client locks `.claude.json` by creating the folder `.claude.json.lock` beside the path as it was named
(links unresolved), holds it for some 5 ms, and takes one whose modification time is older than 10 s for
abandoned. 2.1.330 waits for it; 2.1.197 tries once and then writes without the lock (both measured), so
holding it is polite but not enough: `apply` verifies what it wrote.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.errors import TargetError, UserError

STALE_SECONDS = 10.0
_POLL_SECONDS = 0.02


def is_client_state(path: Path) -> bool:
    """Whether `path` is the client's own state file, which it locks and rewrites often."""
    return path.name in (".claude.json", ".config.json")


def client_lock_path(path: Path) -> Path:
    """The folder whose existence is the client's lock on `path`."""
    return path.with_name(path.name + ".lock")


@contextlib.contextmanager
def client_lock(path: Path, *, patience: float = STALE_SECONDS + 2) -> Iterator[None]:
    """Hold the client's lock on `path`, waiting at most `patience` seconds for it.

    Raises:
        TargetError: somebody keeps renewing the lock.
    """
    lock = client_lock_path(path)
    deadline = time.monotonic() + patience
    while not _try_lock(lock):
        if time.monotonic() > deadline:
            raise TargetError(
                f"{lock}: the client has held its lock for {patience:.0f} s",
                hint="close Claude Code and run the command again",
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            lock.rmdir()


@contextlib.contextmanager
def run_lock(state: Path, *, patience: float = 30.0) -> Iterator[None]:
    """Keep a second run of ours waiting until this one is done.

    Raises:
        UserError: the other run is not done within `patience` seconds.
    """
    import filelock  # only the commands that write need it

    files.make_folders(state, 0o700)
    lock = filelock.FileLock(state / "lock", timeout=patience, mode=0o600)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(
            f"{state / 'lock'}: another supervisor-setup has been running for {patience:.0f} s",
            hint="wait for it, or end it, and run the command again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_stale(lock: Path) -> bool:
    """Whether the lock is there and so old that the client itself would take it for abandoned."""
    try:
        return time.time() - lock.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


def remove_stale(lock: Path) -> None:
    """Take an abandoned lock away; one that is held, or holds anything, stays."""
    with contextlib.suppress(OSError):
        if is_stale(lock):
            lock.rmdir()


def _try_lock(lock: Path) -> bool:
    try:
        lock.mkdir()
    except FileExistsError:
        remove_stale(lock)
        return False
    return True
