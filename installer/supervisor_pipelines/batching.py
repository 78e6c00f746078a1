"""`--batch`: the paid requests of all documents that have their facts, asked together and then shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import select

from supervisor_pipelines import batch_records, batches, money
from supervisor_pipelines.batches import Batcher, Waiting
from supervisor_pipelines.claude import answer_of
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.flow import Flow
from supervisor_pipelines.journal import Journal, Task
from supervisor_pipelines.money_tables import reservations
from supervisor_pipelines.tables import State

if TYPE_CHECKING:
    from supervisor_pipelines.tables import AnyRow


@dataclass(frozen=True, slots=True)
class Batching:
    """The documents of one run that are EXTRACTED."""

    journal: Journal
    flow: Flow
    batcher: Batcher

    def ask_all(self, ask: Ask[Any, Any], progress: Callable[[Waiting], None]) -> None:
        """Ask for them all, and record what came of each.

        Raises:
            RunStopped: not all could be asked. Those that were are recorded.
            CallCancelled: it was stopped; the next command on this run goes on with it.
        """
        stopped: RunStopped | None = None
        try:
            self.batcher.ask_all(self._requests(ask.answer), ask.answer, progress)
        except RunStopped as error:
            stopped = error
        for task, row in self._extracted():
            if row.asked is not None:
                self._record(task, row, ask.answer)
        if stopped is not None:
            raise stopped

    def _requests(self, form: type[BaseModel]) -> Iterator[batches.Ask]:
        """What this command asks, with the key of each kept first: its answer is found by that alone."""
        for task, row in self._extracted():
            if row.generation != row.current or self._is_asked(row, form):
                continue
            try:
                request, _form = self.flow.request(row)
            except StepFailure as error:
                self.journal.finish(task, error=error.reason, state=State.EXTRACTED)
                continue
            self.journal.keep_asked(task, request.key)
            yield request, row.retries

    def _extracted(self) -> Iterator[tuple[Task, AnyRow]]:
        after = ""
        while tasks := self.journal.tasks(State.EXTRACTED, after):
            for task in tasks:
                row = self.journal.document(task, State.EXTRACTED)
                if row is not None:
                    yield task, row
            after = tasks[-1].sha256

    def _is_asked(self, row: AnyRow, form: type[BaseModel]) -> bool:
        """Whether its request is under way or settled; it might be another one if it were made again."""
        if row.asked is None:
            return False
        with self.journal.store.read() as connection:
            under_way = select(reservations.c.key).where(reservations.c.key == row.asked)
            return (
                batch_records.is_settled(connection, row.asked, row.retries, form)
                or connection.scalar(under_way) is not None
            )

    def _record(self, task: Task, row: AnyRow, form: type[BaseModel]) -> None:
        with self.journal.store.read() as connection:
            kept = money.stored(connection, row.asked)
            reason = batches.failure(connection, row.asked, row.retries)
        answer = None
        if kept is not None:
            try:
                answer = answer_of(kept[0], form).model_dump_json()
            except StepFailure as error:
                if kept[1] >= row.retries:
                    reason = error.reason
        if answer is not None:
            self.journal.finish(task, answer=answer, state=State.EXTRACTED)
        elif reason is not None and row.generation == row.current:  # else the form may be another by now
            self.journal.finish(task, error=reason, state=State.EXTRACTED)
