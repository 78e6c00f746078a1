"""The documents of a run: found without holding their list, read with bounds, named by their content."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor_mcp.files import braces, ignoring, reading
from supervisor_mcp.files.confine import Root
from supervisor_mcp.files.ignoring import Ignored, Patterns
from supervisor_pipelines.definition import Document

_VERSIONED = frozenset({".git", ".hg", ".svn", ".jj"})
_RULES = ".gitignore"
_WILD = re.compile(r"[*?\[{]")
# O_NONBLOCK, because opening a pipe that took the file's place would wait for somebody to write into it.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read: at most `max_bytes` of a document."""

    max_bytes: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was meant, by its absolute path, and its bytes; nothing of it has been read yet."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that is no document, fit to be shown, and why, in half a sentence."""

    path: str
    reason: str


class Skip(Exception):
    """A document that cannot be read; `reason` is half a sentence for the report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def discover(
    paths: Sequence[str], limits: Limits = Limits(), *, without: Collection[str] = ()
) -> Iterator[Found | Skipped]:
    """The files that `paths` (files, folders, globs) mean, always in the same order; lazily.

    A folder's own .gitignore files hold below it, and links in it are not followed. What is named outright is
    taken even so. Folders in `without` are left out wherever they come up: the results of a run are none of
    its documents. A path given twice, or within another, is found twice.
    """
    left_out = frozenset(filter(None, map(_identity, without)))
    for path in paths:
        for one in _meant(os.path.abspath(path), left_out):  # noqa: PTH100 - keeps links as named
            yield _fit(one, limits) if isinstance(one, Found) else one


def read(path: str, limits: Limits = Limits()) -> Document:
    """The document at `path`; a legacy encoding is read as Windows-1252.

    Raises:
        Skip: it is missing, empty, binary, too large, named like a secret, or may not be read.
    """
    try:
        descriptor = os.open(path, _READ)
    except (OSError, ValueError) as error:
        raise Skip(_unreadable(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Skip("is not a file")
        if reason := _objection(path, found.st_size, limits):
            raise Skip(reason)
        try:
            data = file.read(limits.max_bytes + 1)  # it may have grown
        except OSError as error:
            raise Skip(_unreadable(error)) from error
    if reason := _objection(path, len(data), limits):
        raise Skip(reason)
    text = reading.decoded(data)
    if text is None:
        raise Skip("is binary")
    text = text.replace("\0", "")  # which a mark at the start lets through, and PostgreSQL cannot hold
    if not text.strip():
        raise Skip("is empty")
    return Document(path, hashlib.sha256(data).hexdigest(), text.replace("\r\n", "\n"))


def _meant(path: str, without: frozenset[_Identity]) -> Iterator[Found | Skipped]:
    wild = None if os.path.lexists(path) else _WILD.search(path)
    start = path if wild is None else path[: path.rindex("/", 0, wild.start()) + 1]
    try:
        found = os.stat(start)  # noqa: PTH116 - strings as the system has them
    except (OSError, ValueError) as error:
        yield _skipped(path, "matches no file" if wild else _unreadable(error))
        return
    if stat.S_ISREG(found.st_mode) and wild is None:
        yield Found(path, found.st_size)
    elif not stat.S_ISDIR(found.st_mode):
        yield _skipped(path, "matches no file" if wild else "is neither a file nor a folder")
    else:
        nothing = True
        for one in _Folder.at(start, path[len(start) :] if wild else None, without):
            nothing = False
            yield one
        if nothing:
            yield _skipped(path, "matches no file" if wild else "holds no file")


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is looked through: for everything, or for what `wanted` matches."""

    start: str
    wanted: Patterns | None
    without: frozenset[_Identity]

    @classmethod
    def at(cls, start: str, pattern: str | None, without: frozenset[_Identity]) -> Iterator[Found | Skipped]:
        wanted = None
        if pattern is not None:
            lines = [f"/{one}" for one in braces.expanded(pattern)]
            wanted = ignoring.patterns(lines, drop_intricate=False)
            if wanted is None:
                return iter([_skipped(start + pattern, "is too intricate a pattern")])
        root = Root.at(start)
        if root is None:
            return iter(())
        return cls(start.rstrip("/"), wanted, without).below((), Ignored.above(root, ()))

    def below(self, names: tuple[str, ...], above: Ignored) -> Iterator[Found | Skipped]:
        """Every file at or below `names`: files before folders, each by name.

        What is held is the entries of the folders on the way, no more.
        """
        here = "/".join((self.start, *names))
        if self.without and _identity(here) in self.without:
            return
        try:
            with os.scandir(here or "/") as entries:
                listed = sorted((entry.is_dir(follow_symlinks=False), entry.name) for entry in entries)
        except OSError as error:
            yield _skipped(f"{here}/", _unreadable(error))
            return
        rules = above.within(names, has_own=(False, _RULES) in listed)
        for is_folder, name in listed:
            path = (*names, name)
            if rules.cover(path, folder=is_folder) or (is_folder and name in _VERSIONED):
                continue
            if is_folder:
                yield from self.below(path, rules)
            elif name != _RULES and (self.wanted is None or self.wanted.match(path)):
                yield _file(f"{here}/{name}")


def _identity(path: str) -> _Identity | None:
    """Which folder it is, whatever links lead to it; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - strings as the system has them
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _file(path: str) -> Found | Skipped:
    try:
        found = os.lstat(path)
    except OSError as error:
        return _skipped(path, _unreadable(error))
    if stat.S_ISLNK(found.st_mode):
        return _skipped(path, "is a link; name what it leads to")
    if not stat.S_ISREG(found.st_mode):
        return _skipped(path, "is not a file")
    return Found(path, found.st_size)


def _fit(found: Found, limits: Limits) -> Found | Skipped:
    reason = _objection(found.path, found.size, limits)
    if reason is None and not _is_text(found.path):
        reason = "has a name that is not UTF-8"  # and could be kept in no database
    return found if reason is None else _skipped(found.path, reason)


def _objection(path: str, size: int, limits: Limits) -> str | None:
    return reading.unwanted(Path(path).parts[1:], size, max_bytes=limits.max_bytes)


def _skipped(path: str, reason: str) -> Skipped:
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Skipped("".join(letter if letter.isprintable() else "\ufffd" for letter in text), reason)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(error: OSError | ValueError) -> str:
    return reading.unreadable(error) if isinstance(error, OSError) else "is not a path"
