"""`service`: a systemd unit for the machine whose models others use."""

import getpass
from pathlib import Path

from supervisor_setup import assets, compiled, render
from supervisor_setup.desired import server_command
from supervisor_setup.errors import UsageError, UserError
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result
from supervisor_setup.unit_text import value, word
from supervisor_setup.values import dataclass

_PRIVATE = (".ssh", ".gnupg", ".aws", ".claude", ".claude.json", ".netrc")
_STATE = "%S/supervisor-mcp"


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command line; without a user it is whoever asks, for root one made by systemd."""

    listen: str
    names: tuple[str, ...] = ()
    user: str | None = None


def unit(layout: Layout, choices: Choices) -> Result:
    """The unit as text.

    Raises:
        UserError: config.yaml is not in order, or the program is where the service could not reach it.
        UsageError: an option makes no sense.
    """
    _checked(choices)
    config = compiled.load(layout).config
    user = choices.user or getpass.getuser()
    dynamic = choices.user is None and user == "root"
    program = server_command()
    if dynamic and program.is_relative_to(layout.home):
        raise UserError(
            f"{program}: lies in root's own folder, where a service without root's rights cannot reach it",
            hint="install supervisor-setup into /opt and call it from there, or name a user: --user NAME",
        )
    command = [
        word(str(program)),
        *("--http", word(choices.listen)),
        *(part for name in choices.names for part in ("--allow-host", word(name))),
        *("--config", "%d/config.yaml" if dynamic else word(str(layout.config))),
        *("--state", _STATE),
    ]
    text = render.render_template(
        assets.templates() / "systemd" / "supervisor-mcp.service.j2",
        command=command,
        config_credential=value(f"config.yaml:{layout.config}"),
        keys=sorted({one["api_key"]["env"] for one in config.backends if "env" in one.get("api_key", {})}),
        private=[] if dynamic else [value(f"-{layout.home / name}") for name in _PRIVATE],
        roots=[value(f"-{_absolute(root, layout.home)}") for root in config.server["files"]["roots"]],
        user=None if dynamic else value(user),
    )
    return Result("service", {"unit": text.decode("utf-8")})


def _checked(choices: Choices) -> None:
    from supervisor_mcp.web.addresses import Address, AddressError

    try:
        Address.parse(choices.listen)
    except AddressError as error:
        raise UsageError(str(error).replace("--http", "--listen", 1)) from error
    for name in choices.names:
        if not name or any(letter.isspace() for letter in name):
            raise UsageError(f"--allow-host {name!r}: is not a name of a machine")


def _absolute(root: str, home: Path) -> str:
    return f"{home}/{root[2:]}" if root.startswith("~/") else root
