"""Finds a run's documents and puts them into the queue, while others are being worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from supervisor_pipelines import documents
from supervisor_pipelines.definition import Document
from supervisor_pipelines.documents import Found, Skip, Skipped
from supervisor_pipelines.engine import Engine
from supervisor_pipelines.journal import Journal
from supervisor_pipelines.tables import State

_MOST = 200
_MOST_BYTES = 8_000_000


class Feeder:
    """A thread that looks through the inputs once; `complete` when all that they hold is entered."""

    def __init__(
        self, journal: Journal, engine: Engine, found: Iterable[Found | Skipped], note: Callable[..., None]
    ) -> None:
        """Enter each of `found` by `note`, in batches, and enqueue what there is to do."""
        self._journal = journal
        self._engine = engine
        self._found = found
        self._note = note
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self.complete = False

    def start(self, *, generation: int) -> None:
        """Begin; what earlier commands have left QUEUED is looked through first."""
        self._generation = generation
        self._thread.start()

    def stop(self) -> None:
        """Enter nothing more."""
        self._stopped.set()
        if self._thread.ident is not None:  # what came before its start may have failed
            self._thread.join()

    def _feed(self) -> None:
        try:
            recover(self._journal, self._engine)
            for batch in _batches(self._found, keep_text=self._journal.store.shared):
                if self._stopped.is_set():
                    return
                self._note(batch)
                self._enqueue()
            self.complete = True
        except Exception as error:  # the run has to end, and says why
            self._engine.fail(error)

    def _enqueue(self) -> None:
        while not self._stopped.is_set() and (tasks := self._journal.take(self._generation)):
            self._engine.enqueue(tasks)


def adopt(journal: Journal, engine: Engine, generation: int) -> None:
    """Enqueue what a process that was killed had found, and had not enqueued any more."""
    recover(journal, engine)
    while tasks := journal.take(generation):
        engine.enqueue(tasks)


def recover(journal: Journal, engine: Engine) -> None:
    """Put back what no workflow is there for: a process may have been killed before it had made one.

    Whoever asks for such a document enqueues it again.
    """
    after = ""
    while tasks := journal.tasks(State.QUEUED, after):
        journal.put_back(engine.without_workflow(tasks))
        after = tasks[-1].sha256


def _batches(found: Iterable[Found | Skipped], *, keep_text: bool) -> Iterator[Sequence[Document | Skipped]]:
    batch: list[Document | Skipped] = []
    size = 0
    for one in found:
        read = one if isinstance(one, Skipped) else _read(one)
        if isinstance(read, Document):
            read = read if keep_text else replace(read, text="")
            size += len(read.text)
        batch.append(read)
        if len(batch) >= _MOST or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _read(found: Found) -> Document | Skipped:
    try:
        return documents.read(found.path)
    except Skip as skip:
        return Skipped(found.path, skip.reason)
