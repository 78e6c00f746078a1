"""Reads an answer as it comes: counts its pieces, notes when the last one came, and stops a runaway one."""

import time

from supervisor_mcp import keys, repetition

_LOOK_EVERY_CHARS = 400
_LOADING_BANNER = "━"  # llama-swap tells of a model's load in the answer's thoughts, between two such bars


class Reader:
    """Takes the lines of one reply, on the exchange's thread, and puts the answer together.

    `ended` once the answer said that it is over; `finish` is why, in the server's word. `thought` when the
    model thought aloud, which is not part of `text`. `runaway` when it was stopped because it went on
    repeating itself.
    """

    def __init__(self) -> None:
        self.key: str | None = None  # to be blotted out: servers like to quote it in their errors
        self.ended = False
        self.finish: str | None = None
        self.pieces = 0
        self.first_piece_at: float | None = None
        self.last_piece_at: float | None = None
        self.prompt_tokens: int | None = None
        self.answer_tokens: int | None = None
        self.thought = False
        self.runaway = False
        self._parts: list[str] = []
        self._thoughts_begin = ""
        self._tail = ""
        self._unseen_chars = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._parts)

    def take(self, line: bytes) -> bool:
        """Read one line, without its end; False once no more is wanted.

        Raises:
            BackendError: It is an error, or nothing that can be read.
        """
        self._take(keys.redact(line, self.key) if self.key else line)
        return not (self.ended or self.runaway)

    def end(self) -> None:
        """The reply is over.

        Raises:
            BackendError: The answer was not.
        """
        raise NotImplementedError

    def _take(self, line: bytes) -> None:
        raise NotImplementedError

    def _add(self, said: str, thought: str) -> None:
        """A piece of the answer, or of the thoughts that come before it."""
        if thought:
            self._thoughts_begin = self._thoughts_begin or thought.lstrip()
            if self._thoughts_begin.startswith(_LOADING_BANNER) and not self._parts:
                return  # the silence after it is the model reading the prompt
            self.thought = True
        if said:
            self._parts.append(said)
        if said or thought:
            self.pieces += 1
            self.last_piece_at = time.monotonic()
            self.first_piece_at = self.first_piece_at or self.last_piece_at
            self._watch(said or thought)

    def _watch(self, piece: str) -> None:
        self._tail = (self._tail + piece)[-repetition.WINDOW_CHARS :]
        self._unseen_chars += len(piece)
        if self._unseen_chars >= _LOOK_EVERY_CHARS:
            self._unseen_chars = 0
            self.runaway = repetition.is_runaway(self._tail)


def count(value: object) -> int | None:
    """A number of tokens as a server tells it; None for what cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
