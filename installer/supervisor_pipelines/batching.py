"""`--batch`: the paid requests of all documents that have their facts, asked together and then shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from supervisor_pipelines import batches, money
from supervisor_pipelines.batches import Batcher, Waiting
from supervisor_pipelines.claude import PaidRequest, answer_of
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.flow import Flow
from supervisor_pipelines.journal import Journal, Task
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
            requests = ((request, row.retries) for _task, row, request, _form in self._requests())
            self.batcher.ask_all(requests, ask.answer, progress)
        except RunStopped as error:
            stopped = error
        for found in self._requests():
            self._record(*found)
        if stopped is not None:
            raise stopped

    def _requests(self) -> Iterator[tuple[Task, AnyRow, PaidRequest, type[BaseModel]]]:
        after = ""
        while tasks := self.journal.tasks(State.EXTRACTED, after):
            for task in tasks:
                row = self.journal.document(task, State.EXTRACTED)
                if row is None:
                    continue
                try:
                    yield task, row, *self.flow.request(row)
                except StepFailure as error:
                    self.journal.finish(task, error=error.reason, state=State.EXTRACTED)
            after = tasks[-1].sha256

    def _record(self, task: Task, row: AnyRow, request: PaidRequest, form: type[BaseModel]) -> None:
        with self.journal.store.read() as connection:
            kept = money.stored(connection, request.key)
            reason = batches.failure(connection, request.key, row.retries)
        try:
            answer = None if kept is None else answer_of(kept[0], form).model_dump_json()
        except StepFailure as error:
            answer, reason = None, error.reason
        if answer is not None:
            self.journal.finish(task, answer=answer, state=State.EXTRACTED)
        elif reason is not None:
            self.journal.finish(task, error=reason, state=State.EXTRACTED)
