"""What a check says: the one shape that `doctor` and `validate` report."""

import re
from enum import StrEnum
from pathlib import Path

from supervisor_setup.values import dataclass

NOTHING_FOUND = "nothing found"
"""What a check says that found nothing and has nothing else to tell."""


_STEERING = "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"


def printable(text: str) -> str:
    """`text` in one line, with what would steer a terminal or reorder its line written out.

    Names of servers, agents and files may come from a repository that nobody has looked at yet.
    """
    return re.sub(_STEERING, lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class Status(StrEnum):
    """Outcome of a check, mildest first; the order is the severity."""

    OK = "ok"
    SKIPPED = "skipped"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """Rank for sorting and for the exit code; higher is worse."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of one check.

    `id` is FAMILY.NAME and never changes meaning; `line` counts from 1; `fixable` tells that `doctor --fix`
    mends it.
    """

    id: str
    status: Status
    message: str
    path: Path | None = None
    line: int | None = None
    hint: str | None = None
    fixable: bool = False

    @property
    def family(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]
