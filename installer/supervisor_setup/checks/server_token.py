"""The token that our server wants where it runs elsewhere: a variable of the client's environment."""

from supervisor_setup.checks import expansion
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError

PLACE = "the token stands in the file that the server names when it starts"


def missing(world: World, entry: ServerEntry) -> str | None:
    """The variable from which an entry of ours takes its token, where that is empty or not set here."""
    config = world.config
    if isinstance(config, UserError) or entry.url is None or entry.url != config.server_url:
        return None
    name = config.server_token_env
    given = entry.settings.get("headers") or {}
    refers = any(f"${{{name}" in text for text in given.values() if isinstance(text, str))
    return name if refers and not expansion.environment(world).get(name) else None


def hint(name: str) -> str:
    """How the user gives the token."""
    return f"export {name}=TOKEN where the client starts; {PLACE}"
