"""The journal of a run: which paths were given, which documents they hold, and how far each one is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from supervisor_pipelines.definition import Document, Pipeline
from supervisor_pipelines.documents import Skipped
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import FOR_WORKERS, State, documents, inputs, paths, runs
from supervisor_setup.errors import UserError

if TYPE_CHECKING:
    from supervisor_pipelines.tables import AnyRow

_PAGE = 500
_PathRow = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Options:
    """What of the command line each worker has to follow."""

    local_model: str | None = None
    model: str | None = None
    local_only: bool = False
    batch: bool = False

    def applied(self, pipeline: Pipeline[Any, Any]) -> Pipeline[Any, Any]:
        """The pipeline as these options have it."""
        ask, digest = pipeline.ask, pipeline.digest
        if self.local_only:
            ask = digest = None
        if self.model is not None:
            ask = ask and replace(ask, model=self.model)
            digest = digest and replace(digest, model=self.model)
        extract = replace(pipeline.extract, model=self.local_model or pipeline.extract.model)
        return replace(pipeline, extract=extract, ask=ask, digest=digest)

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` wrote."""
        return cls(**json.loads(text))

    def dump(self) -> str:
        """As text, for the database."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at one document; an older attempt that comes late finds that it is none any more."""

    run: str
    sha256: str
    attempt: int

    @property
    def workflow(self) -> str:
        """The name of its workflow; the same whoever makes it."""
        return f"{self.run}-{self.sha256}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Journal:
    """One run's rows. Everything is in the database alone, however many documents there are."""

    store: Store
    run: str

    def open(self, *, pipeline: str, form: str, options: Options, executor: str) -> int:
        """Begin a command on this run, and say the how-manieth it is."""
        row = {
            "pipeline": pipeline,
            "form": form,
            "options": options.dump(),
            "executor": executor,
            "started": int(time.time()),
            "ended": None,
            "stopped": None,
            "hint": None,
        }
        with self.store.begin() as connection:
            before: int | None = connection.scalar(select(runs.c.generation).where(runs.c.id == self.run))
            if before is None:
                connection.execute(insert(runs).values(id=self.run, generation=1, **row))
                return 1
            here = runs.c.id == self.run
            connection.execute(update(runs).where(here).values(generation=before + 1, **row))
            return before + 1

    def row(self) -> AnyRow | None:
        """The run itself; None when nothing was ever run."""
        with self.store.read() as connection:
            return connection.execute(select(runs).where(runs.c.id == self.run)).one_or_none()

    def stop(self, why: str, hint: str | None = None) -> None:
        """Have no worker begin anything more; the first reason is kept."""
        self._update(runs.c.stopped.is_(None), stopped=why, hint=hint)

    def stopped(self) -> UserError | None:
        """Why nothing more is begun."""
        row = self.row()
        return None if row is None or row.stopped is None else UserError(row.stopped, hint=row.hint)

    def keep_digest(self, answer: str | None) -> None:
        """Keep the answer over all documents, as JSON."""
        self._update(digest=answer)

    def end(self) -> None:
        """Everything that was asked for is finished."""
        self._update(ended=int(time.time()))

    def _update(self, *where: Any, **values: Any) -> None:
        with self.store.begin() as connection:
            connection.execute(update(runs).where(runs.c.id == self.run, *where).values(**values))

    def inputs(self, given: Sequence[str]) -> list[str]:
        """Note the paths that were given; all that ever were, if none are given now."""
        absolute = list(dict.fromkeys(os.path.abspath(path) for path in given))  # noqa: PTH100 - links stay
        with self.store.begin() as connection:
            if absolute:
                rows = [{"run": self.run, "path": path} for path in absolute]
                connection.execute(_insert(connection, inputs).on_conflict_do_nothing(), rows)
                return absolute
            known = select(inputs.c.path).where(inputs.c.run == self.run).order_by(inputs.c.path)
            return list(connection.scalars(known))

    def note(self, found: Iterable[Document | Skipped], *, generation: int, work: str, retry: bool) -> None:
        """Enter what was found; what is new, changed or unfinished becomes WAITING."""
        read = {one.path: one for one in found}
        kept = [one for one in read.values() if isinstance(one, Document)]
        with self.store.begin() as connection:
            self._note_paths(connection, read.values())
            if kept:
                self._reopen(connection, kept, generation=generation, work=work, retry=retry)
                self._note_documents(connection, kept, generation=generation, work=work)

    def _note_paths(self, connection: Connection, found: Iterable[Document | Skipped]) -> None:
        entry = _insert(connection, paths)
        present, gone = list[_PathRow](), list[_PathRow]()
        for one in found:
            known = {"run": self.run, "path": one.path}
            if isinstance(one, Document):
                present.append({**known, "sha256": one.sha256, "skipped": None})
            else:
                skipped = {**known, "sha256": None, "skipped": one.reason}
                (present if os.path.lexists(one.path) else gone).append(skipped)
        if present:
            new = {"sha256": entry.excluded.sha256, "skipped": entry.excluded.skipped}
            connection.execute(entry.on_conflict_do_update(index_elements=["run", "path"], set_=new), present)
        if gone:  # what was read once and has been moved away since keeps the result that it came to
            connection.execute(entry.on_conflict_do_nothing(), gone)

    def _note_documents(
        self, connection: Connection, found: Sequence[Document], *, generation: int, work: str
    ) -> None:
        rows = [
            {
                "run": self.run,
                "sha256": one.sha256,
                "path": one.path,
                "place": one.path,
                "generation": generation,
                "work": work,
                "state": State.WAITING,
                "attempt": 0,
                "retries": 0,
                "content": one.text if self.store.shared else None,
                "shown": False,
            }
            for one in {one.sha256: one for one in reversed(found)}.values()
        ]
        entry = _insert(connection, documents)
        new = entry.excluded
        again = {"place": new.place, "generation": new.generation, "content": new.content}
        connection.execute(entry.on_conflict_do_update(index_elements=["run", "sha256"], set_=again), rows)
        names = [one.sha256 for one in found]
        finished = documents.c.sha256.in_(names), documents.c.state.in_((State.DONE, State.FAILED))
        connection.execute(
            update(documents).where(documents.c.run == self.run, *finished).values(content=None)
        )

    def _reopen(
        self, connection: Connection, found: Sequence[Document], *, generation: int, work: str, retry: bool
    ) -> None:
        """What has another script's answer, or is to be retried, is to be done again: once in a command."""
        here = (
            documents.c.run == self.run,
            documents.c.sha256.in_([one.sha256 for one in found]),
            documents.c.generation != generation,
        )
        fresh = {"state": State.WAITING, "answer": None, "error": None, "shown": False}
        if retry:
            failed = documents.c.state == State.FAILED
            again = update(documents).where(*here, failed)
            connection.execute(again.values(retries=documents.c.retries + 1, **fresh))
        changed, extracted = documents.c.work != work, documents.c.state == State.EXTRACTED
        connection.execute(update(documents).where(*here, changed).values(work=work, asked=None, **fresh))
        connection.execute(update(documents).where(*here, extracted).values(**fresh))

    def take(self, generation: int) -> list[Task]:
        """Make some documents QUEUED that are WAITING, each with a new attempt; none if there are none."""
        some = (
            select(documents.c.sha256)
            .where(
                documents.c.run == self.run,
                documents.c.generation == generation,
                documents.c.state == State.WAITING,
            )
            .order_by(documents.c.sha256)
            .limit(_PAGE)
        )
        with self.store.begin() as connection:
            names = connection.scalars(some).all()
            taken = connection.execute(
                update(documents)
                .where(documents.c.run == self.run, documents.c.sha256.in_(names))
                .values(state=State.QUEUED, attempt=documents.c.attempt + 1)
                .returning(documents.c.sha256, documents.c.attempt)
            )
            return sorted((Task(self.run, *row) for row in taken), key=lambda task: task.sha256)

    def tasks(self, state: State, after: str = "") -> list[Task]:
        """A page of the documents in `state`, in the order of the hashes, after the one named."""
        page = (
            select(documents.c.sha256, documents.c.attempt)
            .where(documents.c.run == self.run, documents.c.state == state, documents.c.sha256 > after)
            .order_by(documents.c.sha256)
            .limit(_PAGE)
        )
        with self.store.read() as connection:
            return [Task(self.run, *row) for row in connection.execute(page)]

    def put_back(self, tasks: Sequence[Task]) -> None:
        """Make QUEUED documents WAITING: no workflow is there that would finish them."""
        if tasks:
            with self.store.begin() as connection:
                rows = [{**_here(task, State.QUEUED), "state": State.WAITING} for task in tasks]
                connection.execute(_CHANGE, rows)

    def document(self, task: Task, state: State = State.QUEUED) -> AnyRow | None:
        """The document that is to be worked on, with its run's `options`, `stopped` and `current` generation.

        None when this attempt is no longer wanted, or not in `state`. A QUEUED document that the run's
        newest command has not asked for, or not yet, becomes WAITING.
        """
        while True:
            with self.store.read() as connection:
                row = connection.execute(_DOCUMENT, _here(task, state)).one_or_none()
            if row is None or state is not State.QUEUED or row.generation == row.current:
                return row
            with self.store.begin() as connection:
                older = documents.c.generation == row.generation
                if connection.execute(_SET_ASIDE.where(older), _here(task, state)).rowcount:
                    return None  # else it has been asked for just now

    def of(self, sha256: str) -> AnyRow | None:
        """The document with this content, however far it is; None for one that was never found."""
        here = documents.c.run == self.run, documents.c.sha256 == sha256
        with self.store.read() as connection:
            return connection.execute(select(documents).where(*here)).one_or_none()

    def keep_facts(self, task: Task, facts: str, key: str) -> None:
        """Keep what the local model said, as JSON, under the digest of what it comes of."""
        self._change(task, facts=facts, facts_key=key)

    def hand_to_batch(self, task: Task) -> None:
        """The facts are there; the paid request goes with the others'."""
        self._change(task, state=State.EXTRACTED)

    def keep_asked(self, task: Task, key: str) -> None:
        """Keep under which key the answer to an EXTRACTED document will be."""
        self._change(task, was=State.EXTRACTED, asked=key)

    def finish(
        self, task: Task, *, answer: str | None = None, error: str | None = None, state: State = State.QUEUED
    ) -> None:
        """Record how a document that was in `state` ended: failed when there is an error, else done."""
        ending = State.DONE if error is None else State.FAILED
        self._change(task, was=state, state=ending, answer=answer, error=error, content=None, shown=False)

    def _change(self, task: Task, *, was: State = State.QUEUED, **values: Any) -> None:
        with self.store.begin() as connection:
            connection.execute(_CHANGE, {**_here(task, was), **values})

    def counts(self, generation: int | None = None) -> dict[State, int]:
        """How many documents are in which state: those of one command, or all that the run ever had."""
        counted = select(documents.c.state, func.count()).where(documents.c.run == self.run)
        if generation is not None:
            counted = counted.where(documents.c.generation == generation)
        with self.store.read() as connection:
            rows = connection.execute(counted.group_by(documents.c.state))
            found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}


def unfinished(store: Store, *, pipeline: str, form: str) -> dict[str, int]:
    """How many documents this script has still to do, by the executor that finds them, in runs that go on."""
    counted = (
        select(runs.c.executor, func.count())
        .select_from(documents.join(runs, runs.c.id == documents.c.run))
        .where(
            *_going_on(pipeline, form),
            documents.c.generation == runs.c.generation,
            documents.c.state.in_(FOR_WORKERS),
        )
        .group_by(runs.c.executor)
    )
    with store.read() as connection:
        return {str(executor): int(count) for executor, count in connection.execute(counted)}


def of_executors(
    store: Store, executors: Collection[str], *, pipeline: str, form: str
) -> list[tuple[Journal, int]]:
    """The runs, each with its generation, whose documents these executors were finding."""
    theirs = select(runs.c.id, runs.c.generation).where(
        *_going_on(pipeline, form), runs.c.executor.in_(executors)
    )
    with store.read() as connection:
        return [(Journal(store, run), generation) for run, generation in connection.execute(theirs)]


def _going_on(pipeline: str, form: str) -> tuple[Any, ...]:
    return runs.c.pipeline == pipeline, runs.c.form == form, runs.c.stopped.is_(None)


# Made once: for each document, making statements takes longer than running them.
_HERE = (
    documents.c.run == bindparam("its_run"),
    documents.c.sha256 == bindparam("its_sha256"),
    documents.c.attempt == bindparam("its_attempt"),
    documents.c.state == bindparam("its_state"),
)
_DOCUMENT = (
    select(documents, runs.c.options, runs.c.stopped, runs.c.generation.label("current"))
    .join(runs, runs.c.id == documents.c.run)
    .where(*_HERE)
)
_CHANGE = update(documents).where(*_HERE)
_SET_ASIDE = _CHANGE.values(state=State.WAITING)


def _here(task: Task, state: State) -> dict[str, object]:
    return {
        "its_run": task.run,
        "its_sha256": task.sha256,
        "its_attempt": task.attempt,
        "its_state": state,
    }


def _insert(connection: Connection, table: Any) -> Any:
    """An INSERT that can say what to do about a row that is there: each dialect has its own, alike."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
