"""`path:line` in what a model says: checked against the files that were read."""

import re
from collections.abc import Mapping

_PATH = r"/?(?:[\w@+.~-]+/)*[\w@+~-][\w@+.~-]*"
_LINES = r":(\d{1,9})(?:\s?[-\u2013]\s?(\d{1,9}))?(?![\w:])"
_WITH_ENDING = re.compile(r"\.[A-Za-z]\w{0,9}$")
_MAX_ODD_PATHS = 200
NOT_THERE = "[no such place]"


def checked(text: str, lines_of: Mapping[str, int]) -> tuple[str, int]:
    """The text with citations that lead nowhere taken out, and how many those were.

    `lines_of` tells how many lines each file has. A file cited by its name alone gets its path, where only
    one has that name.
    """
    wrong = 0

    def corrected(found: "re.Match[str]") -> str:
        nonlocal wrong
        cited, first, last = found[1], int(found[2]), int(found[3] or found[2])
        path = _path(cited, lines_of)
        if path is None and "/" not in cited and not _WITH_ENDING.search(cited):
            return found[0]  # a time, a port, a ratio
        if path is None or not 1 <= first <= last <= lines_of[path]:
            wrong += 1
            return NOT_THERE
        return f"{path}:{first}" + (f"-{last}" if last > first else "")

    return _pattern(lines_of).sub(corrected, text), wrong


def _pattern(lines_of: Mapping[str, int]) -> "re.Pattern[str]":
    """Any path with a line; those with blanks and the like only as the files' names."""
    odd = [re.escape(path) for path in lines_of if not re.fullmatch(_PATH, path)][:_MAX_ODD_PATHS]
    return re.compile(rf"(?<![\w/.:-])({'|'.join([*sorted(odd, key=len, reverse=True), _PATH])}){_LINES}")


def _path(cited: str, lines_of: Mapping[str, int]) -> str | None:
    cited = cited.removeprefix("./")
    if cited in lines_of:
        return cited
    ending = [path for path in lines_of if path.endswith(f"/{cited}")]
    return ending[0] if len(ending) == 1 else None
