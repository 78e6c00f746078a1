"""Paid requests in batches: at half price, within a day, and never sent twice.

An intent is written before a batch is created and its id after that. A process that is killed between the two
leaves an intent without an id, and the next one looks for the batch at the API before it creates another. The
API tells the requests of a batch only once it has ended, so one that might be ours is waited for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import BaseModel
from sqlalchemy import Connection

from supervisor_pipelines import batch_api, batch_records, money
from supervisor_pipelines.batch_api import BatchApi
from supervisor_pipelines.batch_records import Sent, failure
from supervisor_pipelines.books import NO_BOOKS, Books
from supervisor_pipelines.claude import Claude, PaidRequest, Reply, Unanswered, Why, of_the_account
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.money import Reservation, Wanted
from supervisor_pipelines.paying import check
from supervisor_pipelines.store import Store
from supervisor_pipelines.tariff import Tariff

if TYPE_CHECKING:
    from anthropic.types.messages import MessageBatchIndividualResponse

__all__ = ["Batcher", "Waiting", "failure"]

MOST_REQUESTS = 10_000
"""In one batch. The API takes ten times as many, but a batch is held in memory while it is sent."""
MOST_BYTES = 32_000_000
SETTLING_SECONDS = 120.0
"""How long after an attempt to create a batch has ended it may still appear at the API."""
OTHERS_SECONDS = 60.0
"""How long what others have reserved is waited for: longer than it takes to see that they are dead."""
_COLLECTED_AT_ONCE = 500
_UNANSWERED = {
    "canceled": "the batch was cancelled",
    "expired": "the batch did not get to it within a day",
}

Ask = tuple[PaidRequest, int]
"""A request, and how many times it was asked for again after it had failed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is under way at the API."""

    batches: int
    requests: int


Progress = Callable[[Waiting], None]


class Batcher:
    """Sends the paid requests of one run in batches; one process at a time does, on one thread."""

    def __init__(self, store: Store, api: Claude, *, run_id: str, books: Books = NO_BOOKS) -> None:
        """Pay out of the budget of `run_id` (`money.set_budget`)."""
        self._store = store
        self._api = BatchApi(api)
        self._run_id = run_id
        self._books = books
        self._progress: Progress = _ignore
        self._tariff = Tariff.load()
        self._refused: RunStopped | None = None

    def ask_all(self, asks: Iterable[Ask], form: type[BaseModel], progress: Progress | None = None) -> None:
        """Have every request answered or failed: then `paying` finds the answers, and `failure` the reasons.

        Without those that are under way for another run, and stay so. `progress` is told again and again what
        is waited for.

        Raises:
            BudgetReached: not all could be paid for; those that could are answered.
            RunStopped: the API takes none, or cannot be reached any more.
            CallCancelled: `stop` was called; what is under way goes on, and the next call collects it.
        """
        self._progress = progress or _ignore
        self._recover()
        stopped: RunStopped | None = None
        try:
            for some in _windows(asks):
                left: Sequence[Ask] = some
                alone = time.monotonic()
                while left := self._send(left, form):
                    # Until what is under way is settled, and has cost less than it might.
                    if self._await_one():
                        alone = time.monotonic()
                    elif time.monotonic() - alone >= OTHERS_SECONDS:
                        break
                    else:
                        self._api.wait(batch_api.POLL_SECONDS[0])
        except RunStopped as error:
            stopped = error
        while self._await_one():
            pass
        stopped = stopped or self._refused
        if stopped is not None:
            raise stopped

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._api.stop()

    def _send(self, asks: Sequence[Ask], form: type[BaseModel]) -> Sequence[Ask]:
        """Create a batch of what is not paid for yet.

        Returns what there is no money for at this moment, and what others than its batches reserve.
        """
        if self._refused is not None:
            raise self._refused
        newest = self._api.newest()
        batch = uuid.uuid4().hex
        with self._store.begin() as connection:
            wanted, left = self._affordable(connection, asks, form)
            made = money.reserve(connection, self._run_id, batch_records.holder(batch), wanted)
            if made:
                batch_records.intend(connection, batch, self._run_id, newest, made)
            if len(made) < len(wanted):
                others = {one.key for one in wanted}
                for one in self._sent(connection):
                    others -= batch_records.requests(connection, one.id).keys()
                left = [*(ask for ask in asks if ask[0].key in others), *left]
        if made:
            keys = {one.wanted.key for one in made}
            requests = {request.key: request for request, _ in asks if request.key in keys}
            self._create(batch, list(requests.values()))
        return left

    def _affordable(
        self, connection: Connection, asks: Sequence[Ask], form: type[BaseModel]
    ) -> tuple[list[Wanted], Sequence[Ask]]:
        """What of `asks` there is money for, and the rest; without what is settled."""
        account = money.money(connection, self._run_id, lock=True)
        free, wanted = account.free, list[Wanted]()
        for number, (request, attempt) in enumerate(asks):
            if batch_records.is_settled(connection, request.key, attempt, form):
                continue
            most = self._tariff.most(request.model, len(request.body), request.max_tokens, batch=True)
            if not wanted:
                check(account, request, most)
            if free is not None and most is not None:
                if most > free:
                    return wanted, asks[number:]
                free -= most
            wanted.append(Wanted(request.key, request.model, attempt, most or 0))
        return wanted, ()

    def _create(self, batch: str, requests: Sequence[PaidRequest]) -> None:
        """Create it once, whatever happens to the answer.

        Raises:
            RunStopped: the API refuses it, or cannot be reached.
        """
        began = time.monotonic()
        for pause in batch_api.pauses():
            try:
                api_id = self._api.create(requests)
            except StepFailure as error:
                self._drop(batch)
                raise RunStopped(f"the batch cannot be sent: {error.reason}") from error
            except RunStopped:
                self._drop(batch)
                raise
            except Unanswered as error:
                ended = time.monotonic()
                self._api.pause_after(error, pause, began)
                with self._store.read() as connection:
                    [intent] = [one for one in self._sent(connection) if one.id == batch]
                settling = 0.0 if error.why is Why.UNREACHABLE else SETTLING_SECONDS
                if self._find(intent, ended + settling):
                    return
            else:
                self._created(batch, api_id)
                return

    def _recover(self) -> None:
        """Find the batches of which a killed process has not learnt the id, or give up what they reserved."""
        with self._store.read() as connection:
            intents = [one for one in self._sent(connection) if one.api_id is None]
        for intent in intents:
            # When the killed process began its last attempt, and how far that has come, nobody knows.
            if not self._find(intent, time.monotonic() + SETTLING_SECONDS):
                self._drop(intent.id)

    def _find(self, intent: Sent, until: float) -> bool:
        """Whether the batch of this intent exists at the API; its id is known from then on.

        It may still appear at the time `until` (monotonic).
        """
        with self._store.read() as connection:
            known = batch_records.known(connection)
            keys = batch_records.requests(connection, intent.id).keys()
        for pause in batch_api.pauses():
            unsure = time.monotonic() < until
            for candidate in self._api.since(intent.newest):
                if candidate.id in known or batch_api.size(candidate) != intent.requests:
                    continue
                if candidate.processing_status != "ended":
                    unsure = True
                    self._progress(Waiting(1, intent.requests))
                elif self._api.is_of(candidate.id, keys):
                    self._created(intent.id, candidate.id)
                    return True
            if not unsure:
                break
            self._api.wait(pause)
        return False

    def _await_one(self) -> bool:
        """Wait until a batch has ended, and collect it; False when none is under way."""
        looked = time.monotonic()
        for pause in batch_api.pauses():
            with self._store.read() as connection:
                sent = {one.api_id: one for one in self._sent(connection) if one.api_id is not None}
            if not sent:
                break
            self._progress(Waiting(len(sent), sum(one.requests for one in sent.values())))
            ended = next((name for name in sent if self._api.has_ended(name)), None)
            if ended is None:
                self._api.wait(pause)
                looked = time.monotonic()
                continue
            try:
                self._collect(sent[ended].id, ended)
            except Unanswered as error:  # in the midst of the results; what has come is kept
                self._api.pause_after(error, pause, looked)
            else:
                return True
        return False

    def _collect(self, batch: str, api_id: str) -> None:
        """Keep every answer and every failure; from wherever a killed process has got to."""
        with self._store.read() as connection:
            left = batch_records.requests(connection, batch)
        results = self._api.results(api_id)
        while some := list(islice(results, _COLLECTED_AT_ONCE)):
            with self._store.begin() as connection:
                money.lock(connection, self._run_id)
                for one in some:
                    reservation = left.pop(one.custom_id, None)
                    if reservation is not None:
                        self._keep(connection, reservation, one)
        with self._store.begin() as connection:
            batch_records.collected(connection, batch)

    def _keep(
        self, connection: Connection, reservation: Reservation, one: MessageBatchIndividualResponse
    ) -> None:
        result = one.result
        if result.type == "errored":
            error = result.error.error
            refused = of_the_account(error)
            if refused is None:
                batch_records.fail(connection, reservation, f"the API: {error.message}")
            else:  # not this request's fault, so the next command asks it again
                money.release(connection, [reservation])
                self._refused = refused
            return
        if result.type != "succeeded":
            batch_records.fail(connection, reservation, _UNANSWERED[result.type])
            return
        reply = Reply.of(result.message)
        cost = self._tariff.cost(reservation.wanted.model, reply.usage, batch=True)
        money.settle(connection, reservation, reply, cost, batch=True)
        batch_records.forget_failure(connection, reservation.wanted.key)
        self._books.paid(reservation.wanted.model, reply.usage, cost)

    def _sent(self, connection: Connection) -> list[Sent]:
        return batch_records.of_run(connection, self._run_id)

    def _created(self, batch: str, api_id: str) -> None:
        with self._store.begin() as connection:
            batch_records.created(connection, batch, api_id)

    def _drop(self, batch: str) -> None:
        with self._store.begin() as connection:
            batch_records.drop(connection, batch)


def _ignore(_waiting: Waiting) -> None:
    """Nobody wants to know."""


def _windows(asks: Iterable[Ask]) -> Iterator[list[Ask]]:
    """The requests in groups that a batch can hold."""
    some: list[Ask] = []
    size = 0
    for ask in asks:
        length = len(ask[0].body)
        if some and (len(some) >= MOST_REQUESTS or size + length > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(ask)
        size += length
    if some:
        yield some
