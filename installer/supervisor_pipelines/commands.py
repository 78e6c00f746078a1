"""What `run` and `work` do around what they are about: open what they need, and say how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import click

from supervisor_mcp.ledger import Ledger
from supervisor_pipelines import estimating
from supervisor_pipelines.books import Books
from supervisor_pipelines.crew import Crew
from supervisor_pipelines.definition import Pipeline
from supervisor_pipelines.executors import Executors
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.outlet import Outlet
from supervisor_pipelines.progress import progress
from supervisor_pipelines.run import Order, Outcome, Run
from supervisor_pipelines.spool import Spool
from supervisor_pipelines.status import counted
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import State
from supervisor_pipelines.worker import Worker
from supervisor_pipelines.workshop import Workshop
from supervisor_setup import config as config_file
from supervisor_setup import edge
from supervisor_setup.errors import Exit, UserError
from supervisor_setup.layout import Layout


def run(pipeline: Pipeline[Any, Any], order: Order, layout: Layout) -> int:
    """Work on documents and write the results; returns the exit code.

    Raises:
        UserError: it cannot begin.
    """
    outlet = Outlet.of(order.out, pipeline=pipeline.name, shared=order.db is not None)
    leaving = Leaving()
    with leaving.on_signals(), outlet.locked(), Store.opened(outlet.folder, order.db) as store:
        with (
            _workshop(pipeline, store, layout, run=outlet.run, litellm_url=order.litellm_url) as workshop,
            progress() as shown,
        ):
            crew = Crew(pipeline, workshop, order.concurrency, leaving)
            outcome = Run(order, outlet, crew, shown).go()
        return _said(outcome)


def work(  # noqa: PLR0913 - as many as the command has options
    pipeline: Pipeline[Any, Any],
    db: str,
    concurrency: int,
    litellm_url: str | None,
    layout: Layout,
    *,
    drain: bool,
) -> int:
    """Work on what others put into a database; returns the exit code.

    Raises:
        UserError: it cannot begin.
    """
    leaving = Leaving()
    folder = layout.state / "pipelines"
    with (
        leaving.on_signals(),
        Store.opened(folder, db) as store,
        _workshop(pipeline, store, layout, litellm_url=litellm_url) as workshop,
        progress() as shown,
    ):
        crew = Crew(pipeline, workshop, concurrency, leaving)
        Worker(crew, folder, shown).go(drain=drain)
    for error in (crew.engine.error, *crew.flow.bugs):
        if error is not None:
            return _error(error)
    # A worker has no end of its own but for `--drain`, so a signal is how it is told to end.
    return Exit.INTERRUPTED if leaving.asked and drain else Exit.OK


def estimate(pipeline: Pipeline[Any, Any], order: Order, layout: Layout) -> int:
    """Say what a run would cost, and begin nothing; returns the exit code.

    Raises:
        UserError: the state of an earlier command, or config.yaml, cannot be read.
    """
    from supervisor_pipelines import estimate

    config = config_file.load(layout.config)
    for line in estimate.lines(estimating.of(pipeline, order, config)):
        click.echo(line)
    return Exit.OK


@contextmanager
def _workshop(
    pipeline: Pipeline[Any, Any],
    store: Store,
    layout: Layout,
    *,
    run: str | None = None,
    litellm_url: str | None = None,
) -> Iterator[Workshop]:
    """The tools of this process, known among the others as long as it lives."""
    config = config_file.load(layout.config)
    spool = Spool.below(layout.state / "pipelines" / "unkept", store)
    spool.empty()
    ledger = Ledger(str(layout.state))
    executors = Executors.join(store, run=run)
    try:
        books = Books(ledger, pipeline.name)
        with closing(Workshop(store, config, executors, books, spool, litellm_url)) as tools:
            yield tools
    finally:
        ledger.close()
        executors.leave()


def _said(outcome: Outcome) -> int:
    """Say how a run ended; the last line on stdout is where the results are."""
    standing, failed = outcome.standing, outcome.counts[State.FAILED]
    for line in standing.lines():
        click.echo(line)
    click.echo(f"{standing.outlet.results}")
    if outcome.bugs:
        return _error(outcome.bugs[0])
    if outcome.stopped is not None:
        return _error(outcome.stopped)
    if outcome.interrupted:
        click.echo("interrupted; the same command goes on with it", err=True)
        return Exit.INTERRUPTED
    if failed:
        folder = standing.outlet.folder
        reasons = f"{standing.outlet.report}: {counted(failed, 'document')} failed, with reasons there"
        return _error(UserError(reasons, hint=f"run --retry-failed --out {folder}"))
    if left := outcome.counts[State.EXTRACTED]:
        why = "another run has asked the same, and has no answer yet"
        return _error(UserError(f"{counted(left, 'document')} left: {why}", hint="run it again later"))
    return Exit.OK


def _error(error: BaseException) -> int:
    if isinstance(error, UserError):
        return edge.user_error(error, as_json=False)
    assert isinstance(error, Exception)
    return edge.bug(error, as_json=False)
