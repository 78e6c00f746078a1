"""Random choices for property tests that make whole documents."""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

Choice = TypeVar("Choice")


class Tape:
    """Choices read off bytes: one draw makes a document, and it shrinks towards the options named first."""

    def __init__(self, raw: bytes) -> None:
        self._left = iter(raw)

    def pick(self, options: Sequence[Choice]) -> Choice:
        return options[next(self._left, 0) % len(options)]


def tapes(length: int) -> st.SearchStrategy[Tape]:
    """Tapes with that many choices on them; after the last one, the first option is always picked."""
    return st.binary(min_size=length, max_size=length).map(Tape)
