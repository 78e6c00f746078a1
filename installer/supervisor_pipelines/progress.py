"""How far a run is, on stderr: a bar on a terminal, else a line a minute."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from supervisor_pipelines.tables import State

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

LINE_SECONDS = 60.0
_RATE_OVER_SECONDS = 120.0


@dataclass(slots=True)
class Pace:
    """How fast documents end, over the last two minutes."""

    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, ended: int, now: float) -> None:
        """So many had ended at that instant."""
        self._marks.append((now, ended))
        while now - self._marks[0][0] > _RATE_OVER_SECONDS:
            self._marks.popleft()

    @property
    def per_second(self) -> float:
        """Documents per second; 0 when that is not known yet."""
        (began, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - began) if now > began else 0.0


@dataclass(slots=True)
class Progress:
    """Where a command says how far it is."""

    stream: TextIO
    _bars: Bars | None = None
    _pace: Pace = field(default_factory=Pace)
    _next_line: float = 0.0

    def show(self, counts: dict[State, int], *, money: str = "", complete: bool = True) -> None:
        """How many documents are in which state; not `complete` while more are being found."""
        if not any(counts.values()):
            return
        now = time.monotonic()
        ended, total = counts[State.DONE] + counts[State.FAILED], sum(counts.values())
        self._pace.note(ended, now)
        rate = self._pace.per_second
        parts = [
            f"{ended} of {total}{'' if complete else ' or more'} documents",
            f"{counts[State.FAILED]} failed" if counts[State.FAILED] else "",
            per_time(rate),
            f"{duration((total - ended) / rate)} left" if rate and complete and ended < total else "",
            money,
        ]
        text = ", ".join(part for part in parts if part)
        if self._bars is not None:
            task = self._bars.task_ids[0]
            self._bars.update(task, completed=ended, total=total or None, description=text)
        elif now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            self.say(text)

    def note(self, text: str) -> None:
        """What is waited for, while no document ends."""
        now = time.monotonic()
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], description=text)
        elif now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            self.say(text)

    def say(self, text: str) -> None:
        """Something that is worth a line of its own."""
        if self._bars is not None:
            self._bars.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=self.stream, flush=True)


@contextmanager
def progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """The progress that suits the stream, by default stderr."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Progress(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False)
    with Bars(*columns, console=Console(file=stream)) as bars:
        bars.add_task("", total=None)
        yield Progress(stream, bars)


def per_time(per_second: float) -> str:
    """A rate in the unit in which it is a number that one can imagine."""
    if not per_second:
        return ""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if per_second * seconds >= 1 or unit == "h":
            return f"{per_second * seconds:.1f}/{unit}"
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min, 5 h 20 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
