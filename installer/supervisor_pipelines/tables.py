"""The tables of runs and their documents. The money's are declared in `paying` and `batches`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from supervisor_pipelines.store import metadata

if TYPE_CHECKING:
    from sqlalchemy import Row

    AnyRow = Row[*tuple[Any, ...]]


class State(StrEnum):
    """How far a document is."""

    WAITING = "waiting"
    """To be done, and in no queue."""
    QUEUED = "queued"
    """In the queue, or being worked on."""
    EXTRACTED = "extracted"
    """Has its facts; its paid request goes into a batch."""
    DONE = "done"
    FAILED = "failed"


FOR_WORKERS = (State.WAITING, State.QUEUED)
"""What any worker can do; batches are the matter of the process that began the run."""

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("form", Text, nullable=False),  # digest of the script, so that workers know their own work
    Column("options", Text, nullable=False),  # JSON of `journal.Options`, which workers follow too
    # Counts the commands on this run; documents of an older one were not asked for again.
    Column("generation", Integer, nullable=False),
    Column("executor", Text, nullable=False),  # the process that finds the documents
    Column("started", BigInteger, nullable=False),  # seconds since 1970, UTC
    Column("ended", BigInteger),
    Column("stopped", Text),  # why nothing more is begun, for every worker to see
    Column("hint", Text),
    Column("digest", Text),  # JSON of the answer over all documents
)

inputs = Table(
    "inputs",
    metadata,
    Column("run", Text, primary_key=True),
    Column("path", Text, primary_key=True),  # a file, folder or glob as it was given, absolute
)

paths = Table(
    "paths",
    metadata,
    Column("run", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("sha256", Text),
    Column("skipped", Text),  # why it is no document
    Index("paths_by_content", "run", "sha256"),
)

documents = Table(
    "documents",
    metadata,
    Column("run", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("path", Text, nullable=False),  # where it was found first: the script sees the same for ever
    Column("place", Text, nullable=False),  # where it was found last, and is read
    Column("generation", Integer, nullable=False),
    Column("work", Text, nullable=False),  # digest of script and options that `answer` comes of
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),  # which workflow is the one that counts
    Column("retries", Integer, nullable=False),  # how often it was asked for again after it had failed
    Column("asked", Text),  # key of the paid request that was made of it for a batch
    Column("content", Text),  # where workers cannot read the file, until the document is finished
    Column("facts_key", Text),  # digest of what `facts` come of, which changes less often than `work`
    Column("facts", Text),
    Column("answer", Text),
    Column("error", Text),
    Column("shown", Boolean, nullable=False),  # whether results.jsonl has its lines
    Index("documents_by_state", "run", "generation", "state"),
    Index("documents_by_shown", "run", "shown", "state"),
)

# The processes that live: one that is not here, or whose beats stand still, is dead.
executors = Table(
    "executors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("place", Text, nullable=False),  # host and process, for people
    Column("run", Text),  # the run whose lock it holds; NULL for other workers
    # Counts up while it lives. Others watch it change by their own clocks: those of two machines differ.
    Column("beats", BigInteger, nullable=False),
)
