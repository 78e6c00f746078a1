"""Whether the client itself sees what was set up: its own word on its servers and agents."""

import re
from collections.abc import Iterator

from supervisor_setup.checks import client_runs, loaded_agents, mcp_servers, server_words
from supervisor_setup.checks.approval import Standing
from supervisor_setup.checks.client_runs import Unseen
from supervisor_setup.checks.mcp_servers import ServerEntry, ServerScope
from supervisor_setup.checks.server_findings import about
from supervisor_setup.checks.world import World
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status

_STATUS = re.compile(r" - [^\w\s]+ ([^-]*)(.*)$")
_CONNECTED = "Connected"
_CONNECTED_WITHOUT_TOOLS = "tools fetch failed"
_WANTS_LOGIN = "Needs authentication"


def sees_server(world: World) -> Iterator[Finding]:
    """The client itself does not list a configured MCP server, or cannot connect to it.

    `claude mcp list` is the client's own word on which servers a session in this folder has. It is asked on a
    copy of its state and settings, so that yours stay as they are, without your logins at remote servers.

    Mend: what `server.entry` and `server.command` find; a server that stands only in a settings.json belongs
    where the client reads it (`claude mcp add`).
    """
    try:
        listing = client_runs.mcp_list(world)
    except Unseen as unseen:
        yield Finding("client.sees-server", unseen.status, str(unseen), hint=unseen.hint)
        return
    for entry in _expected(world):
        said = _said_of(listing, entry.name)
        if said is None:
            yield _unlisted(entry)
        elif said and not said.startswith(_WANTS_LOGIN):
            words = server_words.short(server_words.shown(world, entry, said), 200)
            yield about(
                "client.sees-server",
                Status.ERROR,
                entry,
                f"the client says of it: {words}",
                f"{world.layout.command} doctor --check server",
            )


def sees_agents(world: World) -> Iterator[Finding]:
    """The client itself does not load an agent whose file looks right.

    Claude cannot delegate to an agent that it does not have. The client is asked with a state folder of its
    own, without hooks and servers, and without a way to any other machine: nothing is sent, nothing remains.

    Mend: look at the file that is named; `supervisor-setup validate` says what the client drops files for.
    """
    expected = loaded_agents.loaded(world)
    if not expected:
        return
    try:
        seen = client_runs.agents(world)
    except Unseen as unseen:
        yield Finding("client.sees-agents", unseen.status, str(unseen), hint=unseen.hint)
        return
    for agent in expected:
        if agent.name not in seen:
            yield Finding(
                "client.sees-agents",
                Status.ERROR,
                f"the client does not load the agent `{server_words.short(agent.name)}` from this file",
                path=agent.path,
                hint=f"{world.layout.command} validate {quote(agent.path)}",
            )


def _expected(world: World) -> Iterator[ServerEntry]:
    """The servers that a session should have, and those that stand where the client does not look."""
    read = mcp_servers.read_by_client(world)
    yield from (one for one in read if mcp_servers.standing(world, one) is Standing.USED)
    known = {one.name for one in read}
    for one in mcp_servers.configured(world):
        if one.scope is ServerScope.SETTINGS and one.name not in known:
            known.add(one.name)
            yield one


def _unlisted(entry: ServerEntry) -> Finding:
    where = "the client reads no servers from a settings file" if entry.scope is ServerScope.SETTINGS else ""
    return about(
        "client.sees-server",
        Status.ERROR,
        entry,
        "the client does not list it, so no session has it" + (f": {where}" if where else ""),
        "claude mcp add-json --help" if where else "claude mcp list",
    )


def _said_of(listing: str, name: str) -> str | None:
    """What the listing says of a server: empty for a connected one, None for one that it does not have."""
    for line in listing.splitlines():
        if line.startswith(f"{name}: "):
            found = _STATUS.search(line)
            said = (found[1] + found[2]).strip() if found else line
            fine = said.startswith(_CONNECTED) and _CONNECTED_WITHOUT_TOOLS not in said
            return "" if fine else said
    return None
