"""What the engine keeps is JSON, and nothing else is read back.

Left to itself, DBOS pickles; and whatever it is told to write, it unpickles rows that say they are pickled.
Unpickling runs what the writer of the bytes likes: a folder of results that came along in a repository, or
whoever can write to a shared database, could take over the machine of everyone who goes on with the run.
"""

from __future__ import annotations

from typing import Any

from dbos import DBOSPortableJSONSerializer, Serializer
from dbos._serialization import DefaultSerializer

REFUSAL = "a pickled value: it was not written by this program"


def serializer() -> Serializer:
    """The engine's serializer; from now on this process unpickles nothing for it."""
    DefaultSerializer.deserialize = _refuse  # type: ignore[assignment,method-assign] # there is no setting for it
    return DBOSPortableJSONSerializer()


def _refuse(_self: object, _text: str) -> Any:
    raise ValueError(REFUSAL)
