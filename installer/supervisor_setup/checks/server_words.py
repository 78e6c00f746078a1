"""What a program has said, made fit to be shown: short, without control characters, without secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from supervisor_setup import secrets
from supervisor_setup.checks import expansion
from supervisor_setup.checks.mcp_servers import ServerEntry
from supervisor_setup.checks.world import World

_LINES = 3
_CHARS = 300
_SHORTEST_SECRET = 6
# Patterns are compiled when they are first needed.
_CONTROL = r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
_TOKENS = r"\b(?:sk|pk|rk|ghp|gho|github_pat|glpat|xox[a-z]|AIza|AKIA)[-_A-Za-z0-9]{8,}|(?<=Bearer )\S+|://[^/\s@]+@"
# Lines of a stack that say nothing to anybody but the program's author.
_FRAMES = r"\s*(?:at |File \"|\^|Node\.js v|node:|Traceback )"


def last_lines(world: World, entry: ServerEntry, text: str) -> str:
    """The last lines of a server's words, in one line."""
    lines = [line.strip() for line in shown(world, entry, text).splitlines()]
    told = [line for line in lines if line and not re.match(_FRAMES, line)]
    joined = " / ".join(told[-_LINES:])
    return joined if len(joined) <= _CHARS else "…" + joined[-_CHARS:]


def shown(world: World, entry: ServerEntry, text: str) -> str:
    """`text` without control characters, and with a mask for everything that may be a secret."""
    for value in sorted(_secrets(world, entry), key=len, reverse=True):
        text = text.replace(value, secrets.MASK)
    return plain(text)


def plain(text: str) -> str:
    """`text` without control characters and without what looks like a token."""
    return re.sub(_TOKENS, secrets.MASK, re.sub(_CONTROL, "", text))


def short(text: str, chars: int = 80) -> str:
    """The start of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _secrets(world: World, entry: ServerEntry) -> set[str]:
    variables = expansion.environment(world)
    named = {value for name, value in variables.items() if secrets.names_a_secret(name)}
    spec = expansion.expanded(entry.settings, variables)
    held = {one for key in ("env", "headers") for one in _texts(spec.get(key))}
    return {one for one in (*named, *held, *_flags(spec.get("args"))) if len(one) >= _SHORTEST_SECRET}


def _flags(arguments: Any) -> Iterator[str]:
    """The values of options such as `--api-key VALUE` and `--token=VALUE`."""
    words = [one for one in arguments if isinstance(one, str)] if isinstance(arguments, list) else []
    for word, following in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if name.startswith("-") and secrets.names_a_secret(name):
            yield value or following


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [one for one in value.values() if isinstance(one, str)]
    return []
