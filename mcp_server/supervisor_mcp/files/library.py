"""The one way to the user's files: what paths mean, what may be read, and what was passed over and why."""

from collections.abc import Callable, Sequence

from supervisor_mcp.files import reading
from supervisor_mcp.files.confine import Root, relative
from supervisor_mcp.files.reading import Skipped, Source
from supervisor_mcp.files.walk import Found, TooMuch, Walk
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Files

__all__ = ["Found", "Library", "Plan", "Skipped", "Source", "TooMuch"]

_MAX_SHOWN_CHARS = 300


class Plan(Record):
    """The files that are to be read, and what is not."""

    files: tuple[Found, ...]
    skipped: tuple[Skipped, ...]

    @property
    def size(self) -> int:
        """Bytes of the files together."""
        return sum(found.size for found in self.files)


class Library:
    """The project's folder and the further ones that the user allows."""

    def __init__(self, settings: Files, project: str | None) -> None:
        """Read below `project` and below the roots of `settings`; a folder that does not exist is left out.

        Relative paths start at the first of them.
        """
        self._settings = settings
        named = [Root.at(folder) for folder in (project, *settings.roots) if folder is not None]
        self.roots = tuple(root for root in named if root is not None)

    def plan(self, paths: Sequence[str], check: Callable[[], None] = lambda: None) -> Plan:
        """What the paths mean, without reading any of it; `check` is called now and then and may raise.

        What is too large or named like a secret is found here already, so that only what will be read counts.

        Raises:
            TooMuch: They mean more files than one call may read.
        """
        walk = Walk(self.roots, max_files=self._settings.max_files, check=check)
        files, skipped = walk.expand(paths)
        fit, unfit = [], []
        for found in files:
            reason = reading.unwanted(found.names, found.size, max_bytes=self._settings.max_file_bytes)
            if reason is None:
                fit.append(found)
            else:
                unfit.append(Skipped(path=self.shown(found), reason=reason))
        passed = [one.but(path=_printable(one.path)) for one in skipped]
        return Plan(files=tuple(fit), skipped=(*passed, *unfit))

    def read(self, found: Found) -> Source | Skipped:
        """One of the files that were found."""
        return reading.read(
            found.root, found.names, self.shown(found), max_bytes=self._settings.max_file_bytes
        )

    def sources(
        self, paths: Sequence[str], check: Callable[[], None] = lambda: None
    ) -> tuple[list[Source], list[Skipped]]:
        """All of what the paths mean that may be read, and what was passed over.

        Raises:
            TooMuch: They mean more files than one call may read.
        """
        plan = self.plan(paths, check)
        sources, skipped = [], list(plan.skipped)
        for found in plan.files:
            check()
            one = self.read(found)
            if isinstance(one, Source):
                sources.append(one)
            else:
                skipped.append(one)
        return sources, skipped

    def shown(self, found: Found) -> str:
        """The file's path for people: relative where relative paths reach it, elsewhere absolute."""
        return _printable(relative(self.roots, found.root, found.names))


def _printable(path: str) -> str:
    """The path without what could break a line or be taken for a command of a terminal, and not too long."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _is_fs(path) else ascii(path)
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"


def _is_fs(path: str) -> bool:
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
