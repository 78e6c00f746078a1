"""What durability costs: a pipeline of two calls a document beside the same two calls in plain asyncio.

    python benchmarks/orchestration.py [--documents N] [--check]

Both ask the same stand-ins for LiteLLM and for the paid API, in this process, eight documents at a time, as
processes of their own and in turn. A document's time is that between the first paid request and the last, so
start-up does not count; once with models that answer at once, and once with models that take their time
(0.4 s the local one, 0.8 s Claude: quick ones). Memory is the peak of the process over N documents (10,000)
and over a hundred.

`--check` fails unless, in this run,
- a document takes at most 8 times as long as in plain asyncio with models that answer at once, and 1.2 times
  with models that take their time,
- the peak over N documents is at most 2 times that over a hundred.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "server"), str(TESTS / "pipelines")]

from local_api import answering, local_api  # noqa: E402 - the path to it is set above
from paid_api import PaidApi  # noqa: E402 - likewise

from e2e.pipeline_place import environment, notes, render  # noqa: E402 - likewise

MAX_TIMES_AT_ONCE = 8.0
MAX_TIMES_WITH_MODELS = 1.2
MAX_TIMES_MEMORY = 2.0
AT_ONCE, WITH_MODELS = 400, 100
LOCAL_S, PAID_S = 0.4, 0.8
ROUNDS = 3
PLAIN = Path(__file__).with_name("plain_asyncio.py")


@dataclass(frozen=True)
class Measured:
    """One run to its end."""

    seconds: float
    document_ms: float
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
        began = [asked.began for asked in self.api.asked]
        each = (max(began) - min(began)) / max(1, len(began) - 1)
        return Measured(seconds, each * 1000, usage.ru_maxrss / 1024)


def median_ms(runs: Iterable[Measured]) -> float:
    return statistics.median(run.document_ms for run in runs)


def around_s(run: Measured) -> float:
    """Seconds before the first paid request and after the last."""
    return run.seconds - run.document_ms * (WITH_MODELS - 1) / 1000


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
        rounds = [(bench.plain(AT_ONCE), bench.ours(AT_ONCE)) for _ in range(ROUNDS)]
        plain_ms, ours_ms = (median_ms(column) for column in zip(*rounds, strict=True))
        at_once = ours_ms / plain_ms
        print(
            f"a document, models that answer at once: plain asyncio {plain_ms:.1f} ms, ours {ours_ms:.1f} ms "
            f"({at_once:.1f} times; {ours_ms - plain_ms:.0f} ms more)"
        )

        api.latency, local.fault = PAID_S, answering(LOCAL_S)
        plain, ours = bench.plain(WITH_MODELS), bench.ours(WITH_MODELS)
        with_models = ours.document_ms / plain.document_ms
        print(
            f"a document, models that take {LOCAL_S + PAID_S:.1f} s, eight at a time: "
            f"plain asyncio {plain.document_ms:.0f} ms, ours {ours.document_ms:.0f} ms "
            f"({with_models:.2f} times)"
        )
        memory = ours.peak_mb
        print(
            f"start and end of a run of {WITH_MODELS}: plain asyncio {around_s(plain):.1f} s, ours "
            f"{around_s(ours):.1f} s; peak memory {plain.peak_mb:.0f} MB, {ours.peak_mb:.0f} MB"
        )

        api.latency, local.fault = 0.0, answering()
        much = bench.ours(options.documents)
        print(
            f"{options.documents} documents: peak memory {much.peak_mb:.0f} MB "
            f"({much.peak_mb / memory:.2f} times) in {much.seconds:.0f} s, {much.document_ms:.1f} ms each"
        )
    held = (
        at_once <= MAX_TIMES_AT_ONCE,
        with_models <= MAX_TIMES_WITH_MODELS,
        much.peak_mb <= MAX_TIMES_MEMORY * memory,
    )
    if options.check and not all(held):
        print(f"a budget is exceeded; at once, with models, memory: {held}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
