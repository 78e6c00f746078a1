"""How a run is started by other programs: a crontab line, a systemd timer, a Kubernetes Job. Pure text."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from supervisor_setup import assets, render, unit_text
from supervisor_setup.values import dataclass

DATABASE_VARIABLE = "SUPERVISOR_PIPELINE_DB"
"""The variable of a container that holds the database's address."""


class Every(StrEnum):
    """How often a run is started."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class When:
    """Each hour at `minute`, each day at `hour`:`minute`, or each Monday at that time."""

    every: Every
    hour: int
    minute: int

    @property
    def crontab(self) -> str:
        """The five fields of a crontab."""
        hour = "*" if self.every is Every.HOUR else str(self.hour)
        return f"{self.minute} {hour} * * {1 if self.every is Every.WEEK else '*'}"

    @property
    def calendar(self) -> str:
        """systemd's OnCalendar."""
        hour = "*" if self.every is Every.HOUR else f"{self.hour:02}"
        return f"{'Mon ' if self.every is Every.WEEK else ''}*-*-* {hour}:{self.minute:02}:00"


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be started; `keys` is the file with the keys.

    All paths are absolute, and those of `documents` may be globs.
    """

    name: str
    python: Path
    script: Path
    documents: Sequence[str]
    out: Path
    keys: Path
    budget_usd: float
    batch: bool

    @property
    def command(self) -> list[str]:
        """The words of the command line."""
        return [str(self.python), str(self.script), *_run(self.documents, self)]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What Kubernetes needs beside the job: where it runs, on what, and how wide."""

    image: str
    workers: int
    claim: str
    config: str
    """config.yaml as the workers get it."""
    key_variables: Sequence[str]
    """Names of the variables that come out of the secret."""


def crontab(job: Job, when: When) -> bytes:
    """A crontab line, with comments that say where it goes."""
    keys, out, log = (shlex.quote(str(path)) for path in (job.keys, job.out, job.out / "cron.log"))
    command = (
        f"umask 077; set -a; . {keys}; set +a; mkdir -p {out} && "
        # What is printed cron sends as mail: nothing, or the end of a run that failed.
        f"{{ {shlex.join(job.command)} >> {log} 2>&1 || tail -n 3 {log}; }}"
    )
    # cron takes a % for the end of the line.
    return _rendered("crontab.j2", job=job, line=f"{when.crontab} " + command.replace("%", "\\%"))


def timer(job: Job, when: When) -> dict[str, bytes]:
    """A systemd service and the timer that starts it, by file name."""
    values = {
        "job": job,
        "calendar": when.calendar,
        "command": " ".join(unit_text.word(part) for part in job.command),
        "keys": str(job.keys).replace("%", "%%"),  # systemd takes quotes for a part of this path
    }
    return {
        f"{job.name}.service": _rendered("timer.service.j2", **values),
        f"{job.name}.timer": _rendered("timer.timer.j2", **values),
    }


def kubernetes(job: Job, source: str, cluster: Cluster) -> bytes:
    """Manifests: the script and config, a Job that runs it, and a Deployment of workers over PostgreSQL.

    `source` is the script's text; the paths of `job` are those in the containers.
    """
    database = ("--db", f"$({DATABASE_VARIABLE})")
    # In a container's arguments `$(NAME)` stands for a variable.
    words = [word.replace("$", "$$") for word in _run(job.documents, job)]
    return _rendered(
        "kubernetes.yaml.j2",
        job=job,
        cluster=cluster,
        name=cluster_name(job.name),
        source=block(source, 4),
        config=block(cluster.config, 4),
        content=hashlib.sha256("\0".join((source, cluster.config)).encode()).hexdigest(),
        arguments=json.dumps([str(job.script), *words, *database], ensure_ascii=False),
        work=json.dumps([str(job.script), "work", *database]),
    )


def cluster_name(name: str) -> str:
    """`name` as a DNS label with room for a suffix."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].rstrip("-") or "pipeline"


def block(text: str, indent: int) -> str:
    """A text as a YAML value that starts on its key's line: a literal block where YAML can hold it as one."""
    plain = text.endswith("\n") and not text.endswith("\n\n") and not text.startswith((" ", "\n"))
    if not plain or any(not letter.isprintable() and letter not in "\n\t" for letter in text):
        return render.yaml_scalar(text)
    lines = (" " * indent + line if line else "" for line in text.split("\n")[:-1])
    return "|\n" + "\n".join(lines)


def _run(documents: Iterable[str], job: Job) -> list[str]:
    batch = ["--batch"] if job.batch else []
    return ["run", *documents, "--out", str(job.out), "--budget", f"{job.budget_usd:g}", *batch]


def _rendered(template: str, **values: object) -> bytes:
    return render.render_template(assets.templates() / "pipelines" / template, **values)
