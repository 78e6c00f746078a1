"""Whether a text has run into endless repetition, as small models do until their tokens are used up."""

import re

WINDOW_CHARS = 6000  # how much of the end is looked at

_LEAST_CHARS = 400
# Words in what is repeated, and how often in a row it must stand there at least.
_SENTENCES = (20, 6)
_PHRASE = (4, 10)
# Rows of a table, lines of code and one-word answers repeat for good reasons: they must go on much longer.
_STRUCTURE_TIMES = 30
_STRUCTURE_CHARS = 3000
_STRUCTURE_MARKS = frozenset("|{}<>[]=;\t\\")
_WORD = re.compile(r"[^\W\d_]{2,}")


def is_runaway(text: str) -> bool:
    """Whether `text` ends in repetition that has no end of its own.

    Only verbatim repetition counts, right up to the end. What is repeated may be a word or some sentences.
    """
    return _found(text) is not None


def cut(text: str) -> str:
    """`text` with what it repeats at its end standing there once; as it is when it does not."""
    while (found := _found(text)) is not None:
        repeated, period = found
        text = text[: len(text) - repeated + period]
    return text


def _found(text: str) -> tuple[int, int] | None:
    """How many characters at the end are repetition, and of how many the thing repeated consists."""
    tail = text[-WINDOW_CHARS:]
    if len(tail) < _LEAST_CHARS:
        return None
    matches = _prefix_matches(tail[::-1])
    shorter: list[tuple[int, int]] = []
    for period in range(1, len(tail) // _SENTENCES[1] + 1):
        repeated = period + matches[period]
        if repeated < _LEAST_CHARS or repeated < period * _SENTENCES[1]:
            continue
        if any(period % part == 0 and reach >= period for part, reach in shorter):
            continue  # a multiple of something shorter, which was judged already
        shorter.append((period, repeated))
        if _has_no_end(tail[-period:], repeated):
            return repeated, period
    return None


def _has_no_end(unit: str, repeated: int) -> bool:
    times = repeated // len(unit)
    if not unit.strip():
        return True  # nothing but white space: models under a grammar do that
    words = len(_WORD.findall(unit))
    if not _STRUCTURE_MARKS & set(unit):
        if words >= _SENTENCES[0] and times >= _SENTENCES[1]:
            return True
        if words >= _PHRASE[0] and times >= _PHRASE[1]:
            return True
    return times >= _STRUCTURE_TIMES and repeated >= _STRUCTURE_CHARS


def _prefix_matches(text: str) -> list[int]:
    """For each index, how many characters from there on agree with the beginning (the Z function)."""
    matches = [0] * len(text)
    left = right = 0
    for index in range(1, len(text)):
        if index < right:
            matches[index] = min(right - index, matches[index - left])
        while index + matches[index] < len(text) and text[matches[index]] == text[index + matches[index]]:
            matches[index] += 1
        if index + matches[index] > right:
            left, right = index, index + matches[index]
    return matches
