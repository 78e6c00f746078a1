"""Finds the data that ships with the package: the agents, the templates and the schemas."""

from functools import cache
from pathlib import Path

from supervisor_setup.errors import UserError


def agents() -> Path:
    """The folder of the bundled agents' sources.

    Raises:
        UserError: the installation lacks it.
    """
    return _folder("agents")


def templates() -> Path:
    """The folder of the Jinja2 templates and JSON Schemas.

    Raises:
        UserError: the installation lacks it.
    """
    return _folder("templates")


def _folder(name: str) -> Path:
    return _found(Path(__file__).parent, name)


@cache  # a run asks hundreds of times
def _found(package: Path, name: str) -> Path:
    # A wheel carries the folder inside the package; a checkout has it at its root, two levels above.
    for folder in (package / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise UserError(
        f"{package / name}: the installation is incomplete, this folder is missing",
        hint="install supervisor-setup again, as its README says",
    )
