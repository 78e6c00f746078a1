"""Edits of files that are not ours: pure functions, bytes in and bytes out, that touch nothing else."""

from codecs import BOM_UTF8
from enum import Enum
from math import isnan
from typing import Final, Self


class Absent(Enum):
    """The type of what a look-up answers where nothing stands."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class EditError(Exception):
    """A document that must not be guessed at: `what` is wrong, at `line` and `column`.

    Both count from 1, and columns count characters, as editors do. `str()` gives `LINE:COLUMN: WHAT`, to be
    put after the path.
    """

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what, line, column)
        self.what = what
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.what}"

    @classmethod
    def at(cls, data: bytes, offset: int, what: str) -> Self:
        """The error at a byte offset of the document, whose lines may end in any of the three ways."""
        before = data[:offset].removeprefix(BOM_UTF8)
        breaks = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
        line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        return cls(what, breaks + 1, len(before[line_start:].decode("utf-8", "replace")) + 1)


def same_value(one: object, other: object) -> bool:
    """Whether two parsed values are equal, types included: `1`, `1.0` and `true` all differ, NaN equals NaN.

    The order of an object's keys does not count.
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, float) and isinstance(other, float) and isnan(one):
        return isnan(other)
    return one == other
