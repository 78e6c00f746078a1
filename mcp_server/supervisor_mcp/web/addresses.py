"""Where the server listens, and by which names its clients may know it."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from supervisor_mcp.records import Record

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_BACKLOG = 256


class AddressError(Exception):
    """An address that cannot be listened on, or cannot be read."""


class Address(Record):
    """A host, which is a name or an IP address without brackets, and a port; port 0 is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address that `HOST:PORT` or `PORT` says; the loopback where no host is named.

        Raises:
            AddressError: It says neither.
        """
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 65536) or host == "*":
            raise AddressError(f"--http {text}: must be HOST:PORT or PORT, such as {LOOPBACK}:8765")
        return cls(host=_bare(host) or LOOPBACK, port=int(port))

    @property
    def url(self) -> str:
        """The address as a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def listen(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            AddressError: The host is unknown or not this machine's, or the port is taken.
        """
        try:
            return self._listening()
        except OSError as error:
            # Python's own text repeats the address; what a name's look-up says has no number above 0.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise AddressError(f"cannot listen on {self.host}:{self.port}: {reason}") from error

    def _listening(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        with contextlib.ExitStack() as failing:
            # Not socket.create_server: asyncio sends without delay only where the protocol is said to be TCP.
            listening = failing.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(_BACKLOG)
            failing.pop_all()
        return listening


class Names:
    """The names under which the server may be addressed.

    A page in a browser can lead a name of its own to this machine's address (DNS rebinding), and would then
    be let through as if it were at home here. So a name must be known; an IP address is no name and only has
    to be the one that the request arrived at.
    """

    def __init__(self, address: Address, allowed: Iterable[str]) -> None:
        """Let pass the loopback's names, `address`, this machine's own name, and the `allowed` ones."""
        known = (*LOOPBACK_NAMES, address.host, socket.gethostname(), *allowed)
        self._known = frozenset(_bare(name).lower() for name in known)

    def has_host(self, header: str, arrived_at: str | None) -> bool:
        """Whether a Host header is all right for a request that came to the local address `arrived_at`."""
        return self._has(f"//{header}", arrived_at)

    def has_origin(self, header: str, arrived_at: str | None) -> bool:
        """Whether an Origin header names a page that this server may be asked from."""
        scheme, colon, rest = header.partition(":")
        return bool(colon) and scheme in ("http", "https") and self._has(rest, arrived_at)

    def _has(self, reference: str, arrived_at: str | None) -> bool:
        try:
            parts = urlsplit(reference)
            host, _ = parts.hostname, parts.port  # the port must be one, whichever; a proxy may change it
        except ValueError:
            return False
        if not host or parts.username is not None or parts.path or parts.query or parts.fragment:
            return False
        host = host.lower()
        return host in self._known or (arrived_at is not None and _same_ip(host, arrived_at))


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _same_ip(one: str, other: str) -> bool:
    try:
        return _plain(one) == _plain(other)
    except ValueError:
        return False


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)  # how an IPv4 client shows on a socket for both
    return mapped or address
