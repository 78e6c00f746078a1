"""Work done side by side within a time limit, where some of it may never end."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Late = TypeVar("Late")


def all_at_once(works: Sequence[Callable[[], T]], seconds: float, late: Late) -> list[T | Late]:
    """What each of `works` gives; `late` for one that is not done within `seconds`.

    Each runs on a daemon thread, which is left behind when it is late: the look-up of a host name, for one,
    cannot be stopped, and must not keep the program from ending either.

    Raises:
        Exception: what the first of them raised, if one did in time.
    """
    results: dict[int, T] = {}
    failures: dict[int, Exception] = {}

    def run(number: int, work: Callable[[], T]) -> None:
        try:
            results[number] = work()
        except Exception as error:  # raised again where the answer is waited for
            failures[number] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if failures:
        raise failures[min(failures)]
    return [results.get(number, late) for number in range(len(threads))]
