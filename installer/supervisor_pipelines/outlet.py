"""The results' folder: whose run it holds, and that one process at a time writes into it."""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from supervisor_pipelines.store import FOLDER, private_file, private_folder
from supervisor_setup.errors import UserError

RESULTS = "results.jsonl"
REPORT = "report.md"
_PATIENCE_SECONDS = 1.0
"""How long the lock is waited for: `status` takes it too, for an instant."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One run's folder. `shared` says that its state is in a database that is given with --db."""

    folder: Path
    run: str
    pipeline: str
    shared: bool

    @property
    def hidden(self) -> Path:
        """Where everything is that is not for the user to read."""
        return self.folder / FOLDER

    @property
    def root(self) -> Path:
        """The folder by its whole path."""
        return absolute(self.folder)

    @property
    def results(self) -> Path:
        """One line for each path."""
        return self.folder / RESULTS

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.folder / REPORT

    @classmethod
    def of(cls, folder: Path, *, pipeline: str, shared: bool) -> Outlet:
        """The run that this folder holds, or a new one.

        Raises:
            UserError: the folder has something else in it, or cannot be written.
        """
        outlet = cls.found(folder)
        if outlet is None:
            return cls._new(folder, pipeline=pipeline, shared=shared)
        if outlet.pipeline != pipeline:
            raise UserError(
                f"{folder}: holds the results of the pipeline {outlet.pipeline!r}, not of {pipeline!r}",
                hint="--out with another folder",
            )
        if outlet.shared != shared:
            raise UserError(
                f"{folder}: was begun {'with' if outlet.shared else 'without'} --db, and its state is there",
                hint="run it as before, or with another --out",
            )
        return outlet

    @classmethod
    def found(cls, folder: Path) -> Outlet | None:
        """The run that this folder holds, if any.

        Raises:
            UserError: it cannot be told.
        """
        path = folder / FOLDER / "run.json"
        try:
            data = json.loads(path.read_bytes())
            return cls(folder, str(data["run"]), str(data["pipeline"]), bool(data["shared"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: is damaged", hint=f"mv {path.parent} {path.parent}.damaged; the results stay"
            ) from error

    @classmethod
    def _new(cls, folder: Path, *, pipeline: str, shared: bool) -> Outlet:
        outlet = cls(folder, uuid.uuid4().hex, pipeline, shared)
        if outlet.results.exists():
            raise UserError(
                f"{outlet.results}: was not written by this pipeline, or its {FOLDER} is gone",
                hint="--out with another folder, or move the file away",
            )
        data = {key: value for key, value in asdict(outlet).items() if key != "folder"}
        replace_file(private_folder(outlet.hidden) / "run.json", [json.dumps(data)], mode=0o600)
        return outlet

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running it too; the system lets go of the lock when this one dies.

        Raises:
            UserError: another has it.
        """
        with self._lock_file().open("r+") as file:
            end = time.monotonic() + _PATIENCE_SECONDS
            while not (locked := _lock(file)) and time.monotonic() < end:
                time.sleep(0.05)
            if not locked:
                raise UserError(
                    f"{self.folder}: another process is running it",
                    hint=f"wait for its end; it is seen with: status --out {self.folder}",
                )
            yield

    def is_locked(self) -> bool:
        """Whether a process is running it."""
        with self._lock_file().open("r+") as file:
            return not _lock(file)

    def _lock_file(self) -> Path:
        return private_file(self.hidden / "lock")


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def absolute(path: Path) -> Path:
    """The whole path, without `..`; links stay as they are named."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - pathlib has nothing like it


def replace_file(path: Path, parts: Iterable[str], *, mode: int = 0o666) -> None:
    """Write a file in a way that leaves either the old one or the new one, whenever the process is killed.

    Raises:
        UserError: it cannot be written; the old one stays.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UserError:
    """What is said of a file that could not be written."""
    return UserError(
        f"{path}: cannot be written ({error.strerror})",
        hint="free some space or mend its folder, then run the same command again; nothing is lost",
    )
