"""What servers tell of themselves, kept for a while, because every call of a tool needs it."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

KEPT_SECONDS = 30.0

_Value = TypeVar("_Value")


class Kept:
    """Values by key, each for KEPT_SECONDS; an error is not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """The value of `key`, from `make` when there is none or it is too old."""
        with self._lock:
            since, value = self._values.get(key, (float("-inf"), None))
        if time.monotonic() - since < KEPT_SECONDS:
            known: _Value = value
            return known
        made = make()
        with self._lock:
            self._values[key] = (time.monotonic(), made)
        return made

    def forget(self, key: Hashable) -> None:
        """Have the next `get` of `key` make it anew."""
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        """Have all made anew."""
        with self._lock:
            self._values.clear()
