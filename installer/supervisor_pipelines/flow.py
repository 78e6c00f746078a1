"""What each document goes through: the local step, then the paid one. Both may be repeated without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines import documents, identity
from supervisor_pipelines.claude import PaidRequest
from supervisor_pipelines.definition import Document, Pipeline
from supervisor_pipelines.documents import Skip
from supervisor_pipelines.engine import Left
from supervisor_pipelines.failures import StepFailure, Streak
from supervisor_pipelines.journal import Journal, Options, Task
from supervisor_pipelines.store import Store
from supervisor_pipelines.workshop import Workshop
from supervisor_setup import bugs
from supervisor_setup.errors import UserError

if TYPE_CHECKING:
    from supervisor_pipelines.tables import AnyRow

T = TypeVar("T")
_MOST_BUGS = 10


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps of one pipeline; from several threads at once.

    A document's failure is recorded with the document. What no document would escape goes to `stop`, and the
    document stays to be done.
    """

    store: Store
    pipeline: Pipeline[Any, Any]
    workshop: Workshop
    stop: Callable[[str, Exception], None]
    """Called with the run and what ends it."""
    bugs: list[Exception] = field(default_factory=list)
    """What went wrong by our own fault: the first few."""
    _streak: Streak = field(default_factory=Streak)

    def extract(self, task: Task) -> bool:
        """The local step; whether the paid one is to come."""
        with self._outcomes(task) as row:
            if row is None:
                return False
            options = Options.load(row.options)
            pipeline = options.applied(self.pipeline)
            facts = self._facts(task, row, pipeline)
            journal = Journal(self.store, task.run)
            if pipeline.ask is None or not scripts("when", pipeline.ask.when, facts):
                journal.finish(task)
            elif options.batch:
                journal.hand_to_batch(task)
            else:
                return True
        return False

    def answer(self, task: Task) -> bool:
        """The paid step, which is the last."""
        with self._outcomes(task) as row:
            if row is not None:
                request, form = self.request(row)
                paid = self.workshop.payer(task.run).pay(request, form, attempt=row.retries)
                Journal(self.store, task.run).finish(task, answer=paid.answer.model_dump_json())
        return False

    def request(self, row: AnyRow) -> tuple[PaidRequest, type[BaseModel]]:
        """What Claude is asked about a document whose facts are known, and the form of the answer.

        Raises:
            StepFailure: the file is gone, or the script's own function failed.
        """
        pipeline = Options.load(row.options).applied(self.pipeline)
        assert pipeline.ask is not None
        facts = pipeline.extract.answer.model_validate_json(row.facts)
        prompt = scripts("prompt", pipeline.ask.prompt, document_of(row), facts)
        return PaidRequest.of(pipeline.ask, prompt), pipeline.ask.answer

    def _facts(self, task: Task, row: AnyRow, pipeline: Pipeline[Any, Any]) -> BaseModel:
        step, model = pipeline.extract, self.workshop.local(pipeline)
        known = facts_of(row, pipeline, model.model)
        if known is not None:
            return known
        merge = step.merge
        if merge is not None:
            step = replace(step, merge=lambda found: scripts("merge", merge, found))
        facts: BaseModel = model.extract(document_of(row), step).facts
        key = identity.facts_key(pipeline.extract, model.model)
        Journal(self.store, task.run).keep_facts(task, facts.model_dump_json(), key)
        return facts

    @contextmanager
    def _outcomes(self, task: Task) -> Iterator[AnyRow | None]:
        """Gives the document's row, if it is still to be done, and deals with however its step ends."""
        journal = Journal(self.store, task.run)
        try:
            row = journal.document(task)
            try:
                yield _unless_stopped(row)
            except StepFailure as error:
                journal.finish(task, error=error.reason)
            self._streak.succeeded()
        except CallCancelled:
            raise Left from None
        except UserError as error:
            self.stop(task.run, error)
            raise Left from error
        except Exception as error:  # one document must not end a run of thousands
            log = bugs.write_log(error, "pipeline")
            if len(self.bugs) < _MOST_BUGS:
                self.bugs.append(error)
            journal.finish(task, error=f"a bug ({type(error).__name__}: {error}), see {log}")
            if self._streak.failed():
                self.stop(task.run, error)


def _unless_stopped(row: AnyRow | None) -> AnyRow | None:
    if row is not None and row.stopped is not None:
        raise Left
    return row


def facts_of(row: AnyRow, pipeline: Pipeline[Any, Any], model: str) -> BaseModel | None:
    """What the local model `model` has found earlier, unless it would be asked something else now."""
    if row.facts is None or row.facts_key != identity.facts_key(pipeline.extract, model):
        return None
    try:
        known: BaseModel = pipeline.extract.answer.model_validate_json(row.facts)
    except ValidationError:  # by a validator of the script that its schema does not tell of
        return None
    return known


def document_of(row: AnyRow) -> Document:
    """The document as it was when it was found: out of the database, or read again.

    Raises:
        StepFailure: the file has changed since, or cannot be read any more.
    """
    if row.content is not None:
        return Document(row.path, row.sha256, row.content)
    try:
        found = documents.read(row.place)
    except Skip as skip:
        raise StepFailure(f"{skip.reason} now; run the same command again") from skip
    if found.sha256 != row.sha256:
        raise StepFailure("has changed during the run; run the same command again")
    return replace(found, path=row.path)


def scripts(name: str, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function of the user's script.

    Raises:
        StepFailure: it raised.
    """
    try:
        return function(*arguments)
    except Exception as error:
        where = _line(error)
        raise StepFailure(f"the script's `{name}` raised {type(error).__name__}: {error}{where}") from error


def _line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
