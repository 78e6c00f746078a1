"""`--estimate`: what a run would still have to do, out of its documents and of what it has done already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from supervisor_pipelines import documents
from supervisor_pipelines.claude import KEY_VARIABLE, Claude
from supervisor_pipelines.definition import Document, Pipeline
from supervisor_pipelines.documents import Skip, Skipped
from supervisor_pipelines.estimate import Estimate, estimate
from supervisor_pipelines.flow import facts_of
from supervisor_pipelines.journal import Journal, Options
from supervisor_pipelines.outlet import Outlet, absolute
from supervisor_pipelines.run import Order, chosen
from supervisor_pipelines.store import Store
from supervisor_setup.config import Config
from supervisor_setup.errors import UsageError


def of(
    pipeline: Pipeline[Any, Any], order: Order, config: Config, environment: Mapping[str, str] = os.environ
) -> Estimate:
    """What the command would cost without `--estimate`; nothing is asked, and nothing is written.

    Raises:
        UsageError: there are no documents to be looked at.
        UserError: the state of an earlier command cannot be read, or the API refuses the key.
    """
    outlet = Outlet.found(order.out)
    if outlet is not None:  # see that it is this pipeline's, and where its state is
        Outlet.of(order.out, pipeline=pipeline.name, shared=order.db is not None)
    with ExitStack() as stack:
        store = stack.enter_context(Store.opened(order.out, order.db)) if outlet else None
        journal = Journal(store, outlet.run) if store and outlet else None
        options = chosen(order, journal) if journal else Options(**order.given)
        paths = order.paths or (journal.inputs(()) if journal else ())
        if not paths:
            raise UsageError(f"{order.out}: no PATH was given, now or earlier", hint="run PATH… --estimate")
        meant = options.applied(pipeline)
        model = meant.extract.model or config.pipeline.local_model
        api = None
        if environment.get(KEY_VARIABLE):
            api = stack.enter_context(closing(Claude.from_environment(environment)))
        found = documents.discover(paths, without=[str(absolute(order.out))])
        return estimate(meant, _with_facts(found, journal, meant, model), store, api)


def _with_facts(
    found: Iterator[documents.Found | Skipped],
    journal: Journal | None,
    pipeline: Pipeline[Any, Any],
    model: str,
) -> Iterator[tuple[Document, BaseModel | None] | Skipped]:
    """Each document, with what the local model has found in it already; and what is none."""
    for one in found:
        if isinstance(one, Skipped):
            yield one
            continue
        try:
            document = documents.read(one.path)
        except Skip as skip:
            yield Skipped(one.path, skip.reason)
            continue
        row = journal.of(document.sha256) if journal else None
        if row is None:
            yield document, None
        else:  # as the run would ask about it
            yield replace(document, path=row.path), facts_of(row, pipeline, model)
