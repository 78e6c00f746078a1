"""Runs a pipeline's command line, in this process or in one of its own, and reads what it wrote."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from fake_backend import FakeBackend
from paid_api import PaidApi
from pydantic import BaseModel

from supervisor_pipelines import Ask, Digest, Document, Extract, Pipeline, cli


class Facts(BaseModel):
    topic: str
    urgent: bool


class Answer(BaseModel):
    action: str


class Summary(BaseModel):
    summary: str


def prompt(document: Document, facts: Facts) -> str:
    return f"{document.text}\n{facts.topic}"


def line(_document: Document, facts: Facts) -> str:
    return facts.topic


EXTRACT = Extract(Facts, "Sort it.")
TRIAGE = Pipeline("triage", EXTRACT, Ask(Answer, "You decide.", prompt))
DIGEST = Pipeline("digest", EXTRACT, digest=Digest(Summary, "You sum up.", line))


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A folder with documents, and the two APIs."""

    folder: Path
    api: PaidApi
    local: FakeBackend

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, count: int = 0, /, **named: str) -> None:
        """Write documents: so many different ones, and these by name."""
        documents = self.folder / "docs"
        documents.mkdir(exist_ok=True)
        texts = {f"d{number:03}": f"Document number {number}." for number in range(count)} | named
        for name, text in texts.items():
            (documents / f"{name}.txt").write_text(text, encoding="utf-8")

    def arguments(self, *given: str) -> list[str]:
        """Those of a run over all documents, or the given ones with where everything is."""
        if not given or given[0].startswith("-"):
            given = ("run", "docs", *given)
        where = [] if given[0] == "work" else ["--out", "out"]
        urls = [] if given[0] == "status" else ["--litellm-url", self.local.url]
        return [given[0], *where, *urls, *given[1:]]

    def run(self, *given: str, pipeline: Pipeline[Any, Any] = TRIAGE) -> Ran:
        """Run the command line here."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.run(pipeline, self.arguments(*given))
        return Ran(code, out.getvalue(), err.getvalue())

    def start(self, *given: str) -> "Process":
        """Run the command line of `TRIAGE` in a process of its own."""
        started = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, *self.arguments(*given)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return Process(started)

    def results(self) -> list[dict[str, Any]]:
        """The lines of results.jsonl."""
        return [json.loads(text) for text in (self.out / "results.jsonl").read_text("utf-8").splitlines()]

    def statuses(self) -> list[str]:
        return [result["status"] for result in self.results()]

    def report(self) -> str:
        return (self.out / "report.md").read_text("utf-8")

    def status(self, *given: str) -> dict[str, Any]:
        """What `status --json` says."""
        ran = self.run("status", "--json", *given)
        assert ran.code == 0, ran
        found: dict[str, Any] = json.loads(ran.out)
        return found


@dataclass(frozen=True)
class Process:
    """A command that runs in a process of its own."""

    popen: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def ended(self, seconds: float = 60.0) -> Ran:
        """Wait for its end."""
        try:
            out, err = self.popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise AssertionError(self.popen.communicate()) from None
        return Ran(self.popen.returncode, out, err)


def eventually(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, true
        time.sleep(0.02)


if __name__ == "__main__":
    cli.main(TRIAGE)
