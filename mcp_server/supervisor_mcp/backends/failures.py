"""How asking a backend can fail, sorted by what follows from it."""

from enum import StrEnum

from supervisor_mcp.records import Record


class Kind(StrEnum):
    """What went wrong, as far as it decides whether another backend is asked and what the user can do."""

    UNREACHABLE = "unreachable"
    KEY = "key"
    MODEL = "model"
    CLOUD = "cloud"
    BUSY = "busy"
    BROKEN = "broken"
    CONTEXT = "context"
    TIMEOUT = "timeout"
    EMPTY = "empty"
    REPEATS = "repeats"


_ANOTHER_BACKEND_MAY_DO = frozenset(
    {Kind.UNREACHABLE, Kind.KEY, Kind.MODEL, Kind.CLOUD, Kind.BUSY, Kind.BROKEN}
)


class Failure(Record):
    """One failed attempt: what happened, in words for Claude, and what the user can do about it.

    `context_tokens` is the model's limit, where a failure of the kind CONTEXT tells it.
    """

    kind: Kind
    text: str
    hint: str = ""
    context_tokens: int | None = None

    @property
    def falls_back(self) -> bool:
        """Whether the next backend is asked.

        Not for a prompt that is too long, an answer that took too long, or one that is no good: the same
        model elsewhere does the same again, and the user has waited enough.
        """
        return self.kind in _ANOTHER_BACKEND_MAY_DO


class BackendError(Exception):
    """Carries a Failure to whoever can go on from it."""

    def __init__(self, kind: Kind, text: str, hint: str = "", *, context_tokens: int | None = None) -> None:
        super().__init__(text)
        self.failure = Failure(kind=kind, text=text, hint=hint, context_tokens=context_tokens)
        self.passing = False
        self.wait_seconds: float | None = None

    def soon_over(self, wait_seconds: float | None = None) -> "BackendError":
        """The same error, marked as one that may be gone at the next try, after `wait_seconds` if given."""
        self.passing = True
        self.wait_seconds = wait_seconds
        return self
