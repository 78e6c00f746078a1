"""The report of `usage` as a page of its own: no network, no script, light or dark as the reader has it."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from supervisor_setup import assets, figures

_SHOWN_DAYS = 400
_FILLED_DAYS = 120
"""Days without a call are drawn too, unless the span is longer than this."""


def render(data: Mapping[str, Any]) -> bytes:
    """The page for what `usage --json` prints."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 100 ms, for this one option

    environment = Environment(
        loader=FileSystemLoader(assets.templates()),
        undefined=StrictUndefined,
        autoescape=True,  # names come from the user's config
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": figures.count,
        "calls": figures.calls,
        "size": figures.size,
        "duration": figures.duration,
        "money": figures.money,
        "printable": figures.printable,
    }
    days = data["by_day"][-_SHOWN_DAYS:]
    page = environment.get_template("usage.html.j2").render(
        data=data,
        days=days,
        columns=_columns(_filled(days)),
        tools=_shares(data["by_tool"], ("calls",)),
        models=_shares(data["by_model"], ("prompt_tokens", "answer_tokens")),
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )
    return page.encode("utf-8")


def _filled(days: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The days with those between them on which nothing was called."""
    if not days:
        return []
    first, last = (datetime.date.fromisoformat(days[number]["day"]) for number in (0, -1))
    if (last - first).days >= _FILLED_DAYS:
        return list(days)
    there = {one["day"]: one for one in days}
    span = [(first + datetime.timedelta(number)).isoformat() for number in range((last - first).days + 1)]
    return [there.get(day, {"day": day, "calls": 0, "failed": 0, "kept_out_bytes": 0}) for day in span]


def _columns(days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The two charts by day: each column's place and height, in hundredths of the chart's."""
    most_calls = max((one["calls"] for one in days), default=0)
    most_bytes = max((one["kept_out_bytes"] for one in days), default=0)
    width = 100 / max(len(days), 1)
    drawn = [
        {
            "day": one["day"],
            "calls": one["calls"],
            "failed": one["failed"],
            "kept_out_bytes": one["kept_out_bytes"],
            "x": round(number * width + width * 0.1, 3),
            "calls_height": _percent(one["calls"], most_calls),
            "failed_height": _percent(one["failed"], most_calls),
            "kept_height": _percent(one["kept_out_bytes"], most_bytes),
        }
        for number, one in enumerate(days)
    ]
    return {"days": drawn, "width": round(width * 0.8, 3), "most_calls": most_calls, "most_bytes": most_bytes}


def _shares(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The rows, largest first, each with its share of the largest."""
    totals = [sum(row[key] for key in keys) for row in rows]
    most = max(totals, default=0)
    shown = [
        {**row, "total": total, "shares": [_percent(row[key], most) for key in keys]}
        for row, total in zip(rows, totals, strict=True)
    ]
    for row in shown:
        row["failed_share"] = _percent(row["failed"], most)
        row["unfailed_share"] = _percent(row["calls"] - row["failed"], most)
    return sorted(shown, key=lambda row: (-row["total"], -row["calls"]))


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
