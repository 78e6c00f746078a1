"""Which files a tool's `paths` mean: files, folders and globs, with .gitignore respected in the last two."""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from supervisor_mcp.files import braces
from supervisor_mcp.files.confine import Outside, Root, opened, place, relative
from supervisor_mcp.files.ignoring import Ignored, Patterns, patterns
from supervisor_mcp.files.reading import Skipped, unreadable
from supervisor_mcp.records import Record

MAX_ENTRIES = 200_000
MAX_SECONDS = 30.0
_VERSIONED = frozenset({".git", ".hg", ".svn", ".jj"})
_GLOB = frozenset("*?[{")
_MAX_DEPTH = 64
"""Folders within folders; no project has more, and a loop of mounts would."""

Names = tuple[str, ...]


class Found(Record):
    """A file that was meant, by names free of links, and its bytes; nothing of it has been read yet."""

    root: Root
    names: Names
    size: int

    @property
    def real(self) -> str:
        """Its absolute path."""
        return os.path.join(self.root.real, *self.names)  # noqa: PTH118 - strings as the system has them


class TooMuch(Exception):
    """The paths mean more than one call may read; says how much, in half a sentence."""


class Walk:
    """One expansion of paths, with its bounds."""

    def __init__(self, roots: Sequence[Root], *, max_files: int, check: Callable[[], None]) -> None:
        """Find at most `max_files` files; `check` is called now and then and may raise to end the walk."""
        self._roots = roots
        self._max_files = max_files
        self._check = check
        self._entries = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    def expand(self, paths: Sequence[str]) -> tuple[list[Found], list[Skipped]]:
        """The files that `paths` mean, each once, and what was passed over.

        Raises:
            TooMuch: There are more files, or too much to look through.
        """
        files: dict[str, Found] = {}
        skipped: list[Skipped] = []
        for path in paths:
            for one in self._one(path):
                if isinstance(one, Skipped):
                    skipped.append(one)
                    continue
                files.setdefault(one.real, one)
                if len(files) > self._max_files:
                    raise TooMuch(f"mean more than {self._max_files:,} files")
        return list(files.values()), skipped

    def _one(self, path: str) -> Iterator[Found | Skipped]:
        try:
            root, names = place(self._roots, path)
            fixed = tuple(_until_glob(names))
            literal = fixed == names or _exists(root, names)
            with opened(root, names if literal else fixed) as (descriptor, real):
                found = os.fstat(descriptor)
        except Outside as error:
            yield Skipped(path=path, reason=str(error))
        except OSError as error:
            yield Skipped(path=path, reason=unreadable(error))
        else:
            if literal and stat.S_ISREG(found.st_mode):
                yield Found(root=root, names=real, size=found.st_size)
            elif literal:
                yield from self._folder(path, root, real, None)
            elif stat.S_ISREG(found.st_mode):
                yield Skipped(path=path, reason="matches no file")
            elif (wanted := _glob(names[len(fixed) :])) is None:
                yield Skipped(path=path, reason="is too intricate a pattern")
            else:
                yield from self._folder(path, root, real, wanted)

    def _folder(
        self, path: str, root: Root, start: Names, wanted: "Patterns | None"
    ) -> Iterator[Found | Skipped]:
        """What is below `start`, or that there is nothing."""
        nothing = True
        for one in self._below(root, start, wanted):
            nothing = False
            yield one
        if nothing:
            reason = "holds no file that git does not ignore" if wanted is None else "matches no file"
            yield Skipped(path=path, reason=reason)

    def _below(self, root: Root, start: Names, wanted: "Patterns | None") -> Iterator[Found | Skipped]:
        """Every file below `start` that nothing ignores and, where there are patterns, one matches."""
        pending = [(start, Ignored.above(root, start))]
        while pending:
            names, above = pending.pop()
            try:
                files, folders = self._listed(root, names)
            except (OSError, Outside) as error:
                reason = unreadable(error) if isinstance(error, OSError) else str(error)
                yield Skipped(path=f"{relative(self._roots, root, names)}/", reason=reason)
                continue
            rules = above.within(names, has_own=any(name == ".gitignore" for name, _ in files))
            for name, size in files:
                path = (*names, name)
                self._mind_time()
                if not rules.cover(path) and (wanted is None or wanted.match(path[len(start) :])):
                    yield Found(root=root, names=path, size=size)
            if len(names) < _MAX_DEPTH:
                deeper = [(*names, name) for name in reversed(folders) if name not in _VERSIONED]
                pending += [(path, rules) for path in deeper if not rules.cover(path, folder=True)]

    def _listed(self, root: Root, names: Names) -> tuple[list[tuple[str, int]], list[str]]:
        """The files with their sizes, and the folders, in a folder.

        Links are passed over, or what they lead to would count twice.
        """
        files, folders = [], []
        self._check()
        with opened(root, names, follow=False) as (descriptor, _), os.scandir(descriptor) as entries:
            for entry in entries:
                self._entries += 1
                self._mind_time()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        files.append((entry.name, entry.stat(follow_symlinks=False).st_size))
        return sorted(files), sorted(folders)

    def _mind_time(self) -> None:
        if self._entries > MAX_ENTRIES or time.monotonic() > self._deadline:
            raise TooMuch("lead through too many files and folders")


def _until_glob(names: Names) -> Iterator[str]:
    for name in names:
        if _GLOB.intersection(name):
            return
        yield name


def _exists(root: Root, names: Names) -> bool:
    """Whether a path with `*`, `?`, `[` or `{` in it is meant as it stands."""
    with suppress(OSError, Outside), opened(root, names):
        return True
    return False


def _glob(names: Names) -> "Patterns | None":
    """What the names, the first of them with a wildcard, match below the folder before them."""
    return patterns([f"/{one}" for one in braces.expanded("/".join(names))], drop_intricate=False)
