"""Imports of large libraries, which take seconds at every start of a script."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports() -> Iterator[None]:
    """While inside, the garbage collector rests: what an import makes stays, and is a lot to look through.

    With the engine and Anthropic's SDK that is 0.6 s of 2.9 s of CPU time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
