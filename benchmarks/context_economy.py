"""What work on files puts into Claude's context: reading, reading and passing on, and handing over paths.

    python benchmarks/context_economy.py [--real] [--check]

The real Claude Code client runs scripted turns against a stand-in for the Messages API, which weighs every
request; the installed server does the local work. Two jobs, each done in three ways:

- a sentence about each of 40 source files (about 400 kB) and a text about all of them,
- one of four labels for each of 200 small files (about 200 kB).

The files are taken from Python's own library. The local model is a quick stand-in whose answers are as long
as the prompt asks for (8 characters for each word that it may say), and in the row "a wordy model" as long as
the limit of tokens allows; how fast a model is makes no difference to the bytes. With `--real` LiteLLM,
llama.cpp and SmolLM2-135M do the local work, on 8 small files, and nothing is passed on.

`--check` fails unless handing over the paths adds at least 50 times less to the context than reading does,
with the wordy model too.
With `--real` it does not look, since the text about all files weighs more beside a few.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "server")]

from fake_backend import FakeBackend  # noqa: E402 - the path to it is set above

from e2e import economy  # noqa: E402 - likewise
from e2e.claude import Claude  # noqa: E402 - likewise
from e2e.desk import Desk, desk_at  # noqa: E402 - likewise
from e2e.messages_api import TurnMaker  # noqa: E402 - likewise
from e2e.quick_model import as_asked, as_long_as_allowed, quick_model  # noqa: E402 - likewise
from e2e.stack import CONTEXT_TOKENS, MASTER_KEY, MODELS, running_litellm, running_llama  # noqa: E402 - likewise
from real_parts import CLIENT_VERSIONS, RealParts  # noqa: E402 - likewise

MIN_FACTOR = 50
LABELS = ["networking", "text processing", "operating system", "data structures"]
READS_AT_A_TIME = 10
PATIENCE_S = 600
WORDY = "- a wordy model"
PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))


@dataclass(frozen=True)
class Job:
    """A piece of work on files, and how each of the ways to do it is worded."""

    name: str
    make_files: Callable[[Path], list[Path]]
    instruction: str
    tool: str
    arguments: dict[str, Any]

    def run(self, desk: Desk, quick: FakeBackend | None) -> tuple[economy.Cost, dict[str, economy.Cost]]:
        """Do it in each way in a conversation of its own, print a table; without `quick` the model is real.

        Gives the costs of reading, and of each kind of handing over.
        """
        folder = desk.home.project / self.name
        files = self.make_files(folder)
        total = sum(path.stat().st_size for path in files)
        print(f"\n{self.name}: {len(files)} files, {total:,} bytes")
        given = {"paths": [folder.name], **self.arguments}
        ways = {"Claude reads": economy.reading(files, READS_AT_A_TIME)}
        if quick is not None:
            ways["reads and passes on"] = economy.passing_on(files, READS_AT_A_TIME, self.instruction)
        ways[self.tool] = economy.handing_over(self.tool, **given)
        if quick is not None:
            ways[WORDY] = ways[self.tool]
        print(
            f"{'way':20} {'requests':>8} {'sent in all':>12} {'added':>10} {'x less':>7}"
            f" {'Claude writes':>13} {'seconds':>8}"
        )
        costs: dict[str, economy.Cost] = {}
        for way, turns in ways.items():
            if quick is not None:
                quick.fault = as_long_as_allowed if way == WORDY else as_asked
            shutil.rmtree(desk.home.home / ".cache" / "supervisor-setup", ignore_errors=True)  # the answers
            began = time.monotonic()
            costs[way] = _converse(desk, f"{self.name}: {way}", turns)
            cost, base = costs[way], next(iter(costs.values()))
            print(
                f"{way:20} {cost.requests:8} {cost.sent:12,} {cost.added:10,} {base.added / cost.added:7.1f}"
                f" {cost.written:13,} {time.monotonic() - began:8.1f}"
            )
        self._check_answer(desk, files)
        return costs["Claude reads"], {way: costs[way] for way in (self.tool, WORDY) if way in costs}

    def _check_answer(self, desk: Desk, files: Sequence[Path]) -> None:
        (said,) = desk.api.last(f"{self.name}: {self.tool}").tool_results
        absent = [path.name for path in files if path.name not in said]
        print(f"the answer of {self.tool}: {len(said.encode()):,} bytes; it ends: {said.splitlines()[-1]}")
        if absent or "[Not read" in said or "[Failed" in said or "[There is no" in said:
            raise SystemExit(f"the answer is not about all files ({absent}):\n{said}")


def _converse(desk: Desk, conversation: str, turns: Sequence[TurnMaker]) -> economy.Cost:
    """Run the client on the turns; every tool call must have worked, and still stand in the last request."""
    desk.api.script(conversation, turns)
    # Compaction would hide what was added before it.
    transcript = desk.ask(conversation, timeout=PATIENCE_S, DISABLE_AUTO_COMPACT="1", DISABLE_COMPACT="1")
    last = desk.api.last(conversation)
    if transcript.answer != "done" or any(last.tool_errors) or "cleared]" in last.words:
        raise SystemExit(f"{conversation}: {transcript.answer}\n{last.tool_results[:3]}")
    return economy.cost_of(desk.api, conversation)


def _jobs(*, real: bool) -> list[Job]:
    count, mean, small, small_bytes = (8, 1_500, 8, 500) if real else (40, 10_000, 200, 1_000)
    return [
        Job(
            "summaries",
            lambda folder: economy.library_files(folder, count, mean),
            economy.SENTENCE,
            "summarize_files",
            {"words": 50} if real else {},
        ),
        Job(
            "labels",
            lambda folder: economy.library_beginnings(folder, small, small_bytes),
            f"Answer with one of these labels, in at most 2 words: {', '.join(LABELS)}.",
            "classify",
            {"labels": LABELS},
        ),
    ]


@contextmanager
def _local_model(
    parts: RealParts, folder: Path, *, real: bool
) -> Iterator[tuple[str, str, FakeBackend | None]]:
    """The url and the key of what answers for LiteLLM; and the stand-in, if it is one."""
    if not real:
        with quick_model() as backend:
            yield backend.url, "sk-any", backend
        return
    with running_llama(parts, folder / "llama", context_tokens=CONTEXT_TOKENS) as llama:
        served = {"model": "openai/smollm2", "api_base": f"{llama}/v1", "api_key": "none"}
        models = [{"model_name": name, "litellm_params": served} for name in MODELS]
        patient = {"num_retries": 0, "request_timeout": PATIENCE_S}
        config = folder / "litellm.yaml"
        general = {"master_key": MASTER_KEY}
        config.write_text(
            json.dumps({"model_list": models, "litellm_settings": patient, "general_settings": general})
        )
        with running_litellm(parts, config, folder / "litellm") as url:
            yield url, MASTER_KEY, None


def main() -> int:
    """Weigh and print."""
    parser = argparse.ArgumentParser(description="What work on files puts into Claude's context.")
    parser.add_argument("--real", action="store_true", help="a real local model, on 8 small files")
    parser.add_argument("--check", action="store_true", help="exit 1 when a factor is below the limit")
    options = parser.parse_args()
    parts = RealParts.from_env(os.environ)
    version = CLIENT_VERSIONS[-1]
    model = "LiteLLM, llama.cpp, SmolLM2-135M" if options.real else "a quick stand-in with long answers"
    print(f"Claude Code {version}, scripted turns; local model: {model}")
    with (
        tempfile.TemporaryDirectory() as name,
        _local_model(parts, Path(name) / "stack", real=options.real) as (url, key, quick),
        desk_at(Claude(version, parts.client(version)), Path(name) / "desk") as desk,
    ):
        desk.home.env["LITELLM_API_KEY"] = key
        installed = desk.command(PROGRAM, "install", "--yes", "--litellm-url", url)
        if installed.code:
            raise SystemExit(installed.output)
        results = {job.name: job.run(desk, quick) for job in _jobs(real=options.real)}
    if not options.check or options.real:
        return 0
    low = {
        f"{name}, {way.removeprefix('- ')}": reads.added / handed.added
        for name, (reads, ways) in results.items()
        for way, handed in ways.items()
    }
    broken = [f"{name}: {factor:.1f} times less" for name, factor in low.items() if factor < MIN_FACTOR]
    for line in broken:
        print(f"over budget: {line}, not {MIN_FACTOR}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
