"""A run's money, and a stand-in for the API that it goes to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paid_api import PaidApi
from pydantic import BaseModel, Field

from supervisor_pipelines import money
from supervisor_pipelines.claude import Claude, PaidRequest
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.failures import StepFailure
from supervisor_pipelines.money import Money
from supervisor_pipelines.paying import Paid, Payer
from supervisor_pipelines.spool import Spool
from supervisor_pipelines.store import Store

RUN = "run"


class Verdict(BaseModel):
    verdict: str
    score: int = Field(default=1, ge=0, le=10)


ASK = Ask[BaseModel, Verdict](Verdict, "Judge it.", lambda document, _facts: document.text, max_tokens=500)


class Till:
    """A store, an API that costs, and payers of as many processes as a test wants."""

    def __init__(self, folder: Path, api: PaidApi) -> None:
        self.api = api
        self.store = Store.open(folder, None)
        self.store.create_tables()
        self.claude = Claude(api.key, api.url)
        self.spool = Spool.below(folder / "spool", self.store)
        self.payer = self.another("first")

    def another(self, executor: str, run: str = RUN) -> Payer:
        """A payer of another process."""
        return Payer(self.store, self.claude, run_id=run, executor_id=executor, spool=self.spool)

    def pay(self, prompt: str, *, attempt: int = 0) -> Paid[Verdict]:
        return self.payer.pay(request(prompt), Verdict, attempt=attempt)

    def lose(self, prompt: str) -> None:
        """Ask for something whose answer is lost each time."""
        with pytest.raises(StepFailure):
            self.pay(prompt)

    def set_budget(self, micros: int | None) -> None:
        with self.store.begin() as connection:
            money.set_budget(connection, RUN, micros)

    @property
    def money(self) -> Money:
        with self.store.read() as connection:
            return money.money(connection, RUN)


def request(prompt: str, model: str = ASK.model) -> PaidRequest:
    one = PaidRequest.of(ASK, prompt)
    return PaidRequest(model, one.system, one.prompt, one.schema, one.max_tokens)


def killed(*_arguments: object, **_named: object) -> None:
    """What a test has happen in the middle of a process, which ends it."""
    raise KeyboardInterrupt


@contextmanager
def opened(folder: Path) -> Iterator[Till]:
    """A till with an API of its own."""
    with PaidApi() as api:
        made = Till(folder, api)
        yield made
        made.claude.close()
        made.store.close()
