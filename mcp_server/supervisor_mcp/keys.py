"""API keys: read when needed, from where the config says, and never shown."""

import os
import stat
from collections.abc import Mapping

from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.settings_types import Backend

MIN_REDACTED_CHARS = 12


def read(backend: Backend, environment: Mapping[str, str] = os.environ) -> str | None:
    """The key of `backend`; None when it has none, or when its variable in `environment` is unset or empty.

    Raises:
        BackendError: The key's file is missing, open to others, or what was found cannot be a key.
    """
    if backend.key_env is not None:
        key, place = (
            environment.get(backend.key_env, "").strip(),
            f"the environment variable {backend.key_env}",
        )
    elif backend.key_file is not None:
        key, place = _from_file(backend.key_file), backend.key_file
    else:
        return None
    if not (key.isascii() and (key + " ").isprintable()):
        text = f"has a key in {place} with characters that no key has"
        raise BackendError(Kind.KEY, text, f"put the key, and nothing else, into {place}")
    return key or None


def redact(data: bytes, key: str) -> bytes:
    """`data` without the key; one so short that it would blot out ordinary text is no secret."""
    return data.replace(key.encode("ascii"), b"***") if len(key) >= MIN_REDACTED_CHARS else data


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 # the stat is of the same file
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                text = f"has its key in {path}, which others can read (mode {stat.S_IMODE(mode):04o})"
                raise BackendError(Kind.KEY, text, f"chmod 600 {path}")
            key = file.read().strip()
    except OSError as error:
        text = f"has its key in {path}, which cannot be read ({error.strerror})"
        raise BackendError(Kind.KEY, text, f"put the key into {path} and chmod 600 it") from error
    if not key:
        raise BackendError(Kind.KEY, f"has its key in {path}, which is empty", f"put the key into {path}")
    return key
