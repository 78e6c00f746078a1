"""Which files a tool's `paths` mean: files, folders and globs, with .gitignore respected in the last two."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress

from supervisor_mcp.files.confine import Outside, Root, opened, place
from supervisor_mcp.files.reading import Skipped
from supervisor_mcp.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_VERSIONED = frozenset({".git", ".hg", ".svn", ".jj"})
_GLOB = frozenset("*?[")
_MAX_IGNORE_BYTES = 1 << 20
_MAX_DEPTH = 64
"""Folders within folders; no project has more, and a loop of mounts would."""


class Found(Record):
    """A file that was meant; nothing of it has been read yet."""

    root: Root
    names: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its path below the root, for people."""
        return "/".join(self.names)


def expand(roots: Sequence[Root], paths: Sequence[str], *, max_files: int) -> list[Found | Skipped]:
    """The files that `paths` mean, each once, and what was passed over; at most `max_files` files."""
    seen: dict[tuple[str, tuple[str, ...]], Found] = {}
    skipped: list[Skipped] = []
    for path in paths:
        for one in _expand_one(roots, path):
            if isinstance(one, Skipped):
                skipped.append(one)
            elif len(seen) < max_files or (one.root.real, one.names) in seen:
                seen.setdefault((one.root.real, one.names), one)
            else:
                reason = f"there are more than {max_files:,} files, and the rest was left out"
                return [*seen.values(), *skipped, Skipped(path=path, reason=reason)]
    return [*seen.values(), *skipped]


def _expand_one(roots: Sequence[Root], path: str) -> Iterator[Found | Skipped]:
    try:
        root, names = place(roots, path)
    except Outside as error:
        yield Skipped(path=path, reason=str(error))
        return
    fixed = tuple(_until_glob(names))
    if fixed != names and not _exists(root, names):
        found = list(_walk(root, fixed, "/".join(names[len(fixed) :])))
        yield from found or [Skipped(path=path, reason="matches no file")]
        return
    try:
        with opened(root, names) as (descriptor, real):
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    except Outside as error:
        yield Skipped(path=path, reason=str(error))
    except OSError as error:
        yield Skipped(path=path, reason=f"cannot be read ({error.strerror})")
    else:
        if folder:
            found = list(_walk(root, real, None))
            yield from found or [Skipped(path=path, reason="holds no file that is not ignored")]
        else:
            yield Found(root=root, names=real)


def _until_glob(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if _GLOB.intersection(name):
            return
        yield name


def _exists(root: Root, names: Sequence[str]) -> bool:
    """Whether a path with `*`, `?` or `[` in it is meant as it stands."""
    with suppress(OSError, Outside), opened(root, names):
        return True
    return False


def _walk(root: Root, start: Sequence[str], pattern: str | None) -> Iterator[Found | Skipped]:
    """Every file below `start` that nothing ignores and, where there is a pattern, matches it."""
    wanted = None if pattern is None else _spec([pattern])
    ignored = _Ignored(root, start)
    pending = [(tuple(start), ignored)]
    while pending:
        names, rules = pending.pop()
        try:
            files, folders = _listed(root, names)
        except (OSError, Outside) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield Skipped(path="/".join(names) or ".", reason=f"cannot be read ({reason})")
            continue
        rules = rules.within(names)
        for name in files:
            path = (*names, name)
            if not rules.cover(path) and (wanted is None or wanted.match_file("/".join(path[len(start) :]))):
                yield Found(root=root, names=path)
        deeper = [(*names, name) for name in folders if name not in _VERSIONED]
        if len(names) < _MAX_DEPTH:
            pending += [(path, rules) for path in reversed(deeper) if not rules.cover(path, folder=True)]


def _listed(root: Root, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders in a folder; links are passed over, or they would count twice."""
    files, folders = [], []
    with opened(root, names) as (descriptor, _), os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
    return sorted(files), sorted(folders)


class _Ignored:
    """The .gitignore rules that hold in a folder: those of the root, of each folder down to it, and its own."""

    def __init__(
        self, root: Root, start: Sequence[str], rules: "tuple[tuple[int, GitIgnoreSpec], ...]" = ()
    ) -> None:
        self._root = root
        self._rules = rules
        for depth in range(len(start)):
            self._rules = self.within(start[:depth])._rules

    def within(self, names: Sequence[str]) -> "_Ignored":
        """The rules with those that the folder itself brings."""
        own = _gitignore(self._root, names)
        return self if own is None else _Ignored(self._root, (), (*self._rules, (len(names), own)))

    def cover(self, names: Sequence[str], *, folder: bool = False) -> bool:
        """Whether the file or folder is ignored; the innermost rule that says anything decides."""
        for depth, spec in reversed(self._rules):
            said = spec.check_file("/".join(names[depth:]) + ("/" if folder else "")).include
            if said is not None:
                return bool(said)
        return False


def _gitignore(root: Root, names: Sequence[str]) -> "GitIgnoreSpec | None":
    """The rules of the .gitignore in a folder, None where there is none that can be read."""
    try:
        with opened(root, (*names, ".gitignore")) as (descriptor, _):
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            lines = os.read(descriptor, _MAX_IGNORE_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, Outside):
        return None
    return _spec(lines)


def _spec(lines: Sequence[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # 50 ms, for the first folder or glob

    return GitIgnoreSpec.from_lines(lines)
