"""What was paid, and what is about to be: accounts that several threads and machines keep together.

A call's highest price is reserved before the call is made and settled after it, so a budget holds whatever
happens in between. Amounts are in millionths of a dollar.

Every transaction that changes both takes the account before the reservations, or two could wait for each
other for ever.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, func, select, update

from supervisor_pipelines import money_tables as tables
from supervisor_pipelines.claude import Reply
from supervisor_pipelines.money_tables import budgets, reservations


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
    _open(connection, run_id)
    connection.execute(update(budgets).where(budgets.c.run_id == run_id).values(budget=budget))


def money(connection: Connection, run_id: str, *, lock: bool = False) -> Money:
    """The run's money; with `lock` nobody else reserves or settles until the transaction ends."""
    statement = tables.LOCKED_ACCOUNT if lock else tables.ACCOUNT
    row = connection.execute(statement, {"run_id": run_id}).one_or_none()
    if row is None:
        if lock:
            _open(connection, run_id)
        return Money()
    reserved = int(connection.scalar(tables.RESERVED, {"run_id": run_id}) or 0)
    return Money(row.budget, row.spent, reserved, row.lost, row.calls, row.unpriced)


def lock(connection: Connection, run_id: str) -> None:
    """Have nobody else reserve or settle until the transaction ends."""
    connection.execute(tables.LOCKED_ACCOUNT, {"run_id": run_id})


def stored(connection: Connection, key: str) -> tuple[Reply, int] | None:
    """The reply that was paid for already, and in which attempt."""
    row = connection.execute(tables.STORED, {"key": key}).one_or_none()
    return None if row is None else (Reply.load(row.reply), row.attempt)


def reserve(connection: Connection, run_id: str, holder: str, wanted: Iterable[Wanted]) -> list[Reservation]:
    """Reserve the amount of each request; without those that somebody has reserved already."""
    statement = tables.RESERVE[connection.dialect.name]
    made = []
    for one in wanted:
        reservation = Reservation(uuid.uuid4().hex, run_id, one)
        row = {"id": reservation.id, "run_id": run_id, "holder": holder, **asdict(one)}
        if connection.scalar(statement, row) is not None:
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
    _count(connection, reservation.run_id, spent=cost or 0, calls=1, unpriced=int(cost is None))
    if not release(connection, [reservation]):
        # It was given up for lost, and counted so, while the answer was on its way all the same.
        _count(connection, reservation.run_id, lost=-wanted.amount)
    row = {
        "key": wanted.key,
        "run_id": reservation.run_id,
        "attempt": wanted.attempt,
        "model": wanted.model,
        "reply": reply.dump(),
        "cost": cost,
        "batch": batch,
        "at": int(time.time()),
    }
    connection.execute(tables.KEEP[connection.dialect.name], row)


def settle_once(connection: Connection, reservation: Reservation, reply: Reply, cost: int | None) -> None:
    """The same where it may have been done already, by an attempt whose end nobody saw."""
    lock(connection, reservation.run_id)
    if stored(connection, reservation.wanted.key) != (reply, reservation.wanted.attempt):
        settle(connection, reservation, reply, cost)


def release(connection: Connection, made: Iterable[Reservation]) -> int:
    """Give reservations back, of requests that cost nothing; how many were still there."""
    return sum(connection.execute(tables.RELEASE, {"reservation": one.id}).rowcount for one in made)


def lose(connection: Connection, made: Collection[Reservation]) -> None:
    """Count reservations as lost, of requests that may have been billed."""
    for one in made:
        lock(connection, one.run_id)
        if release(connection, [one]):
            _count(connection, one.run_id, lost=one.wanted.amount)


def holders(connection: Connection) -> set[str]:
    """Who has reserved something."""
    return set(connection.scalars(select(reservations.c.holder).distinct()))


def write_off(connection: Connection, dead: Collection[str]) -> int:
    """Count as lost what the executors in `dead` had reserved; the amount."""
    if not dead:
        return 0
    theirs = reservations.c.holder.in_(list(dead))
    for run_id in sorted(connection.scalars(select(reservations.c.run_id).where(theirs).distinct())):
        lock(connection, run_id)
    sums = (
        select(reservations.c.run_id, func.sum(reservations.c.amount))
        .where(theirs)
        .group_by(reservations.c.run_id)
    )
    found = [(str(run_id), int(amount)) for run_id, amount in connection.execute(sums)]
    connection.execute(delete(reservations).where(theirs))
    for run_id, amount in found:
        _count(connection, run_id, lost=amount)
    return sum(amount for _, amount in found)


def _open(connection: Connection, run_id: str) -> None:
    connection.execute(tables.OPEN[connection.dialect.name], {"run_id": run_id})


def _count(connection: Connection, run_id: str, **more: int) -> None:
    changes = {f"more_{name}": more.get(name, 0) for name in tables.COUNTED}
    connection.execute(tables.COUNT, {"of_run": run_id, **changes})
