"""report.md: the same as results.jsonl for people, with what it cost and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from supervisor_pipelines.outlet import Outlet, replace_file
from supervisor_pipelines.results import Results
from supervisor_pipelines.status import Standing
from supervisor_pipelines.tables import State

_MOST = 1000
"""Paths in a list; results.jsonl has all."""


def write(outlet: Outlet, results: Results, standing: Standing) -> None:
    """Write it anew.

    Raises:
        UserError: it cannot be written.
    """
    replace_file(outlet.report, _parts(results, standing))


def _parts(results: Results, standing: Standing) -> Iterator[str]:
    yield f"# {standing.outlet.pipeline}\n\n"
    yield from (f"- {line}\n" for line in standing.lines())
    if standing.stopped is not None:
        yield f"- stopped: {standing.stopped}\n"
    if standing.digest is not None:
        answer = json.dumps(json.loads(standing.digest), indent=2, ensure_ascii=False)
        yield f"\n## Answer\n\n```json\n{answer}\n```\n"
    yield from _list("Failed", results, State.FAILED)
    yield from _list("Skipped", results, None)


def _list(title: str, results: Results, state: State | None) -> Iterator[str]:
    rows = results.rows(state)
    first = next(rows, None)
    if first is None:
        return
    yield f"\n## {title}\n\n"
    for row in (first, *islice(rows, _MOST - 1)):
        yield f"- `{row.path}`: {row.skipped or row.error}\n"
    if next(rows, None) is not None:
        yield "- … and more, see results.jsonl\n"
