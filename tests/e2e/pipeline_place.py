"""Where a pipeline's script runs as its user runs it: documents, a folder of results, processes to kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_api import local_api
from paid_api import PaidApi

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A script that has ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Process:
    """A script that runs, with its output in files so that no pipe can hold it up."""

    popen: "subprocess.Popen[bytes]"
    out: Path
    err: Path

    @property
    def runs(self) -> bool:
        """Whether it is still there."""
        return self.popen.poll() is None

    def kill(self) -> None:
        """SIGKILL for it and all that it has started."""
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def send(self, number: signal.Signals) -> None:
        """A signal for the script itself, as Ctrl-C or a service manager sends it."""
        self.popen.send_signal(number)

    def wait(self, seconds: float = _PATIENCE_S) -> Ended:
        """Wait for its end; it is killed when it does not come."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"no end after {seconds} s\n{self.err.read_text(encoding='utf-8')}"
            ) from None
        return Ended(code, self.out.read_text(encoding="utf-8"), self.err.read_text(encoding="utf-8"))

    def _signal(self, number: signal.Signals) -> None:
        if self.runs:
            os.killpg(self.popen.pid, number)


@dataclass(slots=True)
class Place:
    """One script, its documents, its results; `options` go with every run."""

    folder: Path
    api: PaidApi
    env: dict[str, str]
    options: tuple[str, ...]
    runner: tuple[str, ...] = (sys.executable,)
    """What runs the script."""
    started: list[Process] = field(default_factory=list)

    @property
    def documents(self) -> Path:
        """The folder that is given to `run`."""
        return self.folder / "documents"

    @property
    def script(self) -> Path:
        """The rendered script."""
        return self.folder / "pipeline.py"

    @property
    def out(self) -> Path:
        """The folder given with --out."""
        return self.folder / "out"

    def write(self, texts: Sequence[str]) -> None:
        """Make these the documents."""
        self.documents.mkdir(exist_ok=True)
        for number, text in enumerate(texts, 1):
            (self.documents / f"{number:04}.md").write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str) -> None:
        """Change the script, as its user may."""
        text = self.script.read_text(encoding="utf-8")
        assert old in text
        self.script.write_text(text.replace(old, new), encoding="utf-8")

    def pace(self, module: str, name: str, seconds: float) -> None:
        """Have the product wait for longer or shorter than it does for its users."""
        last = "from supervisor_pipelines.cli import main\n"
        self.edit(last, f"from supervisor_pipelines import {module}\n{last}\n{module}.{name} = {seconds}\n")

    def start(self, *arguments: str | Path, **env: str) -> Process:
        """Start the script in a process group of its own, with `env` over the place's environment."""
        number = len(self.started) + 1
        out, err = (self.folder / f"{number:03}.{name}" for name in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            popen = subprocess.Popen(
                [*self.runner, str(self.script), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                env={**self.env, **env},
                cwd=self.folder,
                start_new_session=True,
            )
        process = Process(popen, out, err)
        self.started.append(process)
        return process

    def start_run(self, *more: str | Path) -> Process:
        """Start `run` over the documents."""
        return self.start("run", self.documents, "--out", self.out, *self.options, *more)

    def run(self, *more: str | Path, code: int = 0) -> Ended:
        """`run` over the documents, to its end."""
        return expect(self.start_run(*more), code)

    def call(self, *arguments: str | Path, code: int = 0) -> Ended:
        """Any command, to its end."""
        return expect(self.start(*arguments), code)

    def status(self, *more: str) -> dict[str, Any]:
        """What `status --json` tells."""
        told: dict[str, Any] = json.loads(self.call("status", "--out", self.out, "--json", *more).out)
        return told

    def lines(self) -> list[dict[str, Any]]:
        """The lines of results.jsonl."""
        text = (self.out / "results.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self.started:
            process.kill()


def expect(process: Process, code: int = 0) -> Ended:
    """The end of a script, whose exit code must be `code`; no user ever sees a traceback."""
    ended = process.wait()
    assert ended.code == code, f"exit {ended.code}\n{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err, ended.err
    return ended


@contextmanager
def place(
    folder: Path, *, kind: str = "analyze", paid_s: float = 0.0, local_s: float = 0.0
) -> Iterator[Place]:
    """A rendered script with stand-ins for both models, which answer after so many seconds."""
    with PaidApi(latency=paid_s) as api, local_api(latency=local_s) as local:
        made = Place(folder, api, environment(api, local.key or ""), ("--litellm-url", local.url))
        render(made.script, kind)
        try:
            yield made
        finally:
            made.end()


def environment(api: PaidApi, litellm_key: str) -> dict[str, str]:
    """The environment of the test, with what the script takes from it."""
    return {
        **os.environ,
        "SUPERVISOR_ANTHROPIC_API_KEY": api.key,
        "SUPERVISOR_ANTHROPIC_BASE_URL": api.url,
        "LITELLM_API_KEY": litellm_key,
    }


def render(script: Path, kind: str) -> None:
    """Have the program write the script."""
    program = Path(sys.executable).with_name("supervisor-setup")
    done = subprocess.run(
        [program, "new", "pipeline", script, "--kind", kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def notes(count: int) -> list[str]:
    """Short texts, no two the same."""
    return [
        f"# Note {number}\n\nThe shop in street {number % 7} ran out of tea on day {number}.\n"
        for number in range(1, count + 1)
    ]


def sections(count: int, *, most: int = 1200) -> list[str]:
    """Real documents: the sections of this project's own pages, each cut to `most` characters."""
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    found = [
        section[:most]
        for page in pages
        for section in re.split(r"\n(?=## )", page.read_text(encoding="utf-8"))
        if len(section) > 200
    ]
    assert len(set(found)) >= count
    return found[:count]


def eventually(holds: Any, seconds: float = 30.0) -> bool:
    """Whether `holds()` comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
