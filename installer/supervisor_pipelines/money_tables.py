"""The tables of the money, and the statements on them that each call needs, made once.

Making a statement costs several times what running it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Executable,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

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

ACCOUNT = select(budgets).where(budgets.c.run_id == bindparam("run_id"))
LOCKED_ACCOUNT = ACCOUNT.with_for_update()
# By itself and not within ACCOUNT: PostgreSQL would not look at it again after it has waited for the lock.
RESERVED = select(func.coalesce(func.sum(reservations.c.amount), 0)).where(
    reservations.c.run_id == bindparam("run_id")
)
COUNTED = ("spent", "lost", "calls", "unpriced")
COUNT = (
    update(budgets)
    .where(budgets.c.run_id == bindparam("of_run"))
    .values({name: budgets.c[name] + bindparam(f"more_{name}") for name in COUNTED})
)
STORED = select(paid.c.reply, paid.c.attempt).where(paid.c.key == bindparam("key"))
RELEASE = delete(reservations).where(reservations.c.id == bindparam("reservation"))


def _kept(entry: Any) -> Executable:
    # Where somebody took over what was given up for lost, both answers are counted, and one is kept.
    statement: Executable = entry.on_conflict_do_update(
        index_elements=["key"],
        set_={column.name: entry.excluded[column.name] for column in paid.columns},
        where=paid.c.attempt < entry.excluded.attempt,
    )
    return statement


# Each dialect has an INSERT of its own that can say what to do about a row that is there, alike.
_INSERTS: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
OPEN = {name: insert(budgets).on_conflict_do_nothing() for name, insert in _INSERTS.items()}
# RETURNING, because the number of rows that an INSERT has made is not told over PostgreSQL.
RESERVE = {
    name: insert(reservations).on_conflict_do_nothing().returning(reservations.c.id)
    for name, insert in _INSERTS.items()
}
KEEP = {name: _kept(insert(paid)) for name, insert in _INSERTS.items()}
