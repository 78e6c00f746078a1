"""Durable execution by DBOS: each document is a workflow that survives the process that runs it.

What DBOS leaves to its user, and is done here:
- Workflows of another application version are never taken up again, and the version is taken from the source
  text where none is given: an upgrade would strand them. It is pinned to what the user's script says.
- Workflows of an executor are taken up when one of the same id starts, even beside a first that still lives:
  each process has an id of its own, and what the dead have left is given to the living (`Engine.reap`).
- On SQLite, readers and writers exclude each other, unless the file is in WAL mode.
- The concurrency of a queue is one number for all processes: each bounds its own work itself.
- Values are pickled, and unpickled whoever wrote them: see `plain_values`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from dbos import DBOS, DBOSConfig, WorkflowStatus

from supervisor_pipelines import money, plain_values
from supervisor_pipelines.executors import BEAT_SECONDS, PREFIX, Executors
from supervisor_pipelines.journal import Task
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.store import BUSY_SECONDS, Store, private_file

SCHEMA = "supervisor_pipelines_dbos"
_APPLICATION = "supervisor_pipelines"
_WORKFLOW = "document"
_POLL_SECONDS = 0.2
_AHEAD = 2
"""Documents taken out of the queue for each that is worked on, so that none waits for the next poll."""
_UNFINISHED = ["PENDING", "ENQUEUED"]

Step = Callable[[Task], bool]
"""A step of a document's workflow; says whether the next one is to come."""


class Left(BaseException):
    """This process ends, or the whole run: the workflow stays as it is, for another to go on with.

    Not an `Exception`, because the engine records those as the workflow's result.
    """


@dataclass(slots=True)
class Engine:
    """Runs `steps`, in their order, for every task that is enqueued; one engine in a process.

    A step that has ended is never repeated; one in which the process dies is.
    """

    executors: Executors
    version: str
    concurrency: int
    steps: Sequence[Step]
    leaving: Leaving
    """Once it is asked for, nothing more is begun, whatever the process's main thread is busy with."""
    error: BaseException | None = None
    """Why the engine cannot go on; the run has to end."""
    _room: threading.Condition = field(default_factory=threading.Condition)
    _active: int = 0
    _held: set[str] = field(default_factory=set)
    _strays: set[str] = field(default_factory=set)
    _leaving: bool = False
    _left: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None

    current: ClassVar[Engine | None] = None

    def start(self, store: Store, folder: Path) -> None:
        """Begin to work on what is in the queues; the log goes into `folder`."""
        _log_into(private_file(folder / "engine.log"))
        config = DBOSConfig(
            name=_APPLICATION,
            application_version=self.version,
            executor_id=self.executors.id,
            log_level="WARNING",
            dbos_system_schema=SCHEMA,
            serializer=plain_values.serializer(),
            # Nobody sends any; but at the end its thread is waited for, and sleeps a second by default.
            notification_listener_polling_interval_sec=0.1,
        )
        if store.shared:
            config["system_database_url"] = store.engine.url.render_as_string(hide_password=False)
        else:
            path = _whole_or_new(folder / "dbos.db")
            connect = partial(_Connection, path, timeout=BUSY_SECONDS, check_same_thread=False)
            # Of the URL only the kind counts: a path could not be told in it as it is, with `?` for one.
            config["system_database_url"] = "sqlite:///dbos.db"
            config["db_engine_kwargs"] = {"creator": connect}
        Engine.current = self
        with store.explained():
            DBOS(config=config)
            DBOS.launch()
        self.reap()
        self._heart = threading.Thread(target=self._live, name="heartbeat", daemon=True)
        self._heart.start()

    def open_queue(self, run: str) -> None:
        """Have every worker of this script take documents of the run."""
        DBOS.register_queue(
            run,
            worker_concurrency=_AHEAD * self.concurrency,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )

    def close_queue(self, run: str) -> None:
        """Have no worker take any more documents of the run."""
        DBOS.delete_queue(run)

    def enqueue(self, tasks: Sequence[Task]) -> None:
        """Queue these tasks; one that is there already stays as it is."""
        for task in tasks:
            DBOS.enqueue_workflow_with_options(
                {
                    "workflow_name": _WORKFLOW,
                    "queue_name": task.run,
                    "workflow_id": task.workflow,
                    "app_version": self.version,
                },
                task.run,
                task.sha256,
                task.attempt,
            )

    def without_workflow(self, tasks: Sequence[Task]) -> list[Task]:
        """Those of `tasks` that were never enqueued, or whose workflows have ended.

        A workflow of another version of the script counts as ended, since nobody will go on with it.
        """
        found = {one.workflow_id: one for one in _statuses(workflow_ids=[task.workflow for task in tasks])}
        going_on = {
            name
            for name, one in found.items()
            if one.status in _UNFINISHED and one.app_version == self.version
        }
        return [task for task in tasks if task.workflow not in going_on]

    def reap(self) -> None:
        """Give to the living what the dead were working on, and what this process has let go of."""
        self.executors.bury()
        pending = [one for one in _statuses(status="PENDING") if one.queue_name]
        dead = self.executors.dead({one.executor_id or "" for one in pending})
        mine = [one.workflow_id for one in pending if one.executor_id == self.executors.id]
        with self._room:
            strays = set(mine) - self._held
        # Between being taken and being begun a workflow looks like a stray, for an instant.
        lost = strays & self._strays
        self._strays = strays - lost
        orphans = defaultdict(list)
        for one in pending:
            if (one.executor_id or "") in dead or one.workflow_id in lost:
                orphans[one.queue_name].append(one.workflow_id)
        for queue, workflows in orphans.items():
            DBOS.resume_workflows(workflows, queue_name=queue)
        self._write_off()

    def _write_off(self) -> None:
        """What the dead had reserved for paid calls may have been billed: it counts as spent."""
        with self.executors.store.begin() as connection:
            holders = {one for one in money.holders(connection) if one.startswith(PREFIX)}
            money.write_off(connection, self.executors.dead(holders))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is worked on, and nothing waits for a place."""
        with self._room:
            return not self._held

    def fail(self, error: BaseException) -> None:
        """End the run of this process with `error`; the first one counts."""
        with self._room:
            self.error = self.error or error
            self._leaving = True
            self._room.notify_all()

    def leave(self) -> None:
        """Begin nothing more; what is worked on goes on to its end."""
        with self._room:
            self._leaving = True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is worked on any more; False when that takes longer."""
        with self._room:
            return self._room.wait_for(lambda: self._active == 0, seconds)

    def stop(self) -> None:
        """End; whatever is not finished is left to others, or to the next run."""
        self._ended.set()
        with self._room:
            self._leaving = self._left = True
            self._room.notify_all()
        if self._heart is not None:
            self._heart.join()
        DBOS.destroy()
        Engine.current = None

    def work(self, task: Task) -> None:
        """What the workflow of a document does."""
        with self._place(task):
            try:
                with self.executors.store.explained():
                    for step in self.steps:
                        if not DBOS.run_step({"name": step.__name__}, step, task):
                            return
            except Exception as error:  # neither the step's nor its document's: the database's, or a bug
                self.fail(error)
                raise Left from error

    @contextmanager
    def _place(self, task: Task) -> Iterator[None]:
        with self._room:
            self._held.add(task.workflow)
            # Whoever comes while the process is leaving waits for its end: more would be taken from the
            # queue in its stead.
            self._room.wait_for(lambda: self._left or self._has_room)
            self._active += 1
        try:
            if self._left:
                raise Left
            yield
        finally:
            with self._room:
                self._active -= 1
                self._held.discard(task.workflow)
                self._room.notify_all()

    @property
    def _has_room(self) -> bool:
        return not (self._leaving or self.leaving.asked) and self._active < self.concurrency

    def _live(self) -> None:
        try:
            while not self._ended.wait(BEAT_SECONDS):
                self.executors.beat()
                self.reap()
        except Exception as error:
            self.fail(error)


@DBOS.workflow(name=_WORKFLOW)
def _document(run: str, sha256: str, attempt: int) -> None:
    assert Engine.current is not None
    Engine.current.work(Task(run, sha256, attempt))


class _Connection(sqlite3.Connection):
    """A connection of the engine's own to its SQLite file.

    Without a wait for the disk at each commit, since a power failure costs no more here than local work: what
    was paid is in the other file. A killed process loses nothing.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")
        if sqlite3.sqlite_version_info < (3, 42):
            # From Python 3.12 on, DBOS takes this for granted, which a system's SQLite need not know yet.
            self.create_function("unixepoch", 1, lambda _subsec: time.time())


def _whole_or_new(path: Path) -> Path:
    """The engine's file. A damaged one is made anew, since all that matters is in the other file too."""
    try:
        with closing(sqlite3.connect(private_file(path))) as connection:
            whole = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        whole = False
    if not whole:
        for part in path.parent.glob(f"{path.name}*"):
            part.unlink()
    return private_file(path)


class _Log(logging.FileHandler):
    """The engine's log, which is silent where it cannot be written: the run itself tells of a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


def _log_into(path: Path) -> None:
    log = logging.getLogger("dbos")
    for old in list(log.handlers):
        log.removeHandler(old)
        old.close()
    handler = _Log(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False


def _statuses(**which: Any) -> list[WorkflowStatus]:
    return DBOS.list_workflows(**which, application_name=_APPLICATION, load_input=False, load_output=False)
