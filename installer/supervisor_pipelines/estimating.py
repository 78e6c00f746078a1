"""`run --estimate`: the documents as they are now, with what is known of them, to what they would cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select

from supervisor_pipelines import documents, estimate, identity
from supervisor_pipelines.claude import KEY_VARIABLE, Claude
from supervisor_pipelines.definition import Document, Pipeline
from supervisor_pipelines.documents import Skip, Skipped
from supervisor_pipelines.journal import Journal, Options
from supervisor_pipelines.outlet import Outlet
from supervisor_pipelines.run import Order
from supervisor_pipelines.status import counted
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import documents as rows
from supervisor_setup import config as config_file
from supervisor_setup.errors import UsageError
from supervisor_setup.layout import Layout


def lines(pipeline: Pipeline[Any, Any], order: Order, layout: Layout) -> Iterator[str]:
    """What the command would cost, for people. Nothing is written where nothing was run yet.

    Raises:
        UserError: there is nothing to look at, or the API refuses the key or the model.
    """
    with ExitStack() as stack:
        outlet = Outlet.found(order.out)
        journal = None
        if outlet is not None and (order.db is not None or not outlet.shared):
            store = stack.enter_context(Store.opened(outlet.folder, order.db))
            journal = Journal(store, outlet.run)
        inputs = order.paths or (journal.inputs(()) if journal is not None else ())
        if not inputs:
            raise UsageError(
                f"{order.out}: no PATH was given, now or earlier", hint="run PATH… --out DIR --estimate"
            )
        options = _options(order, journal)
        api = None
        if not options.local_only and os.environ.get(KEY_VARIABLE, "").strip():
            api = stack.enter_context(closing(Claude.from_environment()))
        local_model = options.local_model or pipeline.extract.model
        local_model = local_model or config_file.load(layout.config).pipeline.local_model
        material = _Material(pipeline, journal, local_model)
        found = estimate.estimate(
            _as_asked(pipeline, options),
            material.documents(inputs, str(order.out)),
            None if journal is None else journal.store,
            api,
        )
    yield from estimate.lines(found)
    if material.skipped:
        yield f"{counted(material.skipped, 'further path')} would be skipped; the run's report says why"


def _options(order: Order, journal: Journal | None) -> Options:
    row = None if journal is None or order.paths else journal.row()
    before = Options() if row is None else Options.load(row.options)
    return replace(before, **{name: value for name, value in order.options.items() if value is not None})


def _as_asked(pipeline: Pipeline[Any, Any], options: Options) -> Pipeline[Any, Any]:
    ask, digest = pipeline.ask, pipeline.digest
    if options.local_only:
        return replace(pipeline, ask=None, digest=None)
    if ask is not None and options.model is not None:
        return replace(pipeline, ask=replace(ask, model=options.model))
    if digest is not None and options.model is not None:
        return replace(pipeline, digest=replace(digest, model=options.model))
    return pipeline


@dataclass(slots=True)
class _Material:
    """The documents with their facts, as far as an earlier command has come to know them."""

    pipeline: Pipeline[Any, Any]
    journal: Journal | None
    local_model: str
    skipped: int = 0
    facts_key: str = field(init=False)

    def __post_init__(self) -> None:
        self.facts_key = identity.facts_key(self.pipeline.extract, self.local_model)

    def documents(self, inputs: Sequence[str], out: str) -> Iterator[tuple[Document, BaseModel | None]]:
        """One after the other, none of them held."""
        for found in documents.discover(inputs, without=[out]):
            if isinstance(found, Skipped):
                self.skipped += 1
                continue
            try:
                document = documents.read(found.path)
            except Skip:
                self.skipped += 1
            else:
                yield document, self._facts(document)

    def _facts(self, document: Document) -> BaseModel | None:
        if self.journal is None:
            return None
        wanted = select(rows.c.facts).where(
            rows.c.run == self.journal.run,
            rows.c.sha256 == document.sha256,
            rows.c.facts_key == self.facts_key,
        )
        with self.journal.store.read() as connection:
            text = connection.scalar(wanted)
        if text is None:
            return None
        facts: BaseModel = self.pipeline.extract.answer.model_validate_json(text)
        return facts
