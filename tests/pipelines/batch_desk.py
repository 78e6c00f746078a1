"""A run's money and batches, and a stand-in for the API that they go to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paid_api import PaidApi
from pydantic import BaseModel
from sqlalchemy import select

from supervisor_pipelines import batch_records, batches, money
from supervisor_pipelines.batches import Batcher, Waiting
from supervisor_pipelines.claude import Claude, PaidRequest
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.paying import Payer
from supervisor_pipelines.store import Store


class Verdict(BaseModel):
    verdict: str


ASK = Ask[BaseModel, Verdict](Verdict, "Judge it.", lambda document, _facts: document.text)
RUN = "run"


class Desk:
    """A run's money, its batches and the API that they go to."""

    def __init__(self, folder: Path, api: PaidApi) -> None:
        self.api = api
        self.store = Store.open(folder, None)
        self.store.create_tables()
        self.claude = Claude(api.key, api.url)

    def ask(self, *prompts: str, attempt: int = 0) -> list[Waiting]:
        """Have the prompts answered by a process that knows nothing of what was done before."""
        seen: list[Waiting] = []
        batcher = Batcher(self.store, self.claude, run_id=RUN)
        batcher.ask_all([(request(one), attempt) for one in prompts], Verdict, seen.append)
        return seen

    def answer(self, prompt: str) -> str:
        """What is kept as the answer; asking for it must not cost anything."""
        payer = Payer(self.store, self.claude, run_id=RUN, executor_id="me")
        paid = payer.pay(request(prompt), Verdict)
        assert paid.again
        return paid.answer.verdict

    def failure(self, prompt: str) -> str | None:
        with self.store.read() as connection:
            return batches.failure(connection, request(prompt).key, 0)

    def money(self) -> money.Money:
        with self.store.read() as connection:
            return money.money(connection, RUN)

    def set_budget(self, dollars: float) -> None:
        with self.store.begin() as connection:
            money.set_budget(connection, RUN, round(dollars * 1_000_000))

    def sizes(self) -> list[int]:
        """How many requests each batch at the API has."""
        return [len(batch.requests) for batch in self.api.batches.all]

    def rows(self) -> int:
        with self.store.read() as connection:
            return len(connection.execute(select(batch_records.batches)).all())


def request(prompt: str) -> PaidRequest:
    return PaidRequest.of(ASK, prompt)


@contextmanager
def opened(folder: Path) -> Iterator[Desk]:
    """A desk with an API of its own."""
    with PaidApi() as api:
        made = Desk(folder, api)
        yield made
        made.claude.close()
        made.store.close()
