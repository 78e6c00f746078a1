"""What was paid, and what is about to be: tables that several threads and machines keep together.

A call's highest price is reserved before the call is made and settled after it, so a budget holds whatever
happens in between. Amounts are in millionths of a dollar.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from supervisor_pipelines.claude import Reply
from supervisor_pipelines.store import metadata

paid = Table(
    "paid",
    metadata,
    Column("key", String(64), primary_key=True),  # of the request
    Column("run_id", Text, nullable=False),  # the run that paid
    Column("attempt", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("cost", BigInteger),  # NULL where the model's price is not known
    Column("batch", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
)
reservations = Table(
    "reservations",
    metadata,
    Column("key", String(64), primary_key=True),  # so that one request is on its way once
    Column("id", String(32), nullable=False),
    Column("run_id", Text, nullable=False),
    Column("holder", Text, nullable=False),  # an executor, or a batch
    Column("model", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Index("reservations_by_run", "run_id"),
)
budgets = Table(
    "budgets",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("budget", BigInteger),  # NULL: no limit
    Column("spent", BigInteger, nullable=False, default=0),
    Column("lost", BigInteger, nullable=False, default=0),
    Column("calls", Integer, nullable=False, default=0),
    Column("unpriced", Integer, nullable=False, default=0),
)


@dataclass(frozen=True, slots=True)
class Money:
    """A run's money. `lost` was reserved by calls whose end nobody saw, so it may have been billed.

    `calls` were paid for; `unpriced` are those of them whose model is not in the price table.
    """

    budget: int | None = None
    spent: int = 0
    reserved: int = 0
    lost: int = 0
    calls: int = 0
    unpriced: int = 0

    @property
    def left(self) -> int | None:
        """What may still be spent, were nothing in flight; None without a budget."""
        return None if self.budget is None else self.budget - self.spent - self.lost

    @property
    def free(self) -> int | None:
        """What may be reserved now; None without a budget."""
        return None if self.left is None else self.left - self.reserved


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that is to be made, by its key, and the highest price that it may have."""

    key: str
    model: str
    attempt: int
    amount: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to make one request."""

    id: str
    run_id: str
    wanted: Wanted


def set_budget(connection: Connection, run_id: str, budget: int | None) -> None:
    """What the run may spend in all, with what it has spent already; None: as much as it takes."""
    add_if_missing(connection, budgets, {"run_id": run_id})
    connection.execute(update(budgets).where(budgets.c.run_id == run_id).values(budget=budget))


def money(connection: Connection, run_id: str, *, lock: bool = False) -> Money:
    """The run's money; with `lock` nobody else reserves or settles until the transaction ends."""
    wanted = select(budgets).where(budgets.c.run_id == run_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        return Money()
    reserved = select(func.coalesce(func.sum(reservations.c.amount), 0)).where(
        reservations.c.run_id == run_id
    )
    return Money(
        row.budget, row.spent, int(connection.scalar(reserved) or 0), row.lost, row.calls, row.unpriced
    )


def stored(connection: Connection, key: str) -> tuple[Reply, int] | None:
    """The reply that was paid for already, and in which attempt."""
    row = connection.execute(select(paid.c.reply, paid.c.attempt).where(paid.c.key == key)).one_or_none()
    return None if row is None else (Reply.load(row.reply), row.attempt)


def reserve(connection: Connection, run_id: str, holder: str, wanted: Iterable[Wanted]) -> list[Reservation]:
    """Reserve the amount of each request; without those that somebody has reserved already."""
    add_if_missing(connection, budgets, {"run_id": run_id})
    made = []
    for one in wanted:
        reservation = Reservation(uuid.uuid4().hex, run_id, one)
        values = {"id": reservation.id, "run_id": run_id, "holder": holder, **asdict(one)}
        if add_if_missing(connection, reservations, values):
            made.append(reservation)
    return made


def held(connection: Connection, holder: str) -> dict[str, Reservation]:
    """What `holder` has reserved, by the key of the request."""
    rows = connection.execute(select(reservations).where(reservations.c.holder == holder))
    return {
        row.key: Reservation(row.id, row.run_id, Wanted(row.key, row.model, row.attempt, row.amount))
        for row in rows
    }


def settle(
    connection: Connection,
    reservation: Reservation,
    reply: Reply,
    cost: int | None,
    *,
    batch: bool = False,
) -> None:
    """Keep the reply and count its true cost (None: not known) in place of what was reserved."""
    wanted = reservation.wanted
    changed: dict[str, Any] = {
        "spent": budgets.c.spent + (cost or 0),
        "calls": budgets.c.calls + 1,
        "unpriced": budgets.c.unpriced + (cost is None),
    }
    if not release(connection, [reservation]):
        # It was given up for lost, and counted so, while the answer was on its way all the same.
        changed["lost"] = budgets.c.lost - wanted.amount
    connection.execute(update(budgets).where(budgets.c.run_id == reservation.run_id).values(changed))
    kept = stored(connection, wanted.key)
    if kept is not None and kept[1] >= wanted.attempt:
        return  # by whoever took it over; both are counted, one is kept
    connection.execute(delete(paid).where(paid.c.key == wanted.key))
    connection.execute(
        insert(paid).values(
            key=wanted.key,
            run_id=reservation.run_id,
            attempt=wanted.attempt,
            model=wanted.model,
            reply=reply.dump(),
            cost=cost,
            batch=batch,
            at=int(time.time()),
        )
    )


def release(connection: Connection, made: Iterable[Reservation]) -> int:
    """Give reservations back, of requests that cost nothing; how many were still there."""
    return sum(
        connection.execute(delete(reservations).where(reservations.c.id == one.id)).rowcount for one in made
    )


def lose(connection: Connection, made: Collection[Reservation]) -> None:
    """Count reservations as lost, of requests that may have been billed."""
    for one in made:
        if release(connection, [one]):
            _count_lost(connection, one.run_id, one.wanted.amount)


def holders(connection: Connection) -> set[str]:
    """Who has reserved something."""
    return set(connection.scalars(select(reservations.c.holder).distinct()))


def write_off(connection: Connection, dead: Collection[str]) -> int:
    """Count as lost what the executors in `dead` had reserved; the amount."""
    theirs = reservations.c.holder.in_(list(dead))
    sums = (
        select(reservations.c.run_id, func.sum(reservations.c.amount))
        .where(theirs)
        .group_by(reservations.c.run_id)
    )
    found = [(str(run_id), int(amount)) for run_id, amount in connection.execute(sums)]
    connection.execute(delete(reservations).where(theirs))
    for run_id, amount in found:
        _count_lost(connection, run_id, amount)
    return sum(amount for _, amount in found)


def add_if_missing(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is there already; whether it was inserted."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(dict(values)).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def _count_lost(connection: Connection, run_id: str, amount: int) -> None:
    connection.execute(update(budgets).where(budgets.c.run_id == run_id).values(lost=budgets.c.lost + amount))
