"""What durability costs: a pipeline of two calls a document beside the same two calls in plain asyncio.

    python benchmarks/orchestration.py [--documents N] [--check]

Both ask the same stand-ins for LiteLLM and for the paid API, in this process, eight documents at a time, as
processes of their own and in turn. The overhead of a document is the slope between two numbers of documents
with models that answer at once, so that start-up does not count; with models that take their time (0.4 s the
local one, 0.8 s Claude: quick ones) the whole run is compared. Memory is the peak of the process over N
documents (10,000) and over 100.

`--check` fails unless, in this run,
- a document costs at most 30 ms of overhead more than in plain asyncio, and a run with models that take their
  time at most 1.5 times as long,
- the peak over N documents is at most 1.5 times that over 100.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "server"), str(TESTS / "pipelines")]

from local_api import answering, local_api  # noqa: E402 - the path to it is set above
from paid_api import PaidApi  # noqa: E402 - likewise

from e2e.pipeline_place import environment, notes, render  # noqa: E402 - likewise

MAX_OVERHEAD_MS = 30.0
MAX_TIMES_WITH_MODELS = 1.5
MAX_TIMES_MEMORY = 1.5
FEW, MANY = 100, 500
WITH_MODELS = 100
LOCAL_S, PAID_S = 0.4, 0.8
ROUNDS = 3
PLAIN = Path(__file__).with_name("plain_asyncio.py")


@dataclass(frozen=True)
class Measured:
    """One run to its end."""

    seconds: float
    peak_mb: float


@dataclass
class Bench:
    """The stand-ins, and folders with so many documents."""

    folder: Path
    api: PaidApi
    litellm_url: str
    environment: dict[str, str]
    runs: int = 0

    @property
    def script(self) -> Path:
        return self.folder / "pipeline.py"

    def documents(self, count: int) -> Path:
        """A folder of `count` documents."""
        made = self.folder / f"documents-{count}"
        if not made.exists():
            made.mkdir()
            for number, text in enumerate(notes(count)):
                (made / f"{number:06}.md").write_text(text, encoding="utf-8")
        return made

    def ours(self, count: int) -> Measured:
        """The rendered script, from nothing."""
        self.runs += 1
        out = self.folder / f"out-{self.runs}"
        options = ("--out", str(out), "--litellm-url", self.litellm_url)
        measured = self._measure(str(self.script), "run", str(self.documents(count)), *options)
        lines = (out / "results.jsonl").read_text(encoding="utf-8").count('"done"')
        assert lines == count, f"{lines} of {count} documents are done"
        shutil.rmtree(out)
        return measured

    def plain(self, count: int) -> Measured:
        """The same in plain asyncio."""
        results = self.folder / "plain.jsonl"
        measured = self._measure(str(PLAIN), str(self.documents(count)), str(results), self.litellm_url)
        assert results.read_text(encoding="utf-8").count("\n") == count
        return measured

    def _measure(self, *command: str) -> Measured:
        self.api.asked.clear()
        errors = self.folder / "errors"
        began = time.perf_counter()
        with errors.open("w") as to_errors:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=subprocess.DEVNULL,
                stderr=to_errors,
                env=self.environment,
                cwd=self.folder,
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        assert process.returncode == 0, errors.read_text(encoding="utf-8")
        return Measured(seconds, usage.ru_maxrss / 1024)


def slope_ms(few: list[Measured], many: list[Measured]) -> float:
    """Milliseconds that one more document takes."""
    seconds = statistics.median(run.seconds for run in many) - statistics.median(run.seconds for run in few)
    return seconds * 1000 / (MANY - FEW)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000, metavar="N", help="for the memory")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PaidApi() as api, local_api() as local:
        home = Path(folder) / "home"
        home.mkdir()
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "ANTHROPIC", "XDG"))
        }
        bench = Bench(
            Path(folder), api, local.url, {**env, **environment(api, local.key or ""), "HOME": str(home)}
        )
        render(bench.script, "analyze")
        bench.ours(1), bench.plain(1)  # so that bytecode is there
        rounds = [
            (bench.plain(FEW), bench.ours(FEW), bench.plain(MANY), bench.ours(MANY)) for _ in range(ROUNDS)
        ]
        plain_few, ours_few, plain_many, ours_many = (list(column) for column in zip(*rounds, strict=True))
        plain_ms, ours_ms = slope_ms(plain_few, plain_many), slope_ms(ours_few, ours_many)
        overhead = ours_ms - plain_ms
        print(
            f"a document, models that answer at once: plain asyncio {plain_ms:.1f} ms, ours {ours_ms:.1f} ms "
            f"({ours_ms / plain_ms:.1f} times; {overhead:.1f} ms more)"
        )

        api.latency, local.fault = PAID_S, answering(LOCAL_S)
        plain, ours = bench.plain(WITH_MODELS), bench.ours(WITH_MODELS)
        times = ours.seconds / plain.seconds
        print(
            f"{WITH_MODELS} documents, models that take {LOCAL_S + PAID_S:.1f} s: "
            f"plain asyncio {plain.seconds:.1f} s, ours {ours.seconds:.1f} s ({times:.2f} times)"
        )

        api.latency, local.fault = 0.0, answering()
        little = statistics.median(run.peak_mb for run in ours_few)
        plain_much, much = bench.plain(options.documents), bench.ours(options.documents)
        print(
            f"peak memory: {FEW} documents {little:.0f} MB, {options.documents} documents "
            f"{much.peak_mb:.0f} MB ({much.peak_mb / little:.2f} times) in {much.seconds:.0f} s; "
            f"plain asyncio {plain_much.peak_mb:.0f} MB in {plain_much.seconds:.0f} s"
        )
    held = (
        overhead <= MAX_OVERHEAD_MS,
        times <= MAX_TIMES_WITH_MODELS,
        much.peak_mb <= MAX_TIMES_MEMORY * little,
    )
    if options.check and not all(held):
        print(f"a budget is exceeded: overhead, with models, memory: {held}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
