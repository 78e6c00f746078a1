"""The processes that work on documents: each is known by an id of its own, and shows that it lives."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update

from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import executors

BEAT_SECONDS = 5.0
PREFIX = "executor:"
"""Of their ids, since others than they may reserve money."""
DEAD_AFTER_SECONDS = 30.0
"""How long another's beats may stand still before its work is given to others."""


@dataclass(slots=True)
class Executors:
    """This process among the others, and what it has seen of them by its own clock.

    One that was only held up (a laptop's lid) is taken for dead too. It goes on when it wakes: a document
    that was done twice is recorded once. A paid call that it had under way may be made by another as well.
    """

    store: Store
    id: str
    run: str | None
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def join(cls, store: Store, *, run: str | None) -> Executors:
        """Enter this process, which holds the lock of `run`: those that held it before are dead."""
        me = cls(store, f"{PREFIX}{uuid.uuid4().hex}", run)
        if run is not None:
            with store.begin() as connection:
                connection.execute(delete(executors).where(executors.c.run == run))
        me.beat()
        return me

    def beat(self) -> None:
        """Show that this process lives; to be called every `BEAT_SECONDS`."""
        once_more = update(executors).where(executors.c.id == self.id).values(beats=executors.c.beats + 1)
        with self.store.begin() as connection:
            if not connection.execute(once_more).rowcount:  # the first beat, or it was taken for dead
                place = f"{socket.gethostname()}:{os.getpid()}"
                connection.execute(insert(executors).values(id=self.id, place=place, run=self.run, beats=0))

    def bury(self, now: float | None = None) -> None:
        """Take out those whose beats have stood still for too long; `now` is in seconds of any clock."""
        now = time.monotonic() if now is None else now
        with self.store.read() as connection:
            others = select(executors.c.id, executors.c.beats).where(executors.c.id != self.id)
            beats = {str(one): int(count) for one, count in connection.execute(others)}
        before = self._seen
        self._seen = {
            one: (count, before[one][1] if before.get(one, (None,))[0] == count else now)
            for one, count in beats.items()
        }
        still = [one for one, (_count, since) in self._seen.items() if now - since >= DEAD_AFTER_SECONDS]
        if still:
            with self.store.begin() as connection:
                # Unless it has stirred just now.
                for one in still:
                    here = executors.c.id == one, executors.c.beats == beats[one]
                    connection.execute(delete(executors).where(*here))

    def dead(self, names: Collection[str]) -> set[str]:
        """Those of `names` that do not live."""
        with self.store.read() as connection:
            return set(names) - set(connection.scalars(select(executors.c.id)))

    def leave(self) -> None:
        """Nothing of this process is left to do."""
        with self.store.begin() as connection:
            connection.execute(delete(executors).where(executors.c.id == self.id))
