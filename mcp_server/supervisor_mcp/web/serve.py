"""`supervisor-mcp --http`: one process for many clients, until it is told to stop."""

import asyncio
from collections.abc import Sequence

from supervisor_mcp import stderr
from supervisor_mcp.core import Core
from supervisor_mcp.records import Record
from supervisor_mcp.web import tokens
from supervisor_mcp.web.addresses import Address, AddressError, Names

MISSING = "--http needs the extra `http`: pip install 'supervisor-setup[http]'"


class Options(Record):
    """What the command line says about HTTP."""

    listen: str
    token_file: str
    allowed_hosts: Sequence[str] = ()


def main(options: Options, core: Core) -> int:
    """Serve `core` until SIGTERM or SIGINT; the exit code."""
    try:
        address = Address.parse(options.listen)
        from supervisor_mcp.web import listener

        token = tokens.load(options.token_file)
        listening = address.listen()
    except ImportError as error:
        stderr.log(f"{MISSING} ({error})")
        return 1
    except (AddressError, tokens.TokenError) as error:
        stderr.log(str(error))
        return 1
    address = address.but(port=listening.getsockname()[1])
    place = f"serves MCP at {address.url}{listener.PATH}; the token is in {options.token_file}"
    names = Names(address, options.allowed_hosts)
    with listening:
        asyncio.run(
            listener.serve(core, listening, token=token, names=names, ready=lambda: stderr.log(place))
        )
    core.close()
    return 0
