"""The report of `usage` on a terminal: tables with a bar to each row."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from supervisor_setup.figures import calls, count, duration, money, printable, rough, size
from supervisor_setup.layout import display

_SHOWN_DAYS = 14
_BAR = 24
_Column = tuple[str, str, Callable[[Any], str]]
_COLUMNS: tuple[_Column, ...] = (
    ("calls", "calls", count),
    ("failed", "failed", count),
    ("prompt_tokens", "tokens", rough),
    ("answer_tokens", "out", rough),
    ("seconds", "time", duration),
    ("kept_out_bytes", "kept out", size),
)
_PAID: _Column = ("cost_usd", "paid", money)
"""The column that is there when anything was paid."""
_SHORTEST_BAR = 8
_NAMED = 12


def lines(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    """The report, line by line."""
    totals = data["totals"]
    since = f" since {data['since']}" if data["since"] else ""
    if not totals["calls"]:
        yield f"No call of a local model is recorded{since} in {display(data['ledger'], home)}."
        yield from _notes(data, home)
        return
    yield _heading(f"Local models{since}")
    yield from _summary(data)
    columns = (*_COLUMNS, _PAID) if data["paid"]["calls"] else _COLUMNS
    days = data["by_day"]
    earlier = len(days) - _SHOWN_DAYS
    yield from _table("By day", [(row["day"], row) for row in days[-_SHOWN_DAYS:]], columns)
    if earlier > 0:
        yield f"  {earlier} earlier days are in --json and --html."
    yield from _table("By tool", [(row["tool"], row) for row in _largest(data["by_tool"])], columns)
    yield from _table(
        "By model",
        [(f"{row['model']} on {row['backend']}", row) for row in _largest(data["by_model"])],
        columns,
    )
    yield from _estimate(data["estimate"])
    yield from _notes(data, home)


def _summary(data: Mapping[str, Any]) -> Iterator[str]:
    totals = data["totals"]
    counts = [calls(totals["calls"])]
    kinds = {kind: number for kind, number in data["outcomes"].items() if kind not in ("ok", "cancelled")}
    if totals["failed"]:
        why = ", ".join(f"{printable(kind)} {count(number)}" for kind, number in kinds.items())
        counts.append(f"{count(totals['failed'])} failed ({why})")
    if totals["cancelled"]:
        counts.append(f"{count(totals['cancelled'])} cancelled")
    yield f"  {', '.join(counts)}; {duration(totals['seconds'])} of waiting for them"
    paid = data["paid"]
    read = totals["prompt_tokens"] - paid["prompt_tokens"]
    written = totals["answer_tokens"] - paid["answer_tokens"]
    tokens = f"{count(read)} tokens read and {count(written)} written"
    uncounted = f" (not told for {calls(totals['uncounted'])})" if totals["uncounted"] else ""
    yield f"  {tokens} by local models{uncounted}"
    about = data["estimate"]
    kept = size(totals["kept_out_bytes"])
    yield f"  {kept} kept out of Claude's context, about {count(about['tokens'])} tokens"
    if totals["cache_hits"]:
        yield f"  {count(totals['cache_hits'])} answers from the cache"
    if paid["calls"]:
        unpriced = f" (the price of {count(paid['unpriced'])} is not known)" if paid["unpriced"] else ""
        yield (
            f"  {money(paid['cost_usd'])} paid for {calls(paid['calls'])} of Claude by pipelines{unpriced}: "
            f"{count(paid['prompt_tokens'])} tokens read, {count(paid['answer_tokens'])} written"
        )


def _table(
    title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], columns: Sequence[_Column]
) -> Iterator[str]:
    if not rows:
        return
    cells = [[form(row[key]) for key, _, form in columns] for _, row in rows]
    widths = [
        max(len(heading), *(len(line[number]) for line in cells))
        for number, (_, heading, _) in enumerate(columns)
    ]
    names = [printable(name) for name, _ in rows]
    first = max(_NAMED, *map(len, names))
    room = shutil.get_terminal_size((100, 24)).columns - first - sum(widths) - 2 * len(widths) - 4
    most = max(row["calls"] for _, row in rows)
    yield ""
    headings = [heading.rjust(width) for (_, heading, _), width in zip(columns, widths, strict=True)]
    yield f"{_heading(title.ljust(first + 2))}  {click.style('  '.join(headings), dim=True)}"
    for name, line, (_, row) in zip(names, cells, rows, strict=True):
        shown = "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        yield f"  {name:<{first}}  {shown}  {_bar(row, most, min(room, _BAR))}".rstrip()


def _bar(row: Mapping[str, Any], most: int, room: int) -> str:
    """A bar as long as the row's share of calls, the failed ones at its end in another sign and colour."""
    if room < _SHORTEST_BAR:
        return ""
    full, hollow = ("█", "░") if _speaks_unicode() else ("#", "-")
    length = max(1, round(room * row["calls"] / most))
    # Rounded up, so that a failure is seen, but never so far that no success is.
    failed = min(-(-length * row["failed"] // row["calls"]), length - (row["failed"] < row["calls"]))
    return click.style(full * (length - failed), fg="green") + click.style(hollow * failed, fg="red")


def _estimate(data: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield _heading("What Claude would have paid to read it (an estimate)")
    for model in data["models"]:
        once, later = money(model["read_once"]), money(model["each_later_turn"])
        yield f"  {model['name']:<12}{once:>12} read once{later:>12} more in each later turn"
    rest = f"{data['bytes_per_token']} bytes a token; list prices of {data['prices_date']}"
    yield click.style(f"  {rest}:", dim=True)
    yield click.style(f"  {data['prices_source']}", dim=True)
    yield click.style("  What Claude paid for the calls and their answers is not taken off.", dim=True)


def _notes(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if data["future_calls"]:
        yield click.style("note: ", fg="yellow") + (
            f"{calls(data['future_calls'])} dated in the future and left out: was the clock wrong?"
        )
    if data["html"]:
        yield f"The page is {display(data['html'], home)}"


def _largest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: -row["calls"])


def _heading(text: str) -> str:
    return click.style(text, bold=True)


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
