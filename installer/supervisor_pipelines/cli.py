"""The command line of a pipeline's script: parses, calls, and exits with a documented code."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from supervisor_pipelines import heavy
from supervisor_pipelines.definition import Pipeline
from supervisor_setup import edge
from supervisor_setup.errors import Exit, UserError
from supervisor_setup.layout import Layout

_MOST_DOLLARS = 1_000_000
_OUT = click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The results' folder.",
)
_CONCURRENCY = click.option(
    "--concurrency", default=8, show_default=True, type=click.IntRange(1, 1000), help="Documents at a time."
)


def _dollars(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not value <= _MOST_DOLLARS:  # neither is a NaN
        raise click.BadParameter(f"{value:g} is not between 0 and {_MOST_DOLLARS:,}")
    return value


@dataclass(frozen=True, slots=True)
class Shell:
    """What the script gives to every command."""

    pipeline: Pipeline[Any, Any]
    layout: Layout


def main(
    pipeline: Pipeline[Any, Any], arguments: Sequence[str] | None = None, *, config: Path | None = None
) -> NoReturn:
    """Run the command line of a script; ends the process.

    The arguments are the process's own, and config.yaml is where it is looked for, unless given.
    """
    code = run(pipeline, sys.argv[1:] if arguments is None else arguments, config=config)
    gc.freeze()  # else all that the libraries are is looked through once more at the end, for a second
    sys.exit(code)


def run(pipeline: Pipeline[Any, Any], arguments: Sequence[str], *, config: Path | None = None) -> int:
    """Run the command line of a script; returns the exit code."""
    try:
        shell = Shell(pipeline, Layout.from_environment(config=config))
        code: int = _commands.main(list(arguments), standalone_mode=False, obj=shell) or 0
    except UserError as error:
        return edge.user_error(error, as_json=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except Exception as error:
        return edge.bug(error, as_json=False)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def _commands() -> None:
    """Has a local model read documents, and Claude answer for what it found."""


@_commands.command("run")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@_OUT
@_CONCURRENCY
@click.option("--db", metavar="URL", help="A PostgreSQL database, for workers on other machines.")
@click.option("--batch/--no-batch", default=None, help="Ask Claude in batches: half price, within a day.")
@click.option(
    "--budget",
    metavar="USD",
    type=click.FloatRange(0),
    callback=_dollars,
    help="Spend no more, in all on DIR.",
)
@click.option("--estimate", is_flag=True, help="Say what it would cost, and spend nothing.")
@click.option("--local-only/--no-local-only", default=None, help="Do not ask Claude.")
@click.option("--retry-failed", is_flag=True, help="Try again what has failed.")
@click.option("--litellm-url", metavar="URL", help="Where the local models are, instead of config.yaml's.")
@click.option("--local-model", metavar="NAME", help="The model that reads, by its name there.")
@click.option("--model", metavar="NAME", help="The Claude model.")
@click.pass_obj
def _run(shell: Shell, /, *, estimate: bool, budget: float | None, **given: Any) -> int:
    """Work on the documents at PATH (files, folders, globs), or go on with those of an earlier command.

    What is done already is not done again.
    """
    with heavy.imports():
        from supervisor_pipelines import commands
        from supervisor_pipelines.run import Order

    options = {name: given.pop(name) for name in ("batch", "local_only", "local_model", "model")}
    order = Order(**given, budget=None if budget is None else round(budget * 1_000_000), options=options)
    if estimate:
        return commands.estimate(shell.pipeline, order, shell.layout)
    return commands.run(shell.pipeline, order, shell.layout)


@_commands.command("status")
@_OUT
@click.option("--db", metavar="URL", help="The database that the run was given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def _status(out: Path, db: str | None, *, as_json: bool) -> int:
    """Say how far the run in DIR is, also while it goes on."""
    from supervisor_pipelines import status

    found = status.look(out, db)
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else found.to_text())
    return Exit.OK


@_commands.command("work")
@click.option("--db", metavar="URL", required=True, help="The PostgreSQL database of the runs.")
@_CONCURRENCY
@click.option("--drain", is_flag=True, help="End when there is nothing left to do.")
@click.option("--litellm-url", metavar="URL", help="Where the local models are, instead of config.yaml's.")
@click.pass_obj
def _work(shell: Shell, db: str, concurrency: int, litellm_url: str | None, *, drain: bool) -> int:
    """Work on documents that others put into a database, until a signal ends it."""
    with heavy.imports():
        from supervisor_pipelines import commands

    return commands.work(shell.pipeline, db, concurrency, litellm_url, shell.layout, drain=drain)
