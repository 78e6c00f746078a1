"""What a real part is: a folder of the cache, how it is built, and how it proves that it works."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from real_parts import RealParts

_LOG_TAIL_LINES = 25


class PartError(Exception):
    """A part could not be installed; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One folder of the cache: what it must hold, how it is built, and how it proves that it works."""

    name: str
    pins: Mapping[str, str]
    needs: Callable[[], str | None]
    files: Callable[["RealParts"], Sequence[Path]]
    build: Callable[["RealParts", "Log"], None]
    verify: Callable[["RealParts", "Log"], None]
    duration: str


@dataclass(frozen=True, slots=True)
class Log:
    """Runs the commands of one part; what they print goes into a file, its end into the error."""

    path: Path

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run `command`, give its output; raises PartError with the log's last lines when it fails."""
        words = [str(word) for word in command]
        try:
            finished = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **(env or {})},
                check=False,
            )
        except OSError as error:
            raise PartError(f"{words[0]}: {error.strerror}") from error
        with self.path.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(words)}\n{finished.stdout}\n")
        if finished.returncode != 0:
            tail = "\n".join(finished.stdout.splitlines()[-_LOG_TAIL_LINES:])
            command_line = " ".join(words)
            raise PartError(
                f"`{command_line}` exited {finished.returncode}\n{tail}\n(all of it: {self.path})"
            )
        return finished.stdout
