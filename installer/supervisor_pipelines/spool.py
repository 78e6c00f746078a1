"""Paid answers that the database could not take: files on this machine, until it can.

They are in the state folder of the user, so neither a full disk below the results nor a server of PostgreSQL
that was shut down loses what was paid for.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from supervisor_pipelines import identity, money
from supervisor_pipelines.claude import Reply
from supervisor_pipelines.money import Reservation, Wanted
from supervisor_pipelines.outlet import absolute, replace_file
from supervisor_pipelines.store import Store, private_folder
from supervisor_setup.errors import UserError
from supervisor_setup.files import quote


@dataclass(frozen=True, slots=True)
class Spool:
    """The answers for one database; from several threads and processes at once."""

    store: Store
    folder: Path

    @classmethod
    def below(cls, folder: Path, store: Store) -> Self:
        """The spool of this database, among those of others; nothing is made yet."""
        name = store.name if store.shared else str(absolute(Path(store.name)))
        return cls(store, folder / identity.digest(name)[:16])

    def put(self, reservation: Reservation, reply: Reply, cost: int | None) -> None:
        """Keep what was paid (millionths of a dollar) under this reservation.

        Raises:
            UserError: it cannot be written here either.
        """
        private_folder(self.folder)
        entry = {"reservation": asdict(reservation), "reply": reply.dump(), "cost": cost}
        replace_file(self.folder / f"{reservation.id}.json", [json.dumps(entry)], mode=0o600)

    def empty(self) -> None:
        """Give every answer to the database, as if it had taken it at once.

        Raises:
            UserError: the database still cannot be written, or a file here was damaged.
        """
        for path in sorted(self.folder.glob("*.json")):
            with suppress(FileNotFoundError):  # another process has begun beside this one
                answer = _load(path)
                with self.store.begin() as connection:
                    money.settle_once(connection, *answer)
                path.unlink()


def _load(path: Path) -> tuple[Reservation, Reply, int | None]:
    try:
        entry = json.loads(path.read_bytes())
        wanted = Wanted(**entry["reservation"].pop("wanted"))
        return Reservation(**entry["reservation"], wanted=wanted), Reply.load(entry["reply"]), entry["cost"]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror})", hint=f"chmod u+r {quote(path)}"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: holds no paid answer any more ({error})", hint=f"rm {quote(path)}  # it counts as lost"
        ) from error
