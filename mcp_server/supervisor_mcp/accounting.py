"""What one call costs and saves, counted while it is served."""

import threading
import time
from typing import TYPE_CHECKING

from supervisor_mcp.ledger import Entry

if TYPE_CHECKING:
    from supervisor_mcp.backends import Answer

OK = "ok"
CANCELLED = "cancelled"
ARGUMENTS = "arguments"
"""The call's arguments did not make sense."""
NO_BACKEND = "no-backend"
BUG = "bug"


class Account:
    """One call's figures; the threads that serve the call add to it."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._lock = threading.Lock()
        self._at = time.time()
        self._started = time.monotonic()
        self._model = self._backend = ""
        self._outcome = OK
        self._prompts = self._kept_out = self._hits = 0
        self._tokens: tuple[int | None, int | None] = (None, None)

    def answered(self, answer: "Answer", *, model: str, backend: str) -> None:
        """A model has answered a prompt; `model` is its name on the backend called `backend`."""
        with self._lock:
            self._model, self._backend = model, backend
            self._prompts += 1
            read, written = self._tokens
            self._tokens = (_sum(read, answer.prompt_tokens), _sum(written, answer.answer_tokens))

    def failed(self, outcome: str, *, model: str = "", backend: str = "") -> None:
        """The call came to nothing; `outcome` is the kind of the failure."""
        with self._lock:
            self._outcome = outcome
            self._model, self._backend = model or self._model, backend or self._backend

    def recalled(self, *, model: str, backend: str) -> None:
        """The cache had the answer of that model."""
        with self._lock:
            self._model, self._backend = model, backend
            self._hits += 1

    def kept_out(self, count: int) -> None:
        """So many bytes were read here and need not be read by Claude."""
        with self._lock:
            self._kept_out += count

    def entry(self, *, shown_bytes: int = 0) -> Entry:
        """The ledger's entry. `shown_bytes` is the length of the result, which enters Claude's context.

        A call that failed has kept nothing out: Claude now reads the files itself.
        """
        with self._lock:
            kept_out = self._kept_out - shown_bytes if self._outcome == OK else 0
            return Entry(
                tool=self._tool,
                outcome=self._outcome,
                at=int(self._at),
                seconds=round(time.monotonic() - self._started, 3),
                model=self._model,
                backend=self._backend,
                prompts=self._prompts,
                prompt_tokens=self._tokens[0],
                answer_tokens=self._tokens[1],
                kept_out_bytes=max(0, kept_out),
                cache_hits=self._hits,
            )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
