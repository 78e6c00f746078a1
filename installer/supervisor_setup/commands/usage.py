"""`usage`: what was handed to local models, and what it kept out of Claude's context."""

import datetime
import time
from pathlib import Path
from typing import Any

from supervisor_setup import files, prices, usage
from supervisor_setup.errors import TargetError
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result

MARK = b'<meta name="generator" content="supervisor-setup usage">'
"""By which a page of ours is told from a file of the user's."""
_MARK_WITHIN = 1000


def report(layout: Layout, since: str | None, html: Path | None) -> Result:
    """Sum up the ledger from the day `since` on, and write the report as a page into `html` where given.

    Raises:
        UsageError: `since` cannot be understood.
        TargetError: the ledger cannot be read, or `html` is a file that this command did not write.
    """
    first = None if since is None else usage.since_date(since, datetime.datetime.now().astimezone().date())
    ledger = layout.state / usage.LEDGER
    found = usage.read(ledger, first, time.time())
    data = _to_json(found)
    data = {
        "ledger": str(ledger),
        "since": None if first is None else first.isoformat(),
        **data,
        "html": None,
    }
    if html is not None:
        data["html"] = str(_write(layout.cwd / html, data))
    return Result("usage", data)


def _to_json(found: usage.Usage) -> dict[str, Any]:
    groups = found.groups
    total = usage.total(groups)
    paid = usage.total([group for group in groups if group.is_paid])
    days = usage.by(groups, lambda group: (group.day,))
    tools = usage.by(groups, lambda group: (group.tool,))
    models = usage.by(groups, lambda group: (group.model, group.backend))
    outcomes = usage.by(groups, lambda group: (group.outcome,))
    return {
        "future_calls": found.future_calls,
        "totals": total.to_json(),
        "paid": {
            "calls": paid.calls,
            "prompt_tokens": paid.prompt_tokens,
            "answer_tokens": paid.answer_tokens,
            "cost_usd": paid.cost_micros / 1_000_000,
            "unpriced": paid.calls - paid.priced,
        },
        "by_day": [{"day": day, **figures.to_json()} for (day,), figures in days.items()],
        "by_tool": [{"tool": tool, **figures.to_json()} for (tool,), figures in tools.items()],
        "by_model": [
            {"model": model, "backend": backend, **figures.to_json()}
            for (model, backend), figures in models.items()
        ],
        "outcomes": {outcome: figures.calls for (outcome,), figures in outcomes.items()},
        "estimate": prices.estimate(total.kept_out_bytes),
    }


def _write(path: Path, data: dict[str, Any]) -> Path:
    from supervisor_setup import usage_page  # Jinja2 takes 100 ms

    snapshot = files.read(path)
    if snapshot.data and MARK not in snapshot.data[:_MARK_WITHIN]:
        raise TargetError(
            f"{path}: exists and is not a page of this command; nothing was written",
            hint="choose another name: supervisor-setup usage --html NEW.html",
        )
    files.check_writable(snapshot)
    page = usage_page.render(data)
    files.make_folders(snapshot.target.parent)
    temp = files.temp_path(snapshot.target, "usage")
    if snapshot.data != page and not files.replace(snapshot, page, temp, new_mode=files.default_mode()):
        raise TargetError(f"{path}: was changed by somebody else just now")
    return path
