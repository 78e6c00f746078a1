"""The local-models server's ledger, read and summed up: by day, by tool, by model. Reads only."""

import datetime
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any

from supervisor_setup import files
from supervisor_setup.errors import TargetError, UsageError
from supervisor_setup.values import dataclass

LEDGER = "ledger.db"
PAID_BACKEND = "anthropic"
_FUTURE_SECONDS = 86_400
"""What is dated later than a day from now was written by a wrong clock; a time zone explains less."""
_DAYS = re.compile(r"([1-9][0-9]{0,4})([dw])")
_COST_SINCE = 2
"""The ledger's version that first knew what calls cost; the server brings an older one up to date."""
_QUERY = """
    SELECT tool, model, backend, outcome, sums.* FROM kinds JOIN (
        SELECT date(at, 'unixepoch', 'localtime') AS day,
            count(*), sum(prompts), sum(coalesce(prompt_tokens, 0)), sum(coalesce(answer_tokens, 0)),
            sum(prompts > 0 AND prompt_tokens IS NULL), sum(seconds), sum(kept_out_bytes), sum(cache_hits),
            {costs}, kind
        FROM entries WHERE at >= ? AND at <= ? GROUP BY kind, day
    ) AS sums ON kinds.id = sums.kind
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over some calls.

    `failed` are those that neither answered nor were cancelled; `uncounted` are those whose model did not
    tell its tokens; `kept_out_bytes` were read by the server and not by Claude. `cost_micros` is what was
    really paid, in millionths of a dollar, for the `priced` calls.
    """

    calls: int = 0
    failed: int = 0
    cancelled: int = 0
    prompts: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    uncounted: int = 0
    seconds: float = 0.0
    kept_out_bytes: int = 0
    cache_hits: int = 0
    cost_micros: int = 0
    priced: int = 0

    def to_json(self) -> dict[str, Any]:
        """The sums, for a program to read."""
        sums = asdict(self)
        del sums["cost_micros"], sums["priced"]
        return {**sums, "seconds": round(self.seconds, 3), "cost_usd": self.cost_micros / 1_000_000}


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of one day, tool, model, backend and outcome, summed up; `day` is the user's own, not UTC's."""

    day: str
    tool: str
    model: str
    backend: str
    outcome: str
    figures: Figures

    @property
    def is_paid(self) -> bool:
        """Whether it was Claude that was asked, by a pipeline."""
        return self.backend == PAID_BACKEND and self.tool.startswith("pipeline:")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a ledger says of a span of time, and how many of its calls are dated in the future."""

    groups: Sequence[Group]
    future_calls: int = 0


def since_date(text: str, today: datetime.date) -> datetime.date:
    """The first day that `7d`, `2w` or `2026-11-01` means; `1d` is today alone.

    Raises:
        UsageError: it is none of these, or lies in the future.
    """
    found = _DAYS.fullmatch(text)
    try:
        if found:
            days = int(found[1]) * (7 if found[2] == "w" else 1)
            return today - datetime.timedelta(days=days - 1)
        first = datetime.date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text}: is neither a number of days or weeks nor a date",
            hint="supervisor-setup usage --since 7d, --since 2w or --since 2026-11-01",
        ) from None
    if first > today:
        raise UsageError(f"--since {text}: lies in the future", hint="supervisor-setup usage --since 7d")
    return first


def read(path: Path, since: datetime.date | None, now: float) -> Usage:
    """What the ledger at `path` says of the days from `since` on; nothing where there is no ledger yet.

    Raises:
        TargetError: it is damaged, or cannot be read.
    """
    start = 0.0
    if since is not None:
        start = datetime.datetime.combine(since, datetime.time()).astimezone().timestamp()
    latest = int(now) + _FUTURE_SECONDS
    if not path.exists():
        return Usage(())
    try:
        with closing(_opened(path)) as ledger:
            version = ledger.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                return Usage(())  # the server was killed before it wrote anything
            costs = "coalesce(sum(cost_micros), 0), count(cost_micros)" if version >= _COST_SINCE else "0, 0"
            rows = ledger.execute(_QUERY.format(costs=costs), (int(start), latest)).fetchall()
            future = ledger.execute("SELECT count(*) FROM entries WHERE at > ?", (latest,)).fetchone()[0]
            return Usage([_group(row) for row in rows], future)
    except sqlite3.Error as error:
        aside = files.quote(path.with_name("damaged-ledger"))
        raise TargetError(
            f"{path}: cannot be read as a ledger ({error})",
            hint=f"mkdir {aside} && mv {files.quote(path)}* {aside}  # the server begins a new one",
        ) from error


_VALUES = attrgetter(*Figures.__dataclass_fields__)


def total(groups: Iterable[Group]) -> Figures:
    """The sums over all groups."""
    return _sum([group.figures for group in groups])


def by(groups: Iterable[Group], key: Callable[[Group], tuple[str, ...]]) -> dict[tuple[str, ...], Figures]:
    """The sums for each key, in the keys' order; a key whose parts are all empty is left out."""
    sorted_out: dict[tuple[str, ...], list[Figures]] = {}
    for group in groups:
        if any(key(group)):
            sorted_out.setdefault(key(group), []).append(group.figures)
    return {name: _sum(figures) for name, figures in sorted(sorted_out.items())}


def _opened(path: Path) -> sqlite3.Connection:
    ledger = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        ledger.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        ledger.close()
        if not isinstance(error, sqlite3.OperationalError):
            raise
        # In a folder that is read-only SQLite has no place for the memory that it shares with writers.
        ledger = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    return ledger


def _group(row: Sequence[Any]) -> Group:
    tool, model, backend, outcome, day, calls, *sums, _kind = row
    cancelled = calls if outcome == "cancelled" else 0
    failed = 0 if outcome in ("ok", "cancelled") else calls
    return Group(day, tool, model, backend, outcome, Figures(calls, failed, cancelled, *sums))


def _sum(figures: Sequence[Figures]) -> Figures:
    return Figures(*map(sum, zip(*map(_VALUES, figures), strict=True)))
