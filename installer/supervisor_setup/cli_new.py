"""The commands of the command line that make pipelines, and what starts them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from supervisor_setup.cli import Shell
    from supervisor_setup.commands.new import Run
    from supervisor_setup.schedules import When

_TIME = "02:30"


@click.group()
def new() -> None:
    """Make a pipeline over many documents, or what starts one by itself."""


@new.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["analyze", "triage", "digest"]),
    default="analyze",
    help="Claude judges each document, only those that matter, or all of them in one report.",
)
@click.pass_obj
def pipeline(shell: "Shell", path: Path, kind: str) -> None:
    """Write a script of your own to PATH: a local model reads each document, and Claude is asked."""
    from supervisor_setup.commands import new as command

    shell.finish(command.pipeline(shell.layout(), path, kind))


def _run_options(*, every: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The run that is to be started, and where that is not Kubernetes' business, when."""
    options = [
        click.argument("script", type=click.Path(path_type=Path)),
        click.argument("documents", nargs=-1, required=True),
        click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the results go."),
        click.option(
            "--budget",
            "budget_usd",
            type=click.FloatRange(min=0),
            metavar="USD",
            help="What the run may spend (default: pipeline.budget_usd of config.yaml).",
        ),
        click.option("--batch", is_flag=True, help="Ask Claude in batches: half the price, within a day."),
    ]
    if every:
        options += [
            click.option("--every", type=click.Choice(["hour", "day", "week"]), default="day"),
            click.option(
                "--at",
                type=click.DateTime(["%H:%M"]),
                default=_TIME,
                metavar="HH:MM",
                help=f"The time of day (default: {_TIME}); of the hour, only the minutes count.",
            ),
        ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@new.command()
@_run_options(every=True)
@click.pass_obj
def cron(shell: "Shell", /, **options: Any) -> None:
    """Print a crontab line that runs SCRIPT over DOCUMENTS, new and changed ones."""
    from supervisor_setup.commands import new as command

    run, when = _run(options), _when(options)
    shell.finish(command.cron(shell.layout(), run, when))


@new.command()
@_run_options(every=True)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the two files into this folder, such as ~/.config/systemd/user.",
)
@click.pass_obj
def timer(shell: "Shell", /, into: Path | None, **options: Any) -> None:
    """Print a systemd timer and its service that run SCRIPT over DOCUMENTS."""
    from supervisor_setup.commands import new as command

    run, when = _run(options), _when(options)
    shell.finish(command.timer(shell.layout(), run, when, into))


@new.command()
@_run_options(every=False)
@click.option("--image", required=True, help="An image with Python and supervisor-setup[orchestrate].")
@click.option(
    "--workers", type=click.IntRange(0, 1000), default=2, show_default=True, help="Pods beside the run's own."
)
@click.option("--claim", default="documents", show_default=True, help="The volume claim with the documents.")
@click.pass_obj
def kubernetes(shell: "Shell", /, *, image: str, workers: int, claim: str, **options: Any) -> None:
    """Print manifests that run SCRIPT over DOCUMENTS of a volume, with workers over PostgreSQL.

    DOCUMENTS and --out are paths inside the volumes for documents and for results.
    """
    from supervisor_setup.commands import new as command

    shell.finish(command.kubernetes(shell.layout(), _run(options), image=image, workers=workers, claim=claim))


def _run(options: dict[str, Any]) -> "Run":
    from supervisor_setup.commands.new import Run

    names = ("script", "documents", "out", "budget_usd", "batch")
    return Run(**{name: options.pop(name) for name in names})


def _when(options: dict[str, Any]) -> "When":
    from supervisor_setup.schedules import Every, When

    return When(Every(options["every"]), options["at"].hour, options["at"].minute)
