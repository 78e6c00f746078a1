"""Looking for words in other programs' small files, whatever is in their place."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.checks.world import World
from supervisor_setup.errors import TargetError

_MAX_BYTES = 1_000_000
_MAX_FILES = 50
_COMMENTS = ("#", "//")
_FOLDERS = {"$XDG_CONFIG_HOME": ".config", "$XDG_DATA_HOME": ".local/share"}


def read(path: Path) -> str | None:
    """The file's text; None where there is none, it cannot be read, or has more than a megabyte."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        data = files.read(path).data
    except (OSError, TargetError):
        return None
    return None if data is None else data.decode("utf-8", "replace")


def line_with(text: str, *words: str) -> int | None:
    """The first line, from 1, that has one of `words` and is no comment."""
    if not any(word in text for word in words):
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if any(word in line for word in words) and not line.lstrip().startswith(_COMMENTS):
            return number
    return None


def places(world: World, pattern: str) -> Iterator[Path]:
    """What exists at `pattern`: `~/…`, `$XDG_CONFIG_HOME/…` or `$XDG_DATA_HOME/…`, with `*` for a name."""
    start, _, rest = pattern.partition("/")
    folder = world.layout.home
    if start in _FOLDERS:
        custom = world.environment.get(start.removeprefix("$"), "")
        folder = Path(custom) if os.path.isabs(custom) else folder / _FOLDERS[start]  # noqa: PTH117 - a string
    try:
        yield from itertools.islice(sorted(folder.glob(rest)), _MAX_FILES)
    except OSError:
        return
