"""What is in a ledger, and what to put there."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from supervisor_mcp import ledger
from supervisor_mcp.ledger import Entry, Ledger


def rows(folder: Path) -> list[dict[str, Any]]:
    """What is in the ledger of a state folder, oldest first."""
    with closing(sqlite3.connect(folder / ledger.NAME)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM calls ORDER BY id")]


def entry(**fields: Any) -> Entry:
    return Entry(
        **{"tool": "ask_local_llama", "outcome": "ok", "at": int(time.time()), "seconds": 1.5, **fields}
    )


def written(folder: Path, *entries: Entry) -> None:
    book = Ledger(str(folder))
    for one in entries:
        book.record(one)
    book.close(10)
