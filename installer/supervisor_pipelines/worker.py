"""The command `work`: one more process, on any machine, that works on the documents of a database."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor_pipelines import feeding, journal
from supervisor_pipelines.crew import Crew
from supervisor_pipelines.progress import Progress
from supervisor_pipelines.status import counted

_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Works for every run of a script in the database, and leaves the results to those who began the runs."""

    crew: Crew
    folder: Path
    progress: Progress

    def go(self, *, drain: bool) -> None:
        """Work until a signal or an error ends it; with `drain` also when there is nothing left."""
        engine = self.crew.engine
        try:
            engine.start(self.crew.workshop.store, self.folder)
            while engine.error is None and not self.crew.leaving.asked:
                left = self._left()
                self.progress.note(f"{counted(sum(left.values()), 'document')} left")
                if drain and not left:
                    return
                self._adopt(engine.executors.dead(left))
                time.sleep(_LOOK_SECONDS)
        finally:
            engine.leave()
            engine.wait()
            engine.stop()

    def _left(self) -> Mapping[str, int]:
        return journal.unfinished(self.crew.workshop.store, **self._mine)

    def _adopt(self, dead: Collection[str]) -> None:
        """See to it that all that the dead had found is in the queue."""
        for run, generation in journal.of_executors(self.crew.workshop.store, dead, **self._mine):
            feeding.adopt(run, self.crew.engine, generation)

    @property
    def _mine(self) -> dict[str, str]:
        return {"pipeline": self.crew.pipeline.name, "form": self.crew.engine.version}
