"""The program: supervisor-mcp [--config FILE] [--cache FILE] [--state DIR] [--http HOST:PORT …]."""

import signal
import sys

from supervisor_mcp import __version__, folders, settings, stderr, stdio
from supervisor_mcp.core import Core

USAGE = """\
usage: supervisor-mcp [--config FILE] [--cache FILE] [--state DIR] [--version] [--help]
       supervisor-mcp --http HOST:PORT [--token-file FILE] [--allow-host NAME] ...

The local-models MCP server of supervisor-setup. It speaks MCP on stdin and stdout; Claude Code starts it.
With --http it speaks MCP over HTTP instead, to clients on other machines too, until SIGTERM.

  --config FILE  config.yaml; without it, or when there is no such file, the defaults hold
  --cache FILE   the server's part of config.yaml as JSON, which `supervisor-setup install` writes so that
                 the server starts faster; not used once config.yaml has changed
  --state DIR    folder of the ledger that `supervisor-setup usage` reports from; by default
                 $XDG_STATE_HOME/supervisor-setup

  --http HOST:PORT   listen there, at the path /mcp; PORT alone means 127.0.0.1. Needs the extra `http`
  --token-file FILE  the token that clients must present, in a file of mode 0600; made with a random one
                     where there is none; http-token in the folder of --state when left out
  --allow-host NAME  a further name by which clients address this machine; may be repeated
"""

_VALUED = ("--config", "--cache", "--state", "--http", "--token-file", "--allow-host")


def main(arguments: list[str] | None = None) -> int:
    """Run the server until the client closes stdin; the exit code."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    if options is None:
        stderr.log("cannot understand its arguments\n" + USAGE)
        return 2
    if "--help" in options or "--version" in options:
        sys.stdout.write(USAGE if "--help" in options else f"supervisor-mcp {__version__}\n")
        return 0
    if "--http" in options:
        return _serve_http(options)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends at once, without a traceback; SIGTERM does already
    if sys.stdin.isatty():
        stderr.log("speaks MCP and waits for JSON-RPC on stdin; Claude Code starts it. Ctrl-C ends it.")
    kept = folders.find(options.get("--state"))
    core = _core(options.get("--config"), options.get("--cache"), kept, folders.of_client())
    stdio.Connection(core, stdio.claim_stdout()).serve(sys.stdin.buffer)
    core.close()
    return 0


def _serve_http(options: dict[str, str]) -> int:
    from supervisor_mcp.web import serve, tokens

    kept = folders.find(options.get("--state"))
    chosen = serve.Options(
        listen=options["--http"],
        token_file=options.get("--token-file") or f"{kept.state}/{tokens.FILE_NAME}",
        allowed_hosts=options.get("--allow-host", "").split(),
    )
    return serve.main(chosen, _core(options.get("--config"), options.get("--cache"), kept))


def _options(arguments: list[str]) -> dict[str, str] | None:
    """The options by name, None when they make no sense. By hand: argparse takes 6 ms of every start."""
    options: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument in ("--help", "-h", "--version"):
            options["--help" if argument == "-h" else argument] = ""
        elif name in _VALUED:
            found = value if equals else next(rest, None)
            if not found:
                return None
            # One that may be repeated holds its values side by side.
            options[name] = f"{options.get(name, '')} {found}" if name == "--allow-host" else found
        else:
            return None
    needs_http = [name for name in ("--token-file", "--allow-host") if name in options]
    return None if needs_http and "--http" not in options else options


def _core(
    config_path: str | None, cache_path: str | None, kept: folders.Folders, project: str | None = None
) -> Core:
    try:
        return Core(settings.load(config_path, cache_path), folders=kept, project=project)
    except settings.SettingsError as error:
        stderr.log(str(error))
        return Core(settings.from_mapping(settings.defaults()), config_problem=str(error))
