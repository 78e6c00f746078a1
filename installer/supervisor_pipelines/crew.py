"""A process at work: the engine, with the steps of one pipeline, and what happens when a step ends it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from supervisor_pipelines import identity
from supervisor_pipelines.definition import Pipeline
from supervisor_pipelines.engine import Engine
from supervisor_pipelines.flow import Flow
from supervisor_pipelines.journal import Journal
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.paying import BudgetReached
from supervisor_pipelines.workshop import Workshop


@dataclass(slots=True)
class Crew:
    """Works with the tools of a workshop on the documents of every run of the pipeline."""

    pipeline: Pipeline[Any, Any]
    workshop: Workshop
    concurrency: int
    leaving: Leaving
    flow: Flow = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.flow = Flow(self.workshop.store, self.pipeline, self.workshop, self._stop)
        self.engine = Engine(
            self.workshop.executors,
            identity.form(self.pipeline),
            self.concurrency,
            (self.flow.extract, self.flow.answer),
            self.leaving,
        )

    def _stop(self, run: str, error: Exception) -> None:
        """Without money the run ends for every worker; all else may be wrong on this machine alone."""
        if isinstance(error, BudgetReached):
            Journal(self.workshop.store, run).stop(error.message, error.hint)
            self.engine.close_queue(run)
        else:
            self.engine.fail(error)
