"""Servers behind a URL: whether anything answers there.

Only on this machine and in one's own network: a server out in the world may want a login and is nobody's to
probe. A connection is made and no request is sent, so no header of the entry leaves the machine.
"""

from functools import partial
from urllib.parse import urlsplit

from supervisor_setup.checks import expansion, mcp_servers, server_elsewhere
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.world import World
from supervisor_setup.deadlines import all_at_once

_SECONDS = 5.0


def unanswered(world: World) -> list[tuple[ServerEntry, str]]:
    """The servers of one's own network at whose URL nothing answers, and why."""
    variables = expansion.environment(world)
    near: list[tuple[ServerEntry, str]] = []
    ours = server_elsewhere.entry_of(world)  # which is asked for more than a connection
    for entry in mcp_servers.started(world):
        url = expansion.expanded(entry.url, variables) if entry.url else ""
        if url and entry != ours and _is_near(url):
            near.append((entry, url))
    problems = all_at_once([partial(_problem, url) for _, url in near], _SECONDS, None)
    return [(entry, problem) for (entry, _), problem in zip(near, problems, strict=True) if problem]


def _problem(url: str) -> str | None:
    from supervisor_setup import reachability

    problem = reachability.problem(url.replace("wss://", "https://", 1))
    return None if problem is None else f"nothing answers at {_place(url)} ({problem})"


def _is_near(url: str) -> bool:
    from supervisor_mcp.backends import places

    return places.of_url(url).local is True


def _place(url: str) -> str:
    """The URL without what may be a secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
