"""What a check says: the one shape that `doctor` and `validate` report."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

NOTHING_FOUND = "nothing found"
"""What a check says that found nothing and has nothing else to tell."""


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
