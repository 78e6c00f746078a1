"""Whether anything listens where the backends should be: a connection, no request."""

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 1.5


def probe_all(backends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Name, address and reachability of each backend that is switched on, asked side by side."""
    enabled = [backend for backend in backends if backend.get("enabled", True)]
    if not enabled:
        return []
    with ThreadPoolExecutor(max_workers=len(enabled)) as pool:
        problems = pool.map(lambda backend: problem(backend["url"]), enabled)
        return [
            {"name": backend["name"], "url": backend["url"], "reachable": found is None, "problem": found}
            for backend, found in zip(enabled, problems, strict=True)
        ]


def problem(url: str) -> str | None:
    """Why no connection to `url` can be made; None when it can."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT_SECONDS):
            return None
    except socket.gaierror:
        return f"the host name {parts.hostname} is not known here"
    except TimeoutError:
        return f"no answer within {TIMEOUT_SECONDS} s"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
