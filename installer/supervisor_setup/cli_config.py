"""The commands of the command line that show and change config.yaml."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from supervisor_setup.cli import Shell


@click.group()
def config() -> None:
    """Show or change config.yaml."""


@config.command("path")
@click.pass_obj
def config_path(shell: "Shell") -> None:
    """Print where config.yaml is."""
    from supervisor_setup.commands import config as command

    shell.finish(command.path(shell.layout()))


@config.command("show")
@click.pass_obj
def config_show(shell: "Shell") -> None:
    """Print the config in force, defaults included."""
    from supervisor_setup.commands import config as command

    shell.finish(command.show(shell.layout()))


@config.command("init")
@click.pass_obj
def config_init(shell: "Shell") -> None:
    """Create a commented config.yaml; one that exists is left alone."""
    from supervisor_setup.commands import config as command

    shell.finish(command.init(shell.layout()))


@config.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def config_set(shell: "Shell", key: str, value: str) -> None:
    """Set one value.

    VALUE is read as YAML: config set tiers.fast sonnet; config set agents.exclude '[reviewer]';
    config set backends.0.url http://127.0.0.1:4000
    """
    from supervisor_setup.commands import config as command

    shell.finish(command.set_value(shell.layout(), key, value))
