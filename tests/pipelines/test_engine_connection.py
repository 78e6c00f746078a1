"""What the engine takes for granted of SQLite, whichever version the system has."""

import time
from contextlib import closing
from pathlib import Path

from supervisor_pipelines.engine import _Connection


def test_its_connections_know_the_time_in_milliseconds(tmp_path: Path) -> None:
    with closing(_Connection(tmp_path / "any.db")) as connection:
        ((now,),) = connection.execute("SELECT unixepoch('subsec') * 1000").fetchall()
    assert abs(now - time.time() * 1000) < 10_000
