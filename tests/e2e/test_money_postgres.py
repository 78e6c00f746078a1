"""The money over a real PostgreSQL: as over SQLite, whoever pays from wherever."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from paid_api import PRICES, PaidApi
from paid_behaviour import lost_reply, says
from pydantic import BaseModel

from supervisor_pipelines import batch_api, batches, money
from supervisor_pipelines.batches import Batcher
from supervisor_pipelines.claude import Claude, PaidRequest
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.money import Money, Wanted
from supervisor_pipelines.paying import BudgetReached, Payer
from supervisor_pipelines.store import Store

from .postgres import Postgres

pytestmark = pytest.mark.e2e

MACHINES = 3


class Verdict(BaseModel):
    verdict: str


ASK = Ask[BaseModel, Verdict](Verdict, "Judge it.", lambda document, _facts: document.text, max_tokens=500)


def request(number: int) -> PaidRequest:
    return PaidRequest.of(ASK, f"document {number}")


class Machines:
    """Some machines, each with connections of its own to the same database."""

    def __init__(self, stores: list[Store], api: PaidApi) -> None:
        self.api = api
        self.stores = stores
        self.claude = Claude(api.key, api.url)
        self.payers = [
            Payer(store, self.claude, run_id="run", executor_id=f"machine {number}")
            for number, store in enumerate(stores)
        ]

    def pay_all(self, requests: int) -> int:
        """Have every machine ask for all of them, two at a time; how many were answered."""

        def pay(job: tuple[Payer, int]) -> bool:
            payer, number = job
            try:
                payer.pay(request(number), Verdict)
            except BudgetReached:
                return False
            return True

        jobs = [(payer, number) for number in range(requests) for payer in self.payers]
        with ThreadPoolExecutor(2 * MACHINES) as threads:
            return sum(threads.map(pay, jobs))

    @property
    def money(self) -> Money:
        with self.stores[0].read() as connection:
            return money.money(connection, "run")


@pytest.fixture
def machines(postgres: Postgres, tmp_path: Path) -> Iterator[Machines]:
    url = postgres.fresh()
    with ExitStack() as stack, PaidApi() as api:
        made = Machines([stack.enter_context(Store.opened(tmp_path, url)) for _ in range(MACHINES)], api)
        yield made
        made.claude.close()


def test_no_machine_pays_for_what_another_pays_for(machines: Machines) -> None:
    machines.api.latency = 0.01
    assert machines.pay_all(30) == MACHINES * 30
    assert len(machines.api.billed()) == 30
    assert not machines.api.paid_twice()
    assert (machines.money.calls, machines.money.reserved) == (30, 0)


def test_all_machines_together_exceed_no_budget(machines: Machines) -> None:
    machines.api.behave = lambda _asked: says(json.dumps({"verdict": "x" * 1500}))
    with machines.stores[0].begin() as connection:
        money.set_budget(connection, "run", 50_000)
    assert 0 < machines.pay_all(40) < MACHINES * 40
    assert machines.api.spent(PRICES) <= machines.money.spent <= 50_000
    assert machines.money.reserved == 0


def test_what_was_lost_on_the_way_counts(machines: Machines) -> None:
    machines.api.next(lost_reply())
    assert machines.pay_all(1) == MACHINES
    assert machines.api.spent(PRICES) <= machines.money.spent + machines.money.lost


def test_what_a_dead_machine_had_reserved_is_asked_by_another(machines: Machines) -> None:
    with machines.stores[0].begin() as connection:
        wanted = Wanted(request(0).key, ASK.model, 0, 7_000)
        assert money.reserve(connection, "run", "dead", [wanted, wanted])
    with machines.stores[1].begin() as connection:
        assert money.holders(connection) == {"dead"}
        assert money.write_off(connection, {"dead"}) == 7_000
    assert machines.pay_all(1) == MACHINES
    assert len(machines.api.billed()) == 1


def test_batches_are_kept_there_too(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "POLL_SECONDS", (0.01, 0.05))
    odd = request(1).key
    machines.api.batches.outcome = lambda name, _params: "expired" if name == odd else "succeeded"
    Batcher(machines.stores[0], machines.claude, run_id="run").ask_all(
        [(request(number), 0) for number in range(3)], Verdict
    )
    with machines.stores[1].read() as connection:
        assert batches.failure(connection, odd, 0) == "the batch did not get to it within a day"
    assert machines.payers[2].pay(request(2), Verdict).again
    assert (machines.money.calls, machines.money.reserved) == (2, 0)
