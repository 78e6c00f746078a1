"""What is remembered of batches: the intent before one is created, its id after that, and what failed in it.

The requests of a batch are what it has reserved in its name (`money`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

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

from supervisor_pipelines import money
from supervisor_pipelines.claude import is_usable
from supervisor_pipelines.money import Reservation
from supervisor_pipelines.store import metadata

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True),  # our own
    Column("run_id", Text, nullable=False),
    Column("api_id", Text),  # NULL: an intent
    Column("newest", Text, nullable=False),  # the mark of the API's newest batch before it
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


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch of ours, or the intent to create one while `api_id` is None; `at` is in seconds since 1970."""

    id: str
    api_id: str | None
    newest: str
    requests: int
    at: int


def of_run(connection: Connection, run_id: str) -> list[Sent]:
    """The run's batches that are not collected, and its intents."""
    columns = (batches.c.id, batches.c.api_id, batches.c.newest, batches.c.requests, batches.c.at)
    rows = connection.execute(select(*columns).where(batches.c.run_id == run_id))
    return [Sent(*row) for row in rows]


def known(connection: Connection) -> set[str]:
    """The ids of all runs' batches."""
    return set(connection.scalars(select(batches.c.api_id).where(batches.c.api_id.is_not(None))))


def intend(connection: Connection, batch: str, run_id: str, newest: str, made: Sequence[Reservation]) -> None:
    """Note that a batch is about to be created of what it has reserved."""
    row = {"id": batch, "run_id": run_id, "newest": newest, "requests": len(made)}
    connection.execute(insert(batches).values(at=int(time.time()), **row))


def created(connection: Connection, batch: str, api_id: str) -> None:
    """Note that the batch exists."""
    connection.execute(update(batches).where(batches.c.id == batch).values(api_id=api_id))


def drop(connection: Connection, batch: str) -> None:
    """Note that no such batch exists, so that nothing is owed for it."""
    money.release(connection, requests(connection, batch).values())
    connection.execute(delete(batches).where(batches.c.id == batch))


def collected(connection: Connection, batch: str) -> None:
    """Note that every request of it is settled; one that is not may have been billed."""
    for reservation in requests(connection, batch).values():
        money.lose(connection, [reservation])
        fail(connection, reservation, "the batch has no result for it")
    connection.execute(delete(batches).where(batches.c.id == batch))


def requests(connection: Connection, batch: str) -> dict[str, Reservation]:
    """What of the batch is not settled, by the key of the request."""
    return money.held(connection, holder(batch))


def fail(connection: Connection, reservation: Reservation, reason: str) -> None:
    """Note why a request came to nothing; nothing is billed for it."""
    wanted = reservation.wanted
    money.release(connection, [reservation])
    forget_failure(connection, wanted.key)
    connection.execute(insert(batch_failures).values(key=wanted.key, attempt=wanted.attempt, reason=reason))


def forget_failure(connection: Connection, key: str) -> None:
    """The request has been answered after all."""
    connection.execute(delete(batch_failures).where(batch_failures.c.key == key))


def failure(connection: Connection, key: str, attempt: int) -> str | None:
    """Why the request came to nothing in a batch, in half a sentence; None where it did not."""
    found = select(batch_failures.c.reason).where(
        batch_failures.c.key == key, batch_failures.c.attempt >= attempt
    )
    reason: str | None = connection.scalar(found)
    return reason


def is_settled(connection: Connection, key: str, attempt: int, form: type[BaseModel]) -> bool:
    """Whether the request has a paid answer, or a failure that this attempt is not to mend."""
    kept = money.stored(connection, key)
    if kept is not None and (kept[1] >= attempt or is_usable(kept[0], form)):
        return True
    return failure(connection, key, attempt) is not None


def holder(batch: str) -> str:
    """In whose name a batch reserves: it lives on when the process that sent it is dead."""
    return f"batch:{batch}"
