"""What an edit leaves behind for the day on which it is taken back."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Self

from supervisor_setup.values import dataclass


class Change(StrEnum):
    """What an edit did."""

    KEPT = "kept"
    REPLACED = "replaced"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class Undo:
    """What a removal needs to give the original bytes back; that of the first edit undoes later updates too.

    KEPT: an equal value stood there already, so nothing changed and a removal changes nothing. REPLACED:
    `prior` is the exact text that stood there (the user's, so it may hold a secret). INSERTED: together with
    `created` parents, into a container that held only `filler` if it was empty.
    """

    change: Change
    prior: str = ""
    created: int = 0
    filler: str = ""

    def to_json(self) -> dict[str, object]:
        """The same as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """What `to_json` gave; raises KeyError or ValueError for anything else."""
        return cls(Change(raw["change"]), str(raw["prior"]), int(raw["created"]), str(raw["filler"]))
