"""The command `work`: one more process, on any machine, that works on the documents of a database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from supervisor_pipelines import journal
from supervisor_pipelines.crew import Crew
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.progress import Progress

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Works for every run of a script in the database, and leaves the results to those who began the runs."""

    crew: Crew
    folder: Path
    progress: Progress
    leaving: Leaving

    def go(self, *, drain: bool) -> None:
        """Work until a signal or an error ends it; with `drain` also when there is nothing left."""
        engine = self.crew.engine
        engine.start(self.crew.workshop.store, self.folder)
        try:
            while engine.error is None and not self.leaving.asked:
                left = self._left()
                self.progress.note(f"{left:,} documents left")
                if drain and not left:
                    return
                time.sleep(_LOOK_SECONDS)
        finally:
            engine.leave()
            engine.wait()
            engine.stop()

    def _left(self) -> int:
        store, pipeline = self.crew.workshop.store, self.crew.pipeline
        return journal.unfinished(store, pipeline=pipeline.name, form=self.crew.engine.version)
