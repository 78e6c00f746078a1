"""Wall time and peak memory of the commands, beside a bare interpreter in the same run.

    python benchmarks/commands.py [--runs 15] [--check]

Times depend on the machine, so the budgets are ratios against baselines that are measured in the same run, in
turn. With --check a broken budget exits with 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "supervisor-setup"
BARE = "python -c pass"
CLICK = "python -c 'import click'"
REWRITE = "json.load, json.dump"
REWRITE_PROGRAM = (
    "import json, os; path = os.path.join(os.environ['HOME'], '.claude.json'); "
    "document = json.load(open(path)); json.dump(document, open(path, 'w'), indent=2)"
)
LARGE_BYTES = 30_000_000


@dataclass(frozen=True)
class Subject:
    """A command to measure.

    `before` makes its home ready, `large` puts a `.claude.json` of 30 MB into it, `agents` so many agent
    files of the user's; `budget` is a ratio to a baseline, `budget_mib` a limit to the peak of memory.
    """

    name: str
    command: tuple[str | Path, ...]
    before: tuple[tuple[str | Path, ...], ...] = ()
    fresh_home: bool = False
    large: bool = False
    agents: int = 0
    baseline: str = BARE
    budget: float | None = None
    budget_mib: float | None = None
    seconds: list[float] = field(default_factory=list)
    kib: list[int] = field(default_factory=list)


INSTALL = (PROGRAM, "install", "--yes")
DOCTOR = (PROGRAM, "doctor", "--offline")
SUBJECTS = (
    Subject(BARE, (sys.executable, "-c", "pass")),
    Subject(CLICK, (sys.executable, "-c", "import click")),
    Subject("--version", (PROGRAM, "--version"), baseline=CLICK, budget=1.5),
    Subject("install", INSTALL, fresh_home=True),
    Subject("install, nothing to do", INSTALL, before=(INSTALL,), baseline=CLICK, budget=2.5, budget_mib=45),
    Subject("doctor --offline", DOCTOR, before=(INSTALL,)),
    Subject(REWRITE, (sys.executable, "-c", REWRITE_PROGRAM), large=True, fresh_home=True),
    Subject("install, 30 MB", INSTALL, large=True, fresh_home=True, baseline=REWRITE),
    # 250 ms more than the bare interpreter are 4.9 times this baseline, which varies less than that does.
    Subject(
        "doctor, 30 MB, 200 agents",
        DOCTOR,
        before=(INSTALL,),
        large=True,
        agents=200,
        baseline=CLICK,
        budget=4.5,
        budget_mib=60,
    ),
)


def measure(command: tuple[str | Path, ...], home: Path) -> tuple[float, int]:
    """Seconds and peak resident KiB of one run."""
    environment = {"HOME": str(home), "PATH": os.defpath}
    started = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} exited with {child.returncode}")
    return seconds, usage.ru_maxrss


def write_large_state(path: Path) -> None:
    """A state file as years of use make it: thousands of projects, each with its history."""
    prompt = "Please look at the failing test in src/module.py and tell me what is wrong with it. " * 2
    project = {"allowedTools": [], "history": [{"display": f"{number} {prompt}"} for number in range(40)]}
    text = json.dumps(project, indent=2)
    # Written piece by piece: a child's peak memory starts from its parent's.
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{\n"numStartups": 1,\n"projects": {\n')
        for number in range(LARGE_BYTES // len(text)):
            stream.write(f'"/home/someone/project-{number}": {text},\n')
        stream.write('"/home/someone": {}\n}\n}\n')


def write_agents(folder: Path, count: int) -> None:
    """Agent files of an ordinary size."""
    folder.mkdir(parents=True)
    prompt = "Look at it closely, say what you see, and name the file and the line. " * 60
    for number in range(count):
        fields = (
            f"name: mine-{number}",
            f"description: Does task {number}. Use it when asked.",
            "tools: Read, Grep",
        )
        text = "\n".join(("---", *fields, "model: haiku", "---", "", prompt, ""))
        (folder / f"mine-{number}.md").write_text(text, encoding="utf-8")


def run(subject: Subject, folder: Path) -> None:
    """Measure a subject once, in a home of its own."""
    home = folder / subject.name.replace(" ", "-").replace("/", "-")
    if subject.fresh_home:
        home = Path(tempfile.mkdtemp(dir=folder))
    if subject.fresh_home or not home.exists():
        home.mkdir(exist_ok=True)
        if subject.large:
            write_large_state(home / ".claude.json")
        if subject.agents:
            write_agents(home / ".claude" / "agents", subject.agents)
        for command in subject.before:
            measure(command, home)
    seconds, kib = measure(subject.command, home)
    subject.seconds.append(seconds)
    subject.kib.append(kib)


def main() -> int:
    """Measure, print the table, and tell whether the budgets held."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--runs", type=int, default=15)
    arguments.add_argument("--check", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs):
            for subject in SUBJECTS:
                run(subject, Path(folder))
    medians = {subject.name: statistics.median(subject.seconds) for subject in SUBJECTS}
    print(f"{'command':<26}{'ms':>8}{'ratio':>8}{'budget':>8}{'MiB':>7}{'budget':>8}  ratio to")
    broken = False
    for subject in SUBJECTS:
        ratio = medians[subject.name] / medians[subject.baseline]
        mib = max(subject.kib) / 1024
        broken |= ratio > (subject.budget or ratio) or mib > (subject.budget_mib or mib)
        print(
            f"{subject.name:<26}{medians[subject.name] * 1000:>8.0f}{ratio:>8.2f}{_limit(subject.budget):>8}"
            f"{mib:>7.1f}{_limit(subject.budget_mib):>8}  {subject.baseline}"
        )
    return int(options.check and broken)


def _limit(budget: float | None) -> str:
    return "" if budget is None else f"{budget:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
