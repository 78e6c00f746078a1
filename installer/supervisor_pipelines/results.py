"""results.jsonl: a line for each path, rewritten out of the database and appended to while documents end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, or_, select, update

from supervisor_pipelines.outlet import Outlet, replace_file, unwritable
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import State, documents, paths

if TYPE_CHECKING:
    from supervisor_pipelines.tables import AnyRow

FINISHED = (State.DONE, State.FAILED)
_PAGE = 500
_joined = paths.outerjoin(
    documents, and_(documents.c.run == paths.c.run, documents.c.sha256 == paths.c.sha256)
)
_columns = (
    paths.c.path,
    paths.c.sha256,
    paths.c.skipped,
    documents.c.state,
    documents.c.facts,
    documents.c.answer,
    documents.c.error,
    documents.c.path.label("first"),  # of the paths with this content
    documents.c.place,
)


@dataclass(frozen=True, slots=True)
class Results:
    """The file of one run. What is in the database is true; the file follows it."""

    store: Store
    outlet: Outlet

    def rewrite(self) -> None:
        """Write the whole file anew, in the order of the paths.

        Raises:
            UserError: it cannot be written.
        """
        # Marked before it is read, so that what ends in between is written twice rather than never.
        with self.store.begin() as connection:
            ended = documents.c.run == self.outlet.run, documents.c.state.in_(FINISHED)
            connection.execute(update(documents).where(*ended).values(shown=True))
        replace_file(self.outlet.results, (line(row) for row in self.rows()))

    def append(self) -> int:
        """Add what has ended since; how many documents that were.

        Raises:
            UserError: it cannot be written. What was is cut off again.
        """
        total = 0
        while names := self._not_shown():
            lines = "".join(line(row) for row in self._rows_of(names))
            self._add(lines.encode())
            with self.store.begin() as connection:
                here = documents.c.run == self.outlet.run, documents.c.sha256.in_(names)
                connection.execute(update(documents).where(*here).values(shown=True))
            total += len(names)
        return total

    def rows(self, *only: State | None) -> Iterator[AnyRow]:
        """Every path with what came of it; `only` those in these states, None being what was skipped.

        Read in pages, so that neither memory nor a transaction grows with their number.
        """
        after = ""
        states = [state for state in only or FINISHED if state is not None]
        ended: ColumnElement[bool] = documents.c.state.in_(states)
        if None in only or not only:
            ended = or_(ended, paths.c.skipped.is_not(None))
        wanted = select(*_columns).select_from(_joined).where(paths.c.run == self.outlet.run, ended)
        while True:
            page = wanted.where(paths.c.path > after).order_by(paths.c.path).limit(_PAGE)
            with self.store.read() as connection:
                rows = connection.execute(page).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1].path

    def _not_shown(self) -> Sequence[str]:
        ended = (
            select(documents.c.sha256)
            .where(
                documents.c.run == self.outlet.run,
                documents.c.shown.is_(False),
                documents.c.state.in_(FINISHED),
            )
            .limit(_PAGE)
        )
        with self.store.read() as connection:
            return connection.scalars(ended).all()

    def _rows_of(self, names: Sequence[str]) -> Sequence[AnyRow]:
        theirs = (
            select(*_columns)
            .select_from(_joined)
            .where(paths.c.run == self.outlet.run, paths.c.sha256.in_(names))
            .order_by(paths.c.path)
        )
        with self.store.read() as connection:
            return connection.execute(theirs).all()

    def _add(self, data: bytes) -> None:
        path = self.outlet.results
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                length = os.fstat(descriptor).st_size
                try:
                    written = 0
                    while written < len(data):
                        written += os.write(descriptor, data[written:])
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, length)  # half a line would be a wrong one
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unwritable(path, error) from error


def line(row: AnyRow) -> str:
    """One path's line, with its line end."""
    status = "skipped" if row.skipped is not None else str(row.state)
    value = {
        "path": row.path,
        "sha256": row.sha256,
        "status": status,
        "facts": None if row.facts is None else json.loads(row.facts),
        "answer": None if row.answer is None else json.loads(row.answer),
        "error": row.skipped or row.error,
    }
    return json.dumps(value, ensure_ascii=False) + "\n"
