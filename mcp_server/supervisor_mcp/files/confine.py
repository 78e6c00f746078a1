"""Opens files inside given folders and nowhere else, whatever links or renames somebody puts in the way.

A path is followed one name at a time, each opened relative to the descriptor of the folder before it and never
through a link. A link is read and followed by the same rules, so one that stays inside works and one that leads
out does not. What is checked is what is opened: there is no moment between the two for a race to use.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from supervisor_mcp.records import Record

MAX_LINKS = 40
"""Links on the way to one file, as Linux bounds them."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK, because opening a pipe would otherwise wait for somebody to write into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Outside(Exception):
    """A path leads out of the folders that may be read."""


class Root(Record):
    """A folder that may be read: as it was named, and where it really is."""

    named: str
    real: str

    @classmethod
    def at(cls, path: str) -> "Root | None":
        """The folder at `path`, None where there is none."""
        real = os.path.realpath(path)
        return cls(named=os.path.abspath(path), real=real) if os.path.isdir(real) else None

    def inside(self, path: str) -> "tuple[str, ...] | None":
        """The names that lead from this folder to the absolute `path`; None when it lies elsewhere."""
        for start in (self.real, self.named):
            if path == start or start == os.sep:
                return _names(path[len(start) :])
            if path.startswith(start + os.sep):
                return _names(path[len(start) + 1 :])
        return None


def place(roots: Sequence[Root], path: str) -> tuple[Root, tuple[str, ...]]:
    """The root that `path` lies in and the names below it; a relative path starts at the first root.

    Nothing is opened, and `..` is not resolved here: what it means depends on links.

    Raises:
        Outside: it lies in none of them, or cannot be a path.
    """
    if "\0" in path or not path.strip():
        raise Outside("is not a path")
    path = os.path.expanduser(path)
    if not os.path.isabs(path):
        if not roots:
            raise Outside("lies outside: no folder may be read")
        return roots[0], _names(path)
    for root in roots:
        names = root.inside(path)
        if names is not None:
            return root, names
    raise Outside("lies outside the folders that may be read")


@contextmanager
def opened(root: Root, names: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """A descriptor of the file or folder at `names` below `root`, and the names that really lead to it.

    Raises:
        Outside: a link or a `..` on the way leads out of the root.
        OSError: there is no such file, or it may not be read.
    """
    walk = _Walk(root)
    try:
        yield walk.to(names), tuple(walk.names)
    finally:
        walk.close()


class _Walk:
    """The descriptors of the folders from the root down to where the walk is."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folders = [os.open(root.real, _FOLDER)]
        self._last: int | None = None
        self._links = 0
        self.names: list[str] = []

    def to(self, names: Sequence[str]) -> int:
        """Follow the names; the descriptor of what they lead to, which `close` closes."""
        pending = list(reversed(names))
        while pending:
            self._step(pending.pop(), pending)
        return self._folders[-1] if self._last is None else self._last

    def close(self) -> None:
        """Let go of everything."""
        for descriptor in (*self._folders, *(() if self._last is None else (self._last,))):
            with suppress(OSError):
                os.close(descriptor)

    def _step(self, name: str, pending: list[str]) -> None:
        if self._last is not None:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "/".join(self.names))
        if name in ("", "."):
            return
        if name == "..":
            self._up()
            return
        target = self._link(name)
        if target is not None:
            self._follow(target, pending)
            return
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=self._folders[-1])
        except NotADirectoryError:
            descriptor = self._open_file(name)
            if pending and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise
            self._last = descriptor
        else:
            self._folders.append(descriptor)
        self.names.append(name)

    def _open_file(self, name: str) -> int:
        return os.open(name, _FILE, dir_fd=self._folders[-1])

    def _link(self, name: str) -> str | None:
        """What the link of this name says; None for anything else. If it changes now, opening it fails."""
        try:
            return os.readlink(name, dir_fd=self._folders[-1])
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise

    def _follow(self, target: str, pending: list[str]) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), target)
        if os.path.isabs(target):
            names = self._root.inside(target)
            if names is None:
                raise Outside("is a link that leads outside the folders that may be read")
            while len(self._folders) > 1:
                self._up()
            pending.extend(reversed(names))
        else:
            pending.extend(reversed(_names(target)))

    def _up(self) -> None:
        if len(self._folders) == 1:
            raise Outside("leads outside the folders that may be read")
        os.close(self._folders.pop())
        self.names.pop()


def _names(path: str) -> tuple[str, ...]:
    return tuple(name for name in path.split(os.sep) if name)
