"""Ends on a signal: the first has what is in flight finished, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from supervisor_setup.errors import Exit

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Leaving:
    """Whether a signal has asked for the end."""

    asked: bool = False  # a plain value, since a handler must not wait for a lock that its own thread holds

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to SIGINT and SIGTERM while inside."""
        before = {one: signal.signal(one, self._ask) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            # Threads that wait for an answer cannot be ended in any other way. What the databases hold is
            # whole at every instant.
            os._exit(Exit.INTERRUPTED)
        self.asked = True
