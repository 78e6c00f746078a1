"""Trying again what may be over in a moment: a refused connection, HTTP 429 and 5xx.

By hand, because the wait must end when the call is cancelled, and because the libraries for it would cost the
first call more than all else that it imports beside the HTTP client: tenacity 9.2 25 to 70 ms and 2.5 MB,
stamina 26.1 38 to 46 ms and 2.8 MB.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from supervisor_mcp.backends.failures import BackendError
from supervisor_mcp.calls import Call

PAUSES = (0.1, 0.4)  # seconds before the second and the third try, on average
LONGEST_PAUSE = 5.0  # a server that asks for more is passed over

_Result = TypeVar("_Result")


def retried(attempt: Callable[[], _Result], call: Call, until: float) -> _Result:
    """The first success of `attempt`, tried again while its errors are passing ones.

    A pause is a random time around its mean, so that calls which failed together do not come back together.
    None ends after `until` (of time.monotonic()).

    Raises:
        BackendError: The last one.
        CallCancelled: The client cancelled.
    """
    for mean in PAUSES:
        try:
            return attempt()
        except BackendError as error:
            if not error.passing:
                raise
            pause = _around(mean) if error.wait_seconds is None else error.wait_seconds
            if pause > LONGEST_PAUSE or time.monotonic() + pause >= until:
                raise
        _pause(pause, call)
    return attempt()


def _around(mean: float) -> float:
    import random  # 2 ms, for the few calls that need it

    return mean * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _pause(seconds: float, call: Call) -> None:
    stop = threading.Event()
    with call.stopping(stop.set):
        stop.wait(seconds)
    call.raise_if_cancelled()
