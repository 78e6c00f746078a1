"""`new`: a pipeline's script, and what starts it by itself."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from supervisor_setup import compiled, outputs, pipeline_skill, schedules
from supervisor_setup.config import Config
from supervisor_setup.errors import TargetError, UsageError, UserError
from supervisor_setup.files import quote
from supervisor_setup.layout import Layout
from supervisor_setup.pipeline_scripts import Kind, own_script, pipeline_name
from supervisor_setup.requirement import install_command, requirement
from supervisor_setup.result import Result
from supervisor_setup.values import dataclass

KEYS = "pipeline.env"
"""The file beside config.yaml with the keys of runs that nobody starts by hand."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the options say of the run that is to be started; no budget is that of config.yaml."""

    script: Path
    documents: Sequence[str]
    out: Path
    budget_usd: float | None = None
    batch: bool = False


def pipeline(layout: Layout, path: Path, kind: str) -> Result:
    """Write a script of the user's own.

    Raises:
        UserError: something else is at `path`, or config.yaml is not valid.
        UsageError: `path` is not the name of a Python file.
    """
    if path.suffix != ".py":
        raise UsageError(
            f"{path}: must end in .py, since `uv run` knows a script by that",
            hint=f"supervisor-setup new pipeline {quote(path.with_name(path.name + '.py'))}",
        )
    content = own_script(
        Kind(kind),
        name=pipeline_name(path.stem),
        model=compiled.load(layout).config.pipeline.model,
        file_name=path.name,
        requirement=requirement(),
    )
    made = {_absolute(layout, path): content}
    outputs.write_new(made, "new", "choose another name, or move yours away")
    return _result("pipeline", made, written=True)


def cron(layout: Layout, run: Run, when: schedules.When) -> Result:
    """A crontab line.

    Raises:
        UserError: there is no such script, the extra is missing here, or config.yaml is not valid.
        UsageError: a path has a line break in it, which none of these files can hold.
    """
    _require_extra()
    job = _job(layout, run, compiled.load(layout).config)
    return _result("cron", {Path("crontab"): schedules.crontab(job, when)}, written=False)


def timer(layout: Layout, run: Run, when: schedules.When, into: Path | None) -> Result:
    """A systemd service with its timer, written into the folder `into` where that is given.

    Raises:
        UserError: as `cron`; or something else is at one of the files' paths.
    """
    _require_extra()
    job = _job(layout, run, compiled.load(layout).config)
    made = {Path(name): content for name, content in schedules.timer(job, when).items()}
    if into is None:
        return _result("timer", made, written=False)
    made = {_absolute(layout, into / name): content for name, content in made.items()}
    outputs.write_new(made, "new", "choose another folder for --into, or remove yours")
    return _result("timer", made, written=True)


def kubernetes(layout: Layout, run: Run, *, image: str, workers: int, claim: str) -> Result:
    """Manifests of a Job and its workers over PostgreSQL; documents and results are paths in their claims.

    Raises:
        UserError: as `cron`; or the script is no text, or too large for a ConfigMap.
        UsageError: the image's or the claim's name is not one.
    """
    config = compiled.load(layout).config
    job = _job(layout, run, config)
    source = _source(job.script)
    inside = schedules.Job(
        job.name,
        Path("python"),
        Path("/pipeline/script.py"),
        [os.path.normpath(f"/documents/{path}") for path in run.documents],
        Path(os.path.normpath(f"/results/{run.out}")),
        Path(KEYS),
        job.budget_usd,
        job.batch,
    )
    if schedules.cluster_name(claim) != claim:
        raise UsageError(f"--claim {claim!r}: is not the name of a claim")
    if not image or any(letter.isspace() for letter in image):
        raise UsageError(f"--image {image!r}: is not the name of an image")
    cluster = schedules.Cluster(image, workers, claim, _workers_config(config), _variables(config))
    name = Path(f"{schedules.cluster_name(job.name)}.yaml")
    return _result("kubernetes", {name: schedules.kubernetes(inside, source, cluster)}, written=False)


def _job(layout: Layout, run: Run, config: Config) -> schedules.Job:
    script = _absolute(layout, run.script)
    if not script.is_file():
        raise UserError(
            f"{script}: there is no such script", hint=f"supervisor-setup new pipeline {quote(run.script)}"
        )
    job = schedules.Job(
        name=pipeline_name(script.stem),
        python=pipeline_skill.python(),
        script=script,
        documents=[str(_absolute(layout, Path(path))) for path in run.documents],
        out=_absolute(layout, run.out),
        keys=layout.config.with_name(KEYS),
        budget_usd=config.pipeline.budget_usd if run.budget_usd is None else run.budget_usd,
        batch=run.batch,
    )
    for word in (*job.command, str(job.keys)):
        if "\n" in word:
            raise UsageError(f"{word!r}: has a line break in it, which no such file can hold")
    return job


def _require_extra() -> None:
    """What is started by this Python needs the extra here; what Kubernetes starts has it in its image."""
    missing = ", ".join(pipeline_skill.missing())
    if missing:
        python = pipeline_skill.python()
        raise UserError(
            f"{python}: lacks the extra `{pipeline_skill.EXTRA}` ({missing} missing), so nothing would start",
            hint=install_command(python),
        )


def _absolute(layout: Layout, path: Path) -> Path:
    """The path from the root, links kept: where they lead may change until the run starts."""
    return Path(os.path.normpath(layout.cwd / path))


_CONFIG_MAP_BYTES = 900_000
"""Kubernetes' own limit is 1 MiB for everything in it."""


def _source(script: Path) -> str:
    data = script.read_bytes()
    if len(data) > _CONFIG_MAP_BYTES:
        raise TargetError(
            f"{script}: has {len(data)} bytes, a ConfigMap holds at most {_CONFIG_MAP_BYTES}",
            hint="put the larger part into the image, as a package that the script imports",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetError(f"{script}: is not UTF-8", hint="save it as UTF-8") from error


def _workers_config(config: Config) -> str:
    """The part of config.yaml that pipelines read."""
    from dataclasses import asdict

    from supervisor_setup.edit import yaml_entries

    litellm = [dict(one) for one in config.backends if one["kind"] == "litellm"]
    choices = {**asdict(config.pipeline), "skill": False}
    return yaml_entries.dump({"version": 1, "backends": litellm, "pipeline": choices})


def _variables(config: Config) -> list[str]:
    """The keys that a worker needs, and the database's address."""
    keys = [one.get("api_key", {}).get("env") for one in config.backends if one["kind"] == "litellm"]
    names = ("SUPERVISOR_ANTHROPIC_API_KEY", *filter(None, keys), schedules.DATABASE_VARIABLE)
    return list(dict.fromkeys(names))


def _result(what: str, made: Mapping[Path, bytes], *, written: bool) -> Result:
    files = {str(path): content.decode("utf-8") for path, content in made.items()}
    return Result("new", {"made": what, "written": written, "files": files})
