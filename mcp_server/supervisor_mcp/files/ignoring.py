"""What git ignores, by the .gitignore files of a root and the folders below it."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress

from supervisor_mcp.files.confine import Outside, Root, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_MAX_BYTES = 1 << 16
_MAX_LINES = 2000
# pathspec makes regular expressions of patterns, and many stars in one name take it for ever on a long name.
_INTRICATE = re.compile(r"(?:\*[^*/]+){4}|(?:\*\*/.*){4}|.{400}")


class Patterns:
    """Patterns of a .gitignore."""

    def __init__(self, spec: "GitIgnoreSpec") -> None:
        self._spec = spec

    def said(self, path: str) -> bool | None:
        """Whether the path is matched or excepted; None where no pattern says anything."""
        return self._spec.check_file(path).include

    def match(self, names: Sequence[str]) -> bool:
        """Whether the file at these names is matched."""
        return bool(self.said("/".join(names)))


class Ignored:
    """The rules that hold in a folder: those of the root, of each folder down to it, and its own."""

    def __init__(self, root: Root, rules: tuple[tuple[int, Patterns], ...] = ()) -> None:
        self._root = root
        self._rules = rules

    @classmethod
    def above(cls, root: Root, start: Sequence[str]) -> "Ignored":
        """The rules of the folders above `start`; none where they ignore it, for it was asked for by name."""
        rules = cls(root).within((".git", "info"), has_own=True, name="exclude", depth=0)
        for depth in range(len(start)):
            rules = rules.within(start[:depth], has_own=True)
            if rules.cover(start[: depth + 1], folder=True):
                rules = cls(root)
        return rules

    def within(
        self, names: Sequence[str], *, has_own: bool, name: str = ".gitignore", depth: int | None = None
    ) -> "Ignored":
        """The rules with those that the folder itself brings in the file `name`."""
        lines = _lines(self._root, (*names, name)) if has_own else []
        own = patterns(lines, drop_intricate=True)
        at = len(names) if depth is None else depth
        return self if own is None else Ignored(self._root, (*self._rules, (at, own)))

    def cover(self, names: Sequence[str], *, folder: bool = False) -> bool:
        """Whether the file or folder is ignored; the innermost rule that says anything decides."""
        for depth, rules in reversed(self._rules):
            said = rules.said("/".join(names[depth:]) + ("/" if folder else ""))
            if said is not None:
                return said
        return False


def patterns(lines: Sequence[str], *, drop_intricate: bool) -> Patterns | None:
    """The patterns in the lines, None where there is none.

    One that could take very long to match is dropped, or all are refused with it.
    """
    simple = [line for line in lines if not _INTRICATE.search(line)]
    if not simple or (len(simple) < len(lines) and not drop_intricate):
        return None
    from pathspec import GitIgnoreSpec  # 50 ms, for the first folder or glob

    return Patterns(GitIgnoreSpec.from_lines(simple))


def _lines(root: Root, names: Sequence[str]) -> list[str]:
    with suppress(OSError, Outside), opened(root, names, follow=False) as (descriptor, _):
        lines = os.read(descriptor, _MAX_BYTES).decode("utf-8", "replace").splitlines()
        return [line for line in lines[:_MAX_LINES] if line.strip() and not line.startswith("#")]
    return []
