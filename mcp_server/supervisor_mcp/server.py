"""The program: supervisor-mcp [--config FILE] [--cache FILE]."""

import signal
import sys

from supervisor_mcp import __version__, settings, stderr, stdio
from supervisor_mcp.core import Core

USAGE = """\
usage: supervisor-mcp [--config FILE] [--cache FILE] [--version] [--help]

The local-models MCP server of supervisor-setup. It speaks MCP on stdin and stdout; Claude Code starts it.

  --config FILE  config.yaml; without it, or when there is no such file, the defaults hold
  --cache FILE   the server's part of config.yaml as JSON, which `supervisor-setup install` writes so that
                 the server starts faster; not used once config.yaml has changed
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the server until the client closes stdin; the exit code."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    if options is None:
        stderr.log("cannot understand its arguments\n" + USAGE)
        return 2
    if "--help" in options or "--version" in options:
        sys.stdout.write(USAGE if "--help" in options else f"supervisor-mcp {__version__}\n")
        return 0
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at once, without a traceback; SIGTERM does already
    if sys.stdin.isatty():
        stderr.log("speaks MCP and waits for JSON-RPC on stdin; Claude Code starts it. Ctrl-C ends it.")
    core = _core(options.get("--config"), options.get("--cache"))
    stdio.Connection(core, stdio.claim_stdout()).serve(sys.stdin.buffer)
    return 0


def _options(arguments: list[str]) -> dict[str, str] | None:
    """The options by name, None when they make no sense. By hand: argparse takes 6 ms of every start."""
    options = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument in ("--help", "-h", "--version"):
            options["--help" if argument == "-h" else argument] = ""
        elif name in ("--config", "--cache"):
            found = value if equals else next(rest, None)
            if not found:
                return None
            options[name] = found
        else:
            return None
    return options


def _core(config_path: str | None, cache_path: str | None) -> Core:
    try:
        return Core(settings.load(config_path, cache_path))
    except settings.SettingsError as error:
        stderr.log(str(error))
        return Core(settings.from_mapping(settings.defaults()), config_problem=str(error))
