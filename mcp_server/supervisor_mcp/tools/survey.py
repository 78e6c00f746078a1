"""One question about every chunk of every file, and the answers file by file."""

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeVar

from supervisor_mcp.answers import footer
from supervisor_mcp.delegation import AllFailed
from supervisor_mcp.tools.asking import Accept, Asker, Form
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import Failed, Jobs
from supervisor_mcp.tools.ports import Bench

Value = TypeVar("Value")

_SHOWN_FAILURES = 10


class OfFile(Generic[Value]):
    """What was said of a file's chunks, in their order, and which of them came to nothing.

    `bytes_read` are those that something was said of.
    """

    def __init__(self, file: Chunk) -> None:
        self.file = file
        self.bytes_read = 0
        self.values: list[Value] = []
        self.failed: list[Failed] = []


def ask_all(
    bench: Bench,
    asker: Asker,
    files: Sequence[Chunk],
    form: Form,
    accept: Accept[Value],
) -> list[OfFile[Value]]:
    """Ask about every file, several at a time; the client is told how many are done.

    Raises:
        AllFailed: No question was answered, and the backends are why.
        CallCancelled: The client cancelled.
    """
    parts = [(number, part) for number, file in enumerate(files) for part in asker.parts(file, form)]
    progress = _Progress(bench, [number for number, _ in parts], form.unit)
    results = Jobs(parts, lambda job: asker.ask(job[1], form, accept), progress.finished).run(asker.threads)
    answers: list[OfFile[Value]] = [OfFile(file) for file in files]
    for (number, part), result in zip(parts, results, strict=True):
        if isinstance(result, Failed):
            answers[number].failed.append(result)
        else:
            answers[number].values += result
            answers[number].bytes_read += part.size
    if not any(one.values for one in answers):
        for one in answers:
            for failed in one.failed:
                if isinstance(failed.error, AllFailed):
                    raise failed.error
    return answers


def failures(answers: "Sequence[OfFile[Value]]") -> str:
    """The files that failed in whole or in part, in a few lines; empty where there are none."""
    lines = []
    begun = [(one, one.failed) for one in answers if one.failed and any(each.begun for each in one.failed)]
    for one, failed in begun[:_SHOWN_FAILURES]:
        which = "Failed" if not one.values else "Incomplete"
        lines.append(f"[{which}: {one.file.path}: {failed[0].reason}.]")
    if len(begun) > _SHOWN_FAILURES:
        lines.append(f"[{len(begun) - _SHOWN_FAILURES} more failed.]")
    left = [one.failed[0] for one in answers if one.failed and not any(each.begun for each in one.failed)]
    if left:
        lines.append(f"[{len(left)} more were not begun, because {left[0].reason}.]")
    return "\n".join(lines)


def closing(asker: Asker, seconds: float, read_bytes: int, text: str) -> str:
    """The last line or two of a result whose other text is `text`: who did it, and what it kept out."""
    who, tokens_in, tokens_out, fallbacks = asker.footing()
    kept = max(0, read_bytes - len(text.encode("utf-8", "replace")))
    lines = [f"[Answered by {who}, because {'; '.join(fallbacks)}.]"] if fallbacks else []
    return "\n".join([*lines, footer(who, tokens_in, tokens_out, seconds, kept)])


class _Progress:
    """Counts files as their last chunk is done."""

    def __init__(self, bench: Bench, numbers: Sequence[int], unit: str) -> None:
        self._bench = bench
        self._numbers = numbers
        self._unit = unit
        self._lock = threading.Lock()
        self._left = Counter(numbers)
        self._total = len(self._left)
        self._tell()

    def finished(self, job: int) -> None:
        with self._lock:
            number = self._numbers[job]
            self._left[number] -= 1
            if not self._left[number]:
                del self._left[number]
        self._tell()

    def _tell(self) -> None:
        self._bench.call.count(f"{self._total - len(self._left)} of {self._total} {self._unit}")
