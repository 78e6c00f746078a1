"""Long texts in chunks that a model's context holds, cut between lines where that is possible."""

from collections.abc import Iterator

from supervisor_mcp.records import Record

MIN_BYTES = 400
"""A chunk of that size is not cut any further."""


class Chunk(Record):
    """Consecutive lines of a file: from `first` to `last`, counted from 1, both included.

    A line that is too long for one chunk is in several, each of them having its number.
    """

    path: str
    text: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """Bytes of its text in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))

    def numbered(self) -> str:
        """The text with each line's number before it."""
        return "\n".join(
            f"{number}: {line}" for number, line in enumerate(self.text.split("\n"), start=self.first)
        )


def whole(path: str, text: str) -> Chunk:
    """A text as one chunk; a line feed at its end does not begin another line."""
    text = text.removesuffix("\n")
    return Chunk(path=path, text=text, first=1, last=text.count("\n") + 1)


def split(chunk: Chunk, max_bytes: int) -> list[Chunk]:
    """The chunk in parts of at most `max_bytes`, every line in exactly one of them where it fits into one."""
    if chunk.size <= max_bytes:
        return [chunk]
    parts: list[list[tuple[int, str]]] = [[]]
    used = 0
    for number, line in enumerate(chunk.text.split("\n"), start=chunk.first):
        for piece in _pieces(line, max_bytes):
            size = len(piece.encode("utf-8", "replace")) + 1
            again = bool(parts[-1]) and parts[-1][-1][0] == number
            if parts[-1] and (used + size > max_bytes + 1 or again):
                parts.append([])
                used = 0
            parts[-1].append((number, piece))
            used += size
    return [_part(chunk.path, lines) for lines in parts]


def halves(chunk: Chunk) -> list[Chunk]:
    """The chunk in two or three; itself alone when it is small enough already."""
    return split(chunk, max(MIN_BYTES, chunk.size // 2 + 1)) if chunk.size > MIN_BYTES else [chunk]


def _part(path: str, lines: list[tuple[int, str]]) -> Chunk:
    text = "\n".join(line for _, line in lines)
    return Chunk(path=path, text=text, first=lines[0][0], last=lines[-1][0])


def _pieces(line: str, max_bytes: int) -> Iterator[str]:
    """The line, in parts of at most `max_bytes`; a character is never cut."""
    data = line.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        yield line
        return
    start = 0
    while start < len(data):
        end = min(start + max(max_bytes, 4), len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode("utf-8", "replace")
        start = end
