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
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from supervisor_pipelines import batch_api, money
from supervisor_pipelines.batch_api import BatchApi
from supervisor_pipelines.books import NO_BOOKS, Books
from supervisor_pipelines.claude import Claude, PaidRequest, Reply, Unanswered, is_usable
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.money import Reservation, Wanted
from supervisor_pipelines.paying import check
from supervisor_pipelines.store import Store, metadata
from supervisor_pipelines.tariff import Tariff

if TYPE_CHECKING:
    from anthropic.types.messages import MessageBatchIndividualResponse

MOST_REQUESTS = 10_000
"""In one batch. The API takes ten times as many, but a batch is held in memory while it is sent."""
MOST_BYTES = 32_000_000
SETTLING_SECONDS = 10.0
"""How long after an intent a batch may still appear at the API."""
_COLLECTED_AT_ONCE = 500

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True),  # our own; its requests are the reservations that it holds
    Column("run_id", Text, nullable=False),
    Column("api_id", Text),  # NULL: an intent
    Column("newest", Text, nullable=False),  # the API's newest batch before it, with its time; "" for none
    Column("requests", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
batch_failures = Table(
    "batch_failures",
    metadata,
    Column("key", String(64), primary_key=True),  # of the request
    Column("attempt", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)

Ask = tuple[PaidRequest, int]
"""A request, and how many times it was asked for again after it had failed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is under way at the API."""

    batches: int
    requests: int


class Batcher:
    """Sends the paid requests of one run in batches; one process at a time does, on one thread."""

    def __init__(self, store: Store, api: Claude, *, run_id: str, books: Books = NO_BOOKS) -> None:
        """Pay out of the budget of `run_id` (`money.set_budget`)."""
        self._store = store
        self._api = BatchApi(api)
        self._run_id = run_id
        self._books = books
        self._tariff = Tariff.load()

    def ask_all(
        self,
        asks: Iterable[Ask],
        form: type[BaseModel],
        progress: Callable[[Waiting], None] = lambda _waiting: None,
    ) -> None:
        """Have every request answered or failed: then `paying` finds the answers, and `failure` the reasons.

        Raises:
            BudgetReached: not all could be paid for; those that could are answered.
            RunStopped: the API takes none, or cannot be reached any more.
            CallCancelled: `stop` was called; what is under way goes on, and the next call collects it.
        """
        self._recover(progress)
        stopped: RunStopped | None = None
        for some in _windows(asks):
            left: Sequence[Ask] = some
            while left and stopped is None:
                try:
                    left = self._send(left, form)
                except RunStopped as error:
                    stopped = error
                else:
                    if left:  # until batches under way are settled, and have cost less than they might
                        self._await_one(progress)
            if stopped is not None:
                break
        while self._await_one(progress):
            pass
        if stopped is not None:
            raise stopped

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._api.stop()

    def _send(self, asks: Sequence[Ask], form: type[BaseModel]) -> Sequence[Ask]:
        """Create a batch of what is not paid for yet; returns what there is no money for at this moment."""
        newest = self._api.newest()
        batch = uuid.uuid4().hex
        with self._store.begin() as connection:
            account = money.money(connection, self._run_id, lock=True)
            free, wanted = account.free, list[Wanted]()
            left: Sequence[Ask] = ()
            for number, (request, attempt) in enumerate(asks):
                if _is_settled(connection, request.key, attempt, form):
                    continue
                most = self._tariff.most(request.model, len(request.body), request.max_tokens, batch=True)
                if not wanted:
                    check(account, request, most)
                if free is not None and most is not None:
                    if most > free:
                        left = asks[number:]
                        break
                    free -= most
                wanted.append(Wanted(request.key, request.model, attempt, most or 0))
            made = money.reserve(connection, self._run_id, _holder(batch), wanted)
            if made:
                values = {
                    "run_id": self._run_id,
                    "newest": newest,
                    "requests": len(made),
                    "at": int(time.time()),
                }
                connection.execute(insert(batches).values(id=batch, **values))
        if made:
            keys = {one.wanted.key for one in made}
            self._create(batch, [request for request, _ in asks if request.key in keys])
        return left

    def _create(self, batch: str, requests: Sequence[PaidRequest]) -> None:
        """Create it once, whatever happens to the answer.

        Raises:
            RunStopped: the API refuses it, or cannot be reached.
        """
        unique = list({request.key: request for request in requests}.values())
        began = time.monotonic()
        for pause in batch_api.pauses():
            try:
                api_id = self._api.create(unique)
            except StepFailure as error:
                self._drop(batch)
                raise RunStopped(f"the batch cannot be sent: {error.reason}") from error
            except RunStopped:
                self._drop(batch)
                raise
            except Unanswered as error:
                self._api.pause_after(error, pause, began)
                if self._find(batch, lambda _waiting: None):
                    return
            else:
                self._know(batch, api_id)
                return

    def _recover(self, progress: Callable[[Waiting], None]) -> None:
        """Find the batches of which a killed process has not learnt the id, or give up what they reserved."""
        with self._store.read() as connection:
            intents = connection.scalars(
                select(batches.c.id).where(batches.c.run_id == self._run_id, batches.c.api_id.is_(None))
            ).all()
        for batch in intents:
            if not self._find(batch, progress):
                self._drop(batch)

    def _find(self, batch: str, progress: Callable[[Waiting], None]) -> bool:
        """Whether the batch of this intent exists at the API; its id is known from then on."""
        with self._store.read() as connection:
            intent = connection.execute(select(batches).where(batches.c.id == batch)).one()
            known = set(connection.scalars(select(batches.c.api_id)))
            keys = money.held(connection, _holder(batch)).keys()
        pauses = batch_api.pauses()
        while True:
            unsure = time.time() < intent.at + SETTLING_SECONDS
            for candidate in self._api.since(intent.newest):
                counts = candidate.request_counts
                total = (
                    counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                )
                if total != intent.requests or candidate.id in known:
                    continue
                if candidate.processing_status != "ended":
                    unsure = True
                    progress(Waiting(1, total))
                elif any(result.custom_id in keys for result in islice(self._api.results(candidate.id), 1)):
                    self._know(batch, candidate.id)
                    return True
            if not unsure:
                return False
            self._api.wait(next(pauses))

    def _await_one(self, progress: Callable[[Waiting], None]) -> bool:
        """Wait until a batch has ended, and collect it; False when none is under way."""
        for pause in batch_api.pauses():
            with self._store.read() as connection:
                sent = connection.execute(
                    select(batches.c.id, batches.c.api_id, batches.c.requests).where(
                        batches.c.run_id == self._run_id
                    )
                ).all()
            if not sent:
                return False
            progress(Waiting(len(sent), sum(one.requests for one in sent)))
            for one in sent:
                if self._api.has_ended(one.api_id):
                    self._collect(one.id, one.api_id)
                    return True
            self._api.wait(pause)
        raise AssertionError

    def _collect(self, batch: str, api_id: str) -> None:
        """Keep every answer and every failure; from wherever a killed process has got to."""
        with self._store.read() as connection:
            open_ = money.held(connection, _holder(batch))
        results = self._api.results(api_id)
        while some := list(islice(results, _COLLECTED_AT_ONCE)):
            with self._store.begin() as connection:
                for one in some:
                    reservation = open_.pop(one.custom_id, None)
                    if reservation is not None:
                        self._keep(connection, reservation, one)
        with self._store.begin() as connection:
            for reservation in open_.values():
                _fail(connection, reservation, "the batch has no result for it")
            connection.execute(delete(batches).where(batches.c.id == batch))

    def _keep(
        self, connection: Connection, reservation: Reservation, one: MessageBatchIndividualResponse
    ) -> None:
        result = one.result
        if result.type != "succeeded":
            why = {"canceled": "the batch was cancelled", "expired": "the batch did not get to it in a day"}
            said = result.error.error.message if result.type == "errored" else why[result.type]
            _fail(connection, reservation, f"the API: {said}" if result.type == "errored" else said)
            return
        reply = Reply.of(result.message)
        cost = self._tariff.cost(reservation.wanted.model, reply.usage, batch=True)
        money.settle(connection, reservation, reply, cost, batch=True)
        connection.execute(delete(batch_failures).where(batch_failures.c.key == reservation.wanted.key))
        self._books.paid(
            model=reservation.wanted.model,
            prompt_tokens=reply.usage.prompt,
            answer_tokens=reply.usage.output,
            cost_micros=cost,
            seconds=0.0,
        )

    def _know(self, batch: str, api_id: str) -> None:
        with self._store.begin() as connection:
            connection.execute(update(batches).where(batches.c.id == batch).values(api_id=api_id))

    def _drop(self, batch: str) -> None:
        """There is no such batch, so nothing is owed for it."""
        with self._store.begin() as connection:
            money.release(connection, money.held(connection, _holder(batch)).values())
            connection.execute(delete(batches).where(batches.c.id == batch))


def failure(connection: Connection, key: str, attempt: int) -> str | None:
    """Why the request came to nothing in a batch, in half a sentence; None where it did not."""
    found = select(batch_failures.c.reason).where(
        batch_failures.c.key == key, batch_failures.c.attempt >= attempt
    )
    reason: str | None = connection.scalar(found)
    return reason


def _is_settled(connection: Connection, key: str, attempt: int, form: type[BaseModel]) -> bool:
    kept = money.stored(connection, key)
    if kept is not None and (kept[1] >= attempt or is_usable(kept[0], form)):
        return True
    return failure(connection, key, attempt) is not None


def _fail(connection: Connection, reservation: Reservation, reason: str) -> None:
    """Nothing is billed for what did not succeed."""
    wanted = reservation.wanted
    money.release(connection, [reservation])
    connection.execute(delete(batch_failures).where(batch_failures.c.key == wanted.key))
    connection.execute(insert(batch_failures).values(key=wanted.key, attempt=wanted.attempt, reason=reason))


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


def _holder(batch: str) -> str:
    """In whose name a batch reserves: it lives on when the process that sent it is dead."""
    return f"batch:{batch}"
