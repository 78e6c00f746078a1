"""Reading and replacing one file without ever exposing half of it.

A replaced file keeps its mode, owner, extended attributes and the whole chain of links that leads to it; at
any instant, a kill included, it holds either the old bytes or the new ones.
"""

import contextlib
import errno
import os
import shlex
import stat
from pathlib import Path

from supervisor_setup.errors import TargetError
from supervisor_setup.values import dataclass

MAX_BYTES = 256 * 1024 * 1024
"""Beyond this a configuration file is taken for a mistake; a heavily used `.claude.json` has some 30 MB."""

TEMP_MARK = ".supervisor-setup-"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was read.

    `data` is None where there is none; `target` ends the chain of links; `link` is what `path` itself leads
    to, where it is a link.
    """

    path: Path
    target: Path
    data: bytes | None
    stat: os.stat_result | None
    link: str | None = None


def read(path: Path) -> Snapshot:
    """Read `path` through all its links.

    Raises:
        TargetError: it is not a regular file, its link leads nowhere, or it cannot be read.
    """
    target = _resolve(path)
    link = str(path.readlink()) if path.is_symlink() else None
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if link is not None:
            raise TargetError(
                f"{path}: the link leads to {target}, which does not exist",
                hint=f"create that file or remove the link: rm {quote(path)}",
            ) from None
        return Snapshot(path, target, None, None)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise TargetError(
                f"{path}: is {what}, a file was expected",
                hint=f"move it away: mv {quote(path)} {quote(path)}.away",
            )
        if found.st_size > MAX_BYTES:
            raise TargetError(
                f"{path}: has {found.st_size} bytes, a configuration file at most {MAX_BYTES}",
                hint="look what filled it, and shorten it with the client closed",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return Snapshot(path, target, stream.read(), found, link)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def check_writable(snapshot: Snapshot) -> None:
    """Find out before the first write whether the file could be replaced.

    Raises:
        TargetError: it or its folder is read-only, or a part of its path is not a folder.
    """
    if snapshot.stat is not None and not snapshot.stat.st_mode & 0o222:
        raise TargetError(
            f"{snapshot.path}: is read-only",
            hint=f"if it is yours to change: chmod u+w {quote(snapshot.target)}",
        )
    if snapshot.stat is not None and snapshot.stat.st_nlink > 1:
        raise TargetError(
            f"{snapshot.path}: has {snapshot.stat.st_nlink} hard links, of which only this one would change",
            hint=f"make it a file of its own: cp -p {quote(snapshot.target)} {quote(snapshot.target)}.new && "
            f"mv {quote(snapshot.target)}.new {quote(snapshot.target)}",
        )
    folder = snapshot.target.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise TargetError(
            f"{folder}: is not a folder, so {snapshot.path} cannot be created",
            hint=f"move it away: mv {quote(folder)} {quote(folder)}.away",
        )
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.stat().st_mode & 0o222:
        raise TargetError(f"{folder}: this folder cannot be written to", hint=f"chmod u+wx {quote(folder)}")


def missing_folders(folder: Path) -> list[Path]:
    """`folder` and those of its parents that do not exist, outermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing[::-1]


def make_folders(folder: Path, mode: int = 0o777) -> None:
    """Create `folder` and its parents, where they are missing."""
    for path in missing_folders(folder):
        path.mkdir(mode=mode, exist_ok=True)
        sync_folder(path.parent)


def default_mode() -> int:
    """The permissions of a new file, as the user's umask has them."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def quote(path: Path) -> str:
    """A path for a shell command in a hint."""
    return shlex.quote(str(path))


def unchanged(snapshot: Snapshot) -> bool:
    """Whether the file still is what was read."""
    try:
        now = read(snapshot.path)
    except TargetError:
        return False
    return now.data == snapshot.data and now.target == snapshot.target


def replace(snapshot: Snapshot, data: bytes, temp: Path, *, new_mode: int) -> bool:
    """Put `data` in the place of what was read, by way of `temp` beside the target.

    `new_mode` is for a file that did not exist. Returns False, with nothing changed, where somebody else
    has changed the file since it was read.

    Raises:
        OSError: as the system gives it; the file is then as it was.
    """
    mode = new_mode if snapshot.stat is None else stat.S_IMODE(snapshot.stat.st_mode)
    try:
        _write_temp(snapshot, data, temp, mode)
        if not unchanged(snapshot):
            return False
        temp.replace(snapshot.target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temp.unlink()
    sync_folder(snapshot.target.parent)
    return True


def remove(snapshot: Snapshot) -> bool:
    """Delete what was read; False where somebody else has changed it since.

    Where the path is a link only the link goes: what it leads to was not put there by us.
    """
    if not unchanged(snapshot):
        return False
    snapshot.path.unlink()
    sync_folder(snapshot.path.parent)
    return True


def put_link_back(snapshot: Snapshot) -> None:
    """Make `path` the link again that it was."""
    assert snapshot.link is not None
    snapshot.path.symlink_to(snapshot.link)
    sync_folder(snapshot.path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Write one of our own files in the state folder: atomically, and readable by the user alone.

    Only under the run lock: a temporary file that is in the way was left by a killed run.
    """
    make_folders(path.parent, 0o700)
    snapshot = read(path)
    temp = temp_path(snapshot.target, "state")
    temp.unlink(missing_ok=True)
    if snapshot.data != data:
        replace(snapshot, data, temp, new_mode=0o600)


def temp_path(target: Path, key: str) -> Path:
    """The temporary file beside `target`; the mark lets a later run and `doctor` recognise a stray one."""
    return target.with_name(f"{target.name[:200]}{TEMP_MARK}{key}.tmp")


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _write_temp(snapshot: Snapshot, data: bytes, temp: Path, mode: int) -> None:
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
        if snapshot.stat is not None:
            _keep_owner(descriptor, snapshot.stat)
            _keep_attributes(snapshot.target, descriptor)
        # After chown, which clears the set-id bits.
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner(descriptor: int, found: os.stat_result) -> None:
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _keep_attributes(source: Path, descriptor: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(source)
    except OSError:
        return
    for name in names:
        # Some names (security.*) are the system's to set; the rest, access lists among them, are copied.
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(source, name))


def _resolve(path: Path) -> Path:
    try:
        return (
            Path(os.path.realpath(path, strict=False))
            if path.is_symlink()
            else path.parent.resolve() / path.name
        )
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TargetError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return TargetError(f"{path}: cannot be read ({reason})", hint=f"ls -ld {quote(path)}")
