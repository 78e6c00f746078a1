"""What pipelines enter into the MCP server's ledger, so that `supervisor-setup usage` shows it too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from supervisor_mcp import accounting
from supervisor_mcp.accounting import Account
from supervisor_mcp.calls import CallCancelled
from supervisor_mcp.ledger import Entry, Ledger
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.tariff import Usage

PAID_BACKEND = "anthropic"
FAILED = "failed"
"""The outcome of a call that came to nothing."""


class Books:
    """Enters the calls of one pipeline; without a ledger, nowhere."""

    def __init__(self, ledger: Ledger | None, pipeline: str) -> None:
        self._ledger = ledger
        self._tool = f"pipeline:{pipeline}"

    @contextmanager
    def local(self, *, model: str, backend: str) -> Iterator[Account]:
        """While inside, a document is read by a local model; entered at the end, however that comes."""
        account = Account(self._tool)
        try:
            yield account
        except BaseException as error:
            account.failed(_outcome(error), model=model, backend=backend)
            raise
        finally:
            self._record(account.entry())

    def paid(self, model: str, usage: Usage, cost: int | None, seconds: float = 0.0) -> None:
        """Claude has answered; what was read from the prompt cache counts among the tokens too."""
        self._record(
            Entry(
                tool=self._tool,
                outcome=accounting.OK,
                at=int(time.time()),
                seconds=round(seconds, 3),
                model=model,
                backend=PAID_BACKEND,
                prompts=1,
                prompt_tokens=usage.prompt,
                answer_tokens=usage.output,
                cost_micros=cost,
            )
        )

    def _record(self, entry: Entry) -> None:
        if self._ledger is not None:
            self._ledger.record(entry)


def _outcome(error: BaseException) -> str:
    if isinstance(error, StepFailure | RunStopped):
        return FAILED
    return accounting.CANCELLED if isinstance(error, CallCancelled) else accounting.BUG


NO_BOOKS = Books(None, "")
