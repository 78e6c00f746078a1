"""Keeps secrets that stand in the user's entries out of what we print."""

import re
from typing import Any

_NAMES = re.compile(r"key|token|secret|password|authorization|cookie", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[^}]*\}|os\.environ/\w+|none|")
_HOLDERS = ("env", "headers")
MASK = "********"


def names_a_secret(name: str) -> bool:
    """Whether what is called so is likely to be a secret."""
    return bool(_NAMES.search(name))


def masked(value: Any, *, secret: bool = False) -> Any:
    """A JSON value with everything that may be a secret replaced, references to variables excepted.

    Values below `env` and `headers` count as secrets, whatever their names, since users put keys there.
    """
    if isinstance(value, dict):
        return {
            name: masked(one, secret=secret or name in _HOLDERS or bool(_NAMES.search(name)))
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [masked(one, secret=secret) for one in value]
    hide = secret and isinstance(value, str) and not _REFERENCE.fullmatch(value)
    return MASK if hide else value
