"""Whether anything listens where the backends should be: a connection, no request."""

import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from supervisor_setup.deadlines import all_at_once

TIMEOUT_SECONDS = 1.5


class Unresolved(Exception):
    """A host name without an address here; the text says why, to follow the backend's name and URL."""


def probe_all(backends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Name, address and reachability of each backend that is switched on, asked side by side."""
    enabled = [backend for backend in backends if backend.get("enabled", True)]
    problems = all_at_once(
        [partial(problem, backend["url"]) for backend in enabled],
        # The look-up of the name and the connection have a limit of their own each.
        2 * TIMEOUT_SECONDS + 0.5,
        late=_no_answer(),
    )
    return [
        {"name": backend["name"], "url": backend["url"], "reachable": found is None, "problem": found}
        for backend, found in zip(enabled, problems, strict=True)
    ]


def problem(url: str) -> str | None:
    """Why no connection to `url` can be made; None when it can."""
    try:
        addresses(url, TIMEOUT_SECONDS)
        with socket.create_connection(_place(url), timeout=TIMEOUT_SECONDS):
            return None
    except Unresolved as error:
        return str(error)
    except TimeoutError:
        return _no_answer()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)


def addresses(url: str, seconds: float) -> tuple[str, ...]:
    """The addresses of the host of `url`.

    Raises:
        Unresolved: it has none, or they were not found within `seconds`.
        ValueError: the URL has no port that is one.
    """
    host, port = _place(url)
    late = f"the look-up of the host name {host} did not end within {seconds:g} s"
    found = all_at_once([partial(_looked_up, host, port)], seconds, late)[0]
    if isinstance(found, str):
        raise Unresolved(found)
    return found


def _looked_up(host: str, port: int) -> tuple[str, ...] | str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return f"the host name {host} cannot be looked up: no name server answers"
        return f"the host name {host} is not known here"
    except UnicodeError:
        return f"{host} cannot be a host name"
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _no_answer() -> str:
    return f"no answer within {TIMEOUT_SECONDS} s"
