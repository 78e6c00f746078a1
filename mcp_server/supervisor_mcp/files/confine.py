"""Opens files inside given folders and nowhere else, whatever links or renames somebody puts in the way.

A path is followed one name at a time, each opened relative to the descriptor of the folder before it and
never through a link. A link is read and followed by the same rules, so one that stays inside works and one
that leads out does not. What is checked is what is opened: no moment lies between the two for a race to use.

`os.path` and not `pathlib`: these are the strings that the system calls get, and nothing may tidy them up.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from supervisor_mcp.records import Record

MAX_LINKS = 40
"""Links on the way to one file, as Linux bounds them."""
MAX_NAMES = 256
"""Names on the way to one file, those in links included; each folder on the way is an open descriptor."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK, because opening a pipe that took the file's place would wait for somebody to write into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Outside(Exception):
    """A path leads out of the folders that may be read; says how, in half a sentence."""


class Root(Record):
    """A folder that may be read: as it was named, where it really is, and which one it is (device, inode)."""

    named: str
    real: str
    identity: tuple[int, int]

    @classmethod
    def at(cls, path: str) -> "Root | None":
        """The folder at `path`, links followed; None where there is none."""
        try:
            real = os.path.realpath(path)
            found = os.stat(real)  # noqa: PTH116 - see the module's docstring
        except (OSError, ValueError):
            return None
        if not stat.S_ISDIR(found.st_mode):
            return None
        named = os.path.abspath(path)  # noqa: PTH100 - must not resolve links
        if os.path.realpath(named) != real:  # a `..` behind a link, which means another folder to each
            named = real
        return cls(named=named, real=real, identity=(found.st_dev, found.st_ino))

    def inside(self, path: str) -> "tuple[str, ...] | None":
        """The names that lead from this folder to the absolute `path`; None when it lies elsewhere."""
        for start in (self.real, self.named):
            if path == start:
                return ()
            prefix = start if start.endswith(os.sep) else start + os.sep
            if path.startswith(prefix):
                return split(path[len(prefix) :])
        return None


def split(path: str) -> tuple[str, ...]:
    """The names in a path, `.` and `..` among them."""
    return tuple(name for name in path.split(os.sep) if name)  # noqa: PTH206 - see the module's docstring


def place(roots: Sequence[Root], path: str) -> tuple[Root, tuple[str, ...]]:
    """The root that `path` lies in and the names below it; a relative path starts at the first root.

    Nothing is opened, and `..` is not resolved here: what it means depends on links. Where roots lie in one
    another the outermost counts, so that `..` may lead from the inner one into it.

    Raises:
        Outside: it lies in none of them, or cannot be a path.
    """
    if not path.strip() or not _is_encodable(path):
        raise Outside("is not a path")
    if not roots:
        raise Outside("cannot be read, because no folder may be read")
    path = os.path.expanduser(path)  # noqa: PTH111 - see the module's docstring
    absolute = os.path.join(roots[0].real, path)  # noqa: PTH118 - likewise
    placed = [(root, names) for root in roots if (names := root.inside(absolute)) is not None]
    if not placed:
        allowed = ", ".join(root.named for root in roots)
        raise Outside(f"lies outside the folders that may be read ({allowed})")
    return min(placed, key=lambda pair: len(pair[0].real))


def relative(roots: Sequence[Root], root: Root, names: Sequence[str]) -> str:
    """The shortest path by which `place` finds these names below `root`: relative, or else absolute."""
    real = os.path.join(root.real, *names)  # noqa: PTH118 - see the module's docstring
    inside = roots[0].inside(real)
    return real if inside is None else "/".join(inside) or "."


@contextmanager
def opened(root: Root, names: Sequence[str], *, follow: bool = True) -> Iterator[tuple[int, tuple[str, ...]]]:
    """A descriptor of the file or folder at `names` below `root`, and the names that really lead to it.

    Only folders and regular files are opened. Without `follow` a link anywhere on the way is an error: for
    names that were found to be free of links before.

    Raises:
        Outside: a link or a `..` on the way leads out of the root, or the root is no longer itself.
        OSError: there is no such file, or it may not be read.
    """
    walk = _Walk(root, follow=follow)
    try:
        yield walk.to(names), tuple(walk.names)
    finally:
        walk.close()


class _Walk:
    """The descriptors of the folders from the root down to where the walk is."""

    def __init__(self, root: Root, *, follow: bool) -> None:
        self._root = root
        self._follow_links = follow
        self._folders = [os.open(root.real, _FOLDER)]
        self._file: int | None = None
        self._links = 0
        self.names: list[str] = []

    def to(self, names: Sequence[str]) -> int:
        """Follow the names; the descriptor of what they lead to, which `close` closes."""
        found = os.fstat(self._folders[0])
        if (found.st_dev, found.st_ino) != self._root.identity:
            raise Outside(f"lies in {self._root.named}, which was replaced: restart the client to read there")
        pending = list(reversed(names))
        for _ in range(MAX_NAMES):
            if not pending:
                return self._folders[-1] if self._file is None else self._file
            self._step(pending.pop(), pending)
        raise _error(errno.ENAMETOOLONG)

    def close(self) -> None:
        """Let go of everything."""
        for descriptor in self._folders:
            os.close(descriptor)
        if self._file is not None:
            os.close(self._file)

    def _step(self, name: str, pending: list[str]) -> None:
        if self._file is not None:
            raise _error(errno.ENOTDIR)
        if name == ".":
            return
        if name == "..":
            self._up()
            return
        here = self._folders[-1]
        # Should it turn into something else from here on, then opening it without following links fails.
        mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            self._follow(os.readlink(name, dir_fd=here), pending)
            return
        if stat.S_ISDIR(mode):
            self._folders.append(os.open(name, _FOLDER, dir_fd=here))
        elif stat.S_ISREG(mode):
            self._file = os.open(name, _FILE, dir_fd=here)
        else:
            raise Outside("is neither a file nor a folder")
        self.names.append(name)

    def _follow(self, target: str, pending: list[str]) -> None:
        self._links += 1
        if self._links > MAX_LINKS or not self._follow_links:
            raise _error(errno.ELOOP)
        names = split(target)
        if target.startswith(os.sep):
            inside = self._root.inside(target)
            if inside is None:
                raise Outside("is a link that leads outside the folders that may be read")
            names = inside
            while len(self._folders) > 1:
                self._up()
        pending.extend(reversed(names))

    def _up(self) -> None:
        """Back to the folder that the walk came through, wherever its child has been moved since."""
        if len(self._folders) == 1:
            raise Outside("leads outside the folders that may be read")
        os.close(self._folders.pop())
        self.names.pop()


def _is_encodable(path: str) -> bool:
    """Whether the system can be asked for it: no NUL, and no half of a surrogate pair."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
