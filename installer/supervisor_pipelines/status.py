"""How far a run is, out of its database alone: while it goes on, from another terminal, or after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from supervisor_pipelines import money
from supervisor_pipelines.journal import Journal
from supervisor_pipelines.money import Money
from supervisor_pipelines.outlet import Outlet
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import State, executors, paths
from supervisor_pipelines.tariff import MICROS, dollars
from supervisor_setup.errors import UserError


@dataclass(frozen=True, slots=True)
class Standing:
    """A run's documents by state, its money, and who works on it.

    `workers` are the processes on its database that only work. `stopped` is why nothing more is begun.
    `digest` is the answer over all documents, as JSON.
    """

    outlet: Outlet
    counts: Mapping[State, int]
    skipped: int
    money: Money
    workers: int
    stopped: str | None
    digest: str | None

    @property
    def total(self) -> int:
        """The distinct documents."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Those that are done or have failed."""
        return self.counts[State.DONE] + self.counts[State.FAILED]

    def to_json(self) -> dict[str, Any]:
        """As plain data; amounts in US dollars."""
        amounts = {name: getattr(self.money, name) for name in ("budget", "spent", "reserved", "lost")}
        return {
            "schema_version": 1,
            "pipeline": self.outlet.pipeline,
            "out": str(self.outlet.folder),
            "running": self.outlet.is_locked(),
            "workers": self.workers,
            "stopped": self.stopped,
            "documents": {str(state): count for state, count in self.counts.items()},
            "skipped": self.skipped,
            "usd": {name: None if micros is None else micros / MICROS for name, micros in amounts.items()},
            "paid_calls": self.money.calls,
        }

    def to_text(self) -> str:
        """For people."""
        running = "running" if self.outlet.is_locked() else "not running"
        lines = [
            f"{self.outlet.folder}: {self.outlet.pipeline}, {running}",
            *([counted(self.workers, "further worker")] if self.workers else []),
            *self.lines(),
        ]
        if self.stopped is not None:
            lines.append(f"stopped: {self.stopped}")
        return "\n".join(lines)

    def lines(self) -> list[str]:
        """The counts and the money, in sentences."""
        states = [f"{count} {state}" for state, count in self.counts.items() if count]
        lines = [f"{self.ended} of {counted(self.total, 'document')} ended: {', '.join(states) or 'none'}"]
        if self.skipped:
            lines.append(f"{counted(self.skipped, 'path')} skipped")
        if self.money.calls or self.money.budget is not None or self.money.lost:
            lines.append(f"{counted(self.money.calls, 'paid call')}, {spent(self.money)}")
        return lines


def look(out: Path, db: str | None) -> Standing:
    """How far the run in the folder `out` is.

    Raises:
        UserError: there is none, or its database cannot be read.
    """
    outlet = Outlet.found(out)
    if outlet is None:
        raise UserError(f"{out}: holds no run", hint=f"run PATH… --out {out}")
    if outlet.shared and db is None:
        raise UserError(f"{out}: its state is in a database", hint=f"status --out {out} --db URL")
    with Store.opened(out, db if outlet.shared else None) as store:
        return standing(store, outlet)


def standing(store: Store, outlet: Outlet) -> Standing:
    """Look at the database.

    Raises:
        UserError: it cannot be read.
    """
    journal = Journal(store, outlet.run)
    row, counts = journal.row(), journal.counts()
    with store.read() as connection:
        skipped = select(func.count()).where(paths.c.run == outlet.run, paths.c.skipped.is_not(None))
        workers = select(func.count()).where(executors.c.run.is_(None))
        return Standing(
            outlet=outlet,
            counts=counts,
            skipped=connection.scalar(skipped) or 0,
            money=money.money(connection, outlet.run),
            workers=connection.scalar(workers) or 0,
            stopped=None if row is None else row.stopped,
            digest=None if row is None else row.digest,
        )


def spent(account: Money) -> str:
    """What was spent, of what; with what may have been."""
    limit = "" if account.budget is None else f" of {dollars(account.budget)}"
    lost = f", and {dollars(account.lost)} may have been by calls that were cut off" if account.lost else ""
    unpriced = f", {counted(account.unpriced, 'call')} without a known price" if account.unpriced else ""
    return f"{dollars(account.spent)}{limit} spent{lost}{unpriced}"


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
