"""What ANTHROPIC_BASE_URL names, when it is not Anthropic itself."""

from supervisor_setup.checks.variables import Assignment
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

_ANTHROPIC = "anthropic.com"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Gateway:
    """`address` can be shown: no name, password or path of the URL; `backend` is ours, when it is one."""

    address: str
    backend: str | None


def named_by(world: World, base_url: Assignment) -> Gateway | None:
    """The proxy that this base URL leads to; None for Anthropic, and for what only a shell can work out."""
    if not base_url.known:
        return None
    place = _place(base_url.value)
    if place is None:
        return Gateway("an address that is no URL", None)
    host, port = place
    if host == _ANTHROPIC or host.endswith(f".{_ANTHROPIC}"):
        return None
    return Gateway(f"{host}:{port}", _backend_at(world, place))


def _backend_at(world: World, place: tuple[str, int]) -> str | None:
    if isinstance(world.config, UserError):
        return None
    for backend in world.config.backends:
        if _place(str(backend["url"])) == place:
            return str(backend["name"])
    return None


def _place(url: str) -> tuple[str, int] | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or port is None:
        return None
    return host.rstrip("."), port
