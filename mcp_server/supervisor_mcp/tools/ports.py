"""What the file tools are given to work with; the ledger and the cache stand behind two of these."""

from collections.abc import Sequence
from typing import Protocol

from supervisor_mcp.backends import Answer
from supervisor_mcp.calls import Call
from supervisor_mcp.delegation import Delegation
from supervisor_mcp.files.library import Library
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Tool


class Memory(Protocol):
    """Keeps a model's answers about chunks of files; the key is a hash of all that an answer depends on."""

    def recall(self, key: bytes) -> str | None:
        """The answer for the key, None where there is none."""

    def remember(self, key: bytes, answer: str) -> None:
        """Keep the answer."""


class Accounts(Protocol):
    """Counts what a call costs and what it keeps out of Claude's context."""

    def answered(self, answer: Answer, *, model: str, backend: str) -> None:
        """A model has answered a prompt."""

    def recalled(self, *, model: str, backend: str) -> None:
        """The memory had the answer of that model."""

    def kept_out(self, count: int) -> None:
        """So many bytes were read here and need not be read by Claude."""


class NoMemory:
    """Remembers nothing."""

    def recall(self, key: bytes) -> str | None:  # noqa: ARG002 - the memory's interface
        """Nothing."""
        return None

    def remember(self, key: bytes, answer: str) -> None:
        """Forget it."""


class NoAccounts:
    """Counts nothing."""

    def answered(self, answer: Answer, *, model: str, backend: str) -> None:
        """Nothing to do."""

    def recalled(self, *, model: str, backend: str) -> None:
        """Nothing to do."""

    def kept_out(self, count: int) -> None:
        """Nothing to do."""


class Bench(Record):
    """All that one call of a tool works with."""

    tool: Tool
    library: Library
    delegation: Delegation
    call: Call
    memory: Memory = NoMemory()
    accounts: Accounts = NoAccounts()


class Outcome(Record):
    """What a tool answers: its text, and whether it is an error, with its `cause` for the ledger.

    `bytes_read` are those of the files' text that it rests on.
    """

    text: str
    is_error: bool = False
    cause: str = ""
    bytes_read: int = 0

    @classmethod
    def of(cls, parts: Sequence[str], *, bytes_read: int, is_error: bool = False) -> "Outcome":
        """The parts that are not empty, a blank line between them."""
        text = "\n\n".join(part for part in parts if part)
        return cls(text=text, is_error=is_error, cause="unusable" if is_error else "", bytes_read=bytes_read)


class Refused(Exception):
    """The call cannot be served as it was made; says what to call instead."""
