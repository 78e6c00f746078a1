"""The model that the server starts itself when no other can be reached: llama.cpp's server in a process.

At most one process per server. It begins with the first call that needs it, listens on loopback alone with a
key of its own, is stopped when nobody has needed it for a while, and ends with this server however that ends.
"""

from supervisor_mcp.embedded import parts
from supervisor_mcp.settings_types import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor_mcp.embedded.backend import EmbeddedBackend


def make(settings: Settings) -> "EmbeddedBackend | None":
    """The embedded backend; None when the config does not want it or nothing of it is installed.

    A program or a model that config.yaml names is taken at its word: what is wrong with it, the first call
    tells.
    """
    config = settings.embedded
    if not config.enabled:
        return None
    if config.model is None and config.program is None and not parts.installed():
        return None
    from supervisor_mcp.embedded.backend import EmbeddedBackend

    return EmbeddedBackend(config, [tool.model for tool in settings.tools if tool.model])


def install_hint(settings: Settings) -> str:
    """What to install so that there is an embedded model; empty when the config does not want one."""
    return parts.install_hint() if settings.embedded.enabled else ""
