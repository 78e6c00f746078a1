"""What a run that failed prints: a line for a person, and an object where JSON was asked for."""

import json

import click

from supervisor_setup.errors import Exit, UserError


def user_error(error: UserError, *, as_json: bool) -> int:
    """Show what the user can mend; returns the exit code."""
    from supervisor_setup import report

    click.echo(report.error_text(error), err=True)
    error_object(error.message, error.hint, error.exit_code, wanted=as_json)
    return error.exit_code


def error_object(message: str, hint: str | None, exit_code: int, *, wanted: bool) -> None:
    """Print an error as the one JSON object of the run, where JSON was asked for."""
    if wanted:
        error = {"message": message, "hint": hint, "exit_code": int(exit_code)}
        click.echo(json.dumps({"schema_version": 1, "error": error}, indent=2))


def bug(error: Exception, *, as_json: bool) -> int:
    """Show that it is our fault, and where the log is; returns the exit code."""
    from supervisor_setup import bugs

    said = bugs.report(error)
    click.echo(said, err=True)
    error_object(said.splitlines()[0], None, Exit.BUG, wanted=as_json)
    return Exit.BUG
