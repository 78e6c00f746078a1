"""The way into a script that a permission rule lets Claude Code start without asking the user.

Claude Code's rule can bound how a command begins, not what follows. So the script itself refuses what would
give Claude more than it may do anyway: documents are read inside the working directory and `files.roots` of
config.yaml alone, results go into a folder of the working directory, no more is spent than
`pipeline.budget_usd`, and nothing is sent to other addresses, models or databases than those of the config.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from supervisor_pipelines.definition import Pipeline
from supervisor_setup import config as config_file
from supervisor_setup import edge
from supervisor_setup.config import Config
from supervisor_setup.errors import UsageError, UserError

_WILD = re.compile(r"[*?\[{]")
_NEW_FOLDER = "name a folder that does not exist yet"
_OWN_SCRIPT = "a script of your own has every option: supervisor-setup new pipeline PATH"


def main(pipeline: Pipeline[Any, Any], *, config: str) -> NoReturn:
    """Run the command line within the bounds of the config.yaml at `config`; ends the process."""
    try:
        arguments = permitted(sys.argv[1:], Bounds.of(config_file.load(Path(config)), Path.cwd()))
    except UserError as error:
        sys.exit(edge.user_error(error, as_json=False))
    except OSError as error:  # the working directory is gone, or --out cannot be looked into
        unreadable = f"{error.filename or 'the working directory'}: cannot be read ({error.strerror})"
        sys.exit(edge.user_error(UserError(unreadable), as_json=False))
    except click.exceptions.Exit as end:  # --help
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    from supervisor_pipelines import cli  # a second, which a refusal need not take

    cli.main(pipeline, arguments, config=Path(config))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where documents may lie, where results may go, and what a run may spend in US dollars.

    The folders are real paths, without links.
    """

    roots: tuple[str, ...]
    work: str
    budget_usd: float

    @classmethod
    def of(cls, config: Config, cwd: Path) -> Bounds:
        """The bounds that a config sets to a command in the folder `cwd`."""
        work = os.path.realpath(cwd)
        further = [os.path.realpath(Path(root).expanduser()) for root in config.server["files"]["roots"]]
        return cls((work, *further), work, config.pipeline.budget_usd)


def permitted(arguments: Sequence[str], bounds: Bounds) -> list[str]:
    """The arguments for a script without bounds that are the same as `arguments` within them.

    Raises:
        UsageError: they ask for more than is allowed.
        click.ClickException: they are no arguments of this command.
        click.exceptions.Exit: help was asked for, and printed.
    """
    try:
        found: list[str] | int = _commands.main(
            list(arguments), prog_name="pipeline.py", standalone_mode=False, obj=bounds
        )
    except click.NoSuchOption as error:
        raise UsageError(
            f"{error.option_name}: is not open to a command that Claude Code runs without asking",
            hint=_OWN_SCRIPT,
        ) from error
    if isinstance(found, int):
        raise click.exceptions.Exit(found)
    return found


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def _commands() -> None:
    """Go through many documents, within the bounds that config.yaml sets to Claude Code."""


@_commands.command(name="run")
@click.argument("paths", nargs=-1, required=True)
@click.option("--out", required=True, help="A folder for the results, in the working directory.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="USD", help="What may be spent at the most.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Documents that are worked on at once.")
@click.option("--estimate", is_flag=True, help="Only say what it would cost.")
@click.option("--local-only", is_flag=True, help="Ask the local model alone.")
@click.option("--batch", is_flag=True, help="Ask Claude in batches: half the price, within a day.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed.")
@click.pass_obj
def _run(
    bounds: Bounds,
    /,
    *,
    paths: tuple[str, ...],
    out: str,
    budget: float | None,
    concurrency: int | None,
    **flags: bool,
) -> list[str]:
    """Go through PATHS: files, folders and globs."""
    for path in paths:
        _check_documents(path, bounds)
    _check_results(out, bounds)
    if budget is not None and not budget <= bounds.budget_usd:  # neither is a NaN
        raise UsageError(
            f"--budget {budget:g}: is more than the {bounds.budget_usd:g} USD that config.yaml allows here",
            hint=f"supervisor-setup config set pipeline.budget_usd {budget:g}",
        )
    limit = bounds.budget_usd if budget is None else budget
    return [
        "run",
        *("--out", os.path.abspath(out), "--budget", f"{limit:.6f}"),  # noqa: PTH100 - as `discover` does
        *(() if concurrency is None else ("--concurrency", str(concurrency))),
        *(f"--{name.replace('_', '-')}" for name, given in flags.items() if given),
        "--",
        *map(os.path.abspath, paths),
    ]


@_commands.command(name="status")
@click.option("--out", required=True, help="The folder with the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def _status(bounds: Bounds, /, *, out: str, as_json: bool) -> list[str]:
    """Say how far a run is."""
    _check_results(out, bounds)
    return ["status", "--out", os.path.abspath(out), *(["--json"] if as_json else [])]  # noqa: PTH100


def _check_documents(path: str, bounds: Bounds) -> None:
    """Refuse what lies outside. Links below a folder are not followed by the search, so its start decides."""
    named = os.path.abspath(path)  # noqa: PTH100 - exactly what `discover` looks at
    wild = None if os.path.lexists(named) else _WILD.search(named)
    start = named if wild is None else named[: named.rindex("/", 0, wild.start()) + 1]
    real = os.path.realpath(start)
    if not any(_is_inside(real, root) for root in bounds.roots):
        roots = json.dumps([*bounds.roots[1:], _folder_of(real)], ensure_ascii=False)
        raise UsageError(
            f"{path}: lies outside of {bounds.work} and of `files.roots` in config.yaml",
            hint=f"supervisor-setup config set files.roots {shlex.quote(roots)}, or: {_OWN_SCRIPT}",
        )


def _check_results(out: str, bounds: Bounds) -> None:
    """Refuse folders elsewhere, and what is there and did not come from a run: it would be replaced.

    Hidden folders (.git, .claude) are other programs' own, and Claude Code asks before it writes there.
    """
    real = Path(os.path.realpath(out))
    names = real.relative_to(bounds.work).parts if _is_inside(str(real), bounds.work) else ()
    if not names or any(name.startswith(".") for name in names):
        raise UsageError(
            f"{out}: is not a folder below {bounds.work}, or a hidden one",
            hint="--out pipeline-results, or another such name",
        )
    if not os.path.lexists(real):
        return
    from supervisor_pipelines.store import FOLDER  # SQLAlchemy takes half a second

    state = real / FOLDER
    if not real.is_dir() or (not state.is_dir() and any(real.iterdir())):
        raise UsageError(f"{out}: holds other things than the results of a run", hint=_NEW_FOLDER)
    # A link in the place of a result would have it written elsewhere.
    for folder in filter(Path.is_dir, (real, state)):
        link = next(filter(Path.is_symlink, folder.iterdir()), None)
        if link is not None:
            raise UsageError(f"{link}: is a link, where a run keeps files of its own", hint=_NEW_FOLDER)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _folder_of(path: str) -> str:
    return path if Path(path).is_dir() else str(Path(path).parent)
