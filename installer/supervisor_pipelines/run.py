"""The command `run`: finds documents, has them worked on, follows them, and writes the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines import batch_records, documents, identity, money, report
from supervisor_pipelines.batches import Waiting
from supervisor_pipelines.batching import Batching
from supervisor_pipelines.crew import Crew
from supervisor_pipelines.definition import Digest, Pipeline
from supervisor_pipelines.engine import Engine
from supervisor_pipelines.failures import StepFailure
from supervisor_pipelines.feeding import Feeder, adopt
from supervisor_pipelines.journal import Journal, Options
from supervisor_pipelines.outlet import Outlet
from supervisor_pipelines.overall import Overall
from supervisor_pipelines.progress import Progress
from supervisor_pipelines.results import Results
from supervisor_pipelines.status import Standing, counted, spent, standing
from supervisor_pipelines.tables import State
from supervisor_pipelines.workshop import Workshop
from supervisor_setup.errors import UsageError, UserError

_LOOK_SECONDS = 0.2
_LONGEST_LOOK_SECONDS = 2.0
IDLE_SECONDS = 10.0
"""How long a process has nothing to do, while documents are queued, before it looks why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. What is None is as in the run's last command, or by default.

    `budget` is in millionths of a dollar. `options` are those of `journal.Options`.
    """

    out: Path
    paths: tuple[str, ...] = ()
    concurrency: int = 8
    db: str | None = None
    budget: int | None = None
    retry_failed: bool = False
    litellm_url: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """Those of `options` that were said."""
        return {name: value for name, value in self.options.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: `counts` are its own documents, `standing` is about all of the run.

    `stopped` says why it ended before its time, `bugs` what is our own fault.
    """

    counts: Mapping[State, int]
    standing: Standing
    stopped: UserError | None
    interrupted: bool
    bugs: Sequence[BaseException]


@dataclass(slots=True)
class Run:
    """One command on one run, by the process that holds the lock of its folder."""

    order: Order
    outlet: Outlet
    crew: Crew
    progress: Progress
    pipeline: Pipeline[Any, Any] = field(init=False)
    workshop: Workshop = field(init=False)
    engine: Engine = field(init=False)
    journal: Journal = field(init=False)
    results: Results = field(init=False)
    options: Options = field(init=False)
    generation: int = field(init=False)

    def __post_init__(self) -> None:
        self.workshop, self.engine = self.crew.workshop, self.crew.engine
        self.journal = Journal(self.workshop.store, self.outlet.run)
        self.results = Results(self.workshop.store, self.outlet)
        self.options = chosen(self.order, self.journal)
        self.pipeline = self.options.applied(self.crew.pipeline)

    def go(self) -> Outcome:
        """Work until all is done, or nothing more can be.

        Raises:
            UserError: it cannot even begin.
        """
        self._check_tools()
        inputs = self.journal.inputs(self.order.paths)
        if not inputs:
            raise UsageError(
                f"{self.outlet.folder}: no PATH was given, now or earlier", hint="run PATH… --out DIR"
            )
        self._set_budget()
        self.results.rewrite()
        self.generation = self.journal.open(
            pipeline=self.pipeline.name,
            form=self.engine.version,
            options=self.options,
            executor=self.workshop.executors.id,
        )
        try:
            with self._working(inputs) as feeder:
                self._follow(feeder)
                if self._goes_on:
                    self._finish()
        except UserError as error:  # also one that was raised in the place of an earlier one
            self.engine.fail(error)
        try:
            self._write()
        except UserError as error:
            self.engine.fail(error)
        return self._outcome()

    @property
    def _goes_on(self) -> bool:
        return self.engine.error is None and not self.crew.leaving.asked and self.journal.stopped() is None

    @property
    def _work(self) -> str:
        """A digest of what the answers depend on, beside the documents."""
        ask, local = self.pipeline.ask, self.workshop.local(self.pipeline).model
        return identity.digest(self.engine.version, local, ask and ask.model)

    def _check_tools(self) -> None:
        """What is missing is said before anything is begun."""
        self.workshop.local(self.pipeline)
        if self.pipeline.ask or self.pipeline.digest:
            self.workshop.payer(self.outlet.run)

    def _set_budget(self) -> None:
        with self.journal.store.begin() as connection:
            known = money.money(connection, self.outlet.run).budget
            budget = known if self.order.budget is None else self.order.budget
            money.set_budget(connection, self.outlet.run, budget)

    @contextmanager
    def _working(self, inputs: Sequence[str]) -> Iterator[Feeder]:
        """The engine and the feeder at work; at the end, what is in flight is waited for."""
        note = partial(
            self.journal.note,
            generation=self.generation,
            work=self._work,
            retry=self.order.retry_failed,
        )
        found = documents.discover(inputs, without=[str(self.outlet.root)])
        feeder = Feeder(self.journal, self.engine, found, note)
        try:
            self.engine.start(self.workshop.store, self.outlet.hidden)
            self.engine.open_queue(self.outlet.run)
            feeder.start(generation=self.generation)
            yield feeder
        finally:
            self.engine.leave()
            feeder.stop()
            self.engine.wait()
            self.engine.stop()

    def _follow(self, feeder: Feeder) -> None:
        """Show how far it is until there is nothing more to do, or nothing more can be done."""
        busy = time.monotonic()
        while True:
            self.results.append()
            began = time.monotonic()
            counts = self._show(complete=feeder.complete)
            took = time.monotonic() - began
            if not self._goes_on:
                self.engine.leave()
                if self.engine.wait(_LOOK_SECONDS):
                    return
            elif feeder.complete and not counts[State.WAITING] + counts[State.QUEUED]:
                return
            if not (feeder.complete and self.engine.is_idle):
                busy = time.monotonic()
            elif time.monotonic() - busy > IDLE_SECONDS:  # others have the rest, or the engine has lost it
                adopt(self.journal, self.engine, self.generation)
                busy = time.monotonic()
            # Counting takes longer the more documents there are, and is to be a small part of the time.
            time.sleep(min(max(_LOOK_SECONDS, 10 * took), _LONGEST_LOOK_SECONDS))

    def _finish(self) -> None:
        """What comes after all documents: the batch, and the answer over all of them."""
        ask, digest = self.pipeline.ask, self.pipeline.digest
        if ask is not None and self.journal.counts()[State.EXTRACTED]:
            batcher = self.workshop.batcher(self.outlet.run)
            batching = Batching(self.journal, self.crew.flow, batcher)
            self._meanwhile(partial(batching.ask_all, ask, self._show_batch), batcher.stop)
        if digest is not None and self._goes_on:
            self._meanwhile(partial(self._digest, digest), self.workshop.payer(self.outlet.run).stop)
        if self._goes_on:
            self.engine.close_queue(self.outlet.run)
            self.journal.end()

    def _meanwhile(self, work: Callable[[], None], stop: Callable[[], None]) -> None:
        """Do the work on another thread, and have it stopped at a signal, which only this one sees."""
        with ThreadPoolExecutor(max_workers=1) as thread:
            done = thread.submit(work)
            while not wait([done], _LOOK_SECONDS).done:
                if not self._goes_on:
                    stop()
        with suppress(CallCancelled):
            done.result()

    def _digest(self, digest: Digest[Any, Any]) -> None:
        attempt = self.generation if self.order.retry_failed else 0
        payer = self.workshop.payer(self.outlet.run)
        overall = Overall(self.pipeline.extract, digest, payer, attempt)
        try:
            answer = overall.answer(self.results)
        except StepFailure as error:
            raise UserError(
                f"{self.outlet.folder}: the answer over all documents: {error.reason}",
                hint=f"run --retry-failed --out {self.outlet.folder}",
            ) from error
        self.journal.keep_digest(None if answer is None else answer.model_dump_json())
        if overall.without:
            self.progress.say(
                f"{overall.without[0]}: cannot be considered any more, so the answer is without it"
            )

    def _show(self, *, complete: bool = True) -> Mapping[State, int]:
        counts = self.journal.counts(self.generation)
        with self.journal.store.read() as connection:
            account = money.money(connection, self.outlet.run)
        self.progress.show(counts, money=spent(account) if account.calls else "", complete=complete)
        return counts

    def _show_batch(self, waiting: Waiting) -> None:
        requests, batches = counted(waiting.requests, "request"), counted(waiting.batches, "batch")
        self.progress.note(f"{requests} in {batches} at the API")

    def _write(self) -> None:
        self.results.rewrite()
        report.write(self.outlet, self.results, standing(self.workshop.store, self.outlet))

    def _outcome(self) -> Outcome:
        stopped = self.engine.error or self.journal.stopped()
        bugs: list[BaseException] = list(self.crew.flow.bugs)
        if stopped is not None and not isinstance(stopped, UserError):
            bugs.append(stopped)
        return Outcome(
            counts=self.journal.counts(self.generation),
            standing=standing(self.workshop.store, self.outlet),
            stopped=stopped if isinstance(stopped, UserError) else None,
            interrupted=self.crew.leaving.asked,
            bugs=bugs,
        )


def chosen(order: Order, journal: Journal) -> Options:
    """What is asked for; where no paths are given, the run's last command is gone on with."""
    row = None if order.paths else journal.row()
    before = Options() if row is None else Options.load(row.options)
    given = order.given
    with journal.store.read() as connection:
        if batch_records.of_run(connection, journal.run):
            given["batch"] = True  # what is under way at the API is waited for, rather than asked again
    return replace(before, **given)
