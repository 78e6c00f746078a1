"""`${VAR}` in a server's entry, as the client expands it.

Measured on 2.1.197 and 2.1.330: `${VAR}` and `${VAR:-default}` are expanded in command, args, env, url and
headers; `$VAR` is not. A variable that is set and empty counts as set. An unset one without a default stays
as it is written. Beside the client's own environment the `env` of the user's settings counts, that of a
project's does not.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor_setup.checks.client_files import Level, settings_files
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}")
EXPANDED = ("command", "args", "env", "url", "headers")


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable that an entry needs, and the keys that lead to it."""

    variable: str
    keys: tuple[str, ...]


def environment(world: World) -> dict[str, str]:
    """The variables that a client started from this shell has, and hands on to its servers."""
    return world.memo.get("client environment", lambda: _environment(world))


def _environment(world: World) -> dict[str, str]:
    found = dict(world.environment)
    for one in settings_files(world):
        document = world.document(one.path)
        if one.level in (Level.USER, Level.MANAGED) and document.state is State.GOOD:
            values = document.mapping("env")
            found |= {name: value for name, value in values.items() if isinstance(value, str)}
    return found


def expanded(value: Any, variables: Mapping[str, str]) -> Any:
    """A JSON value with the references in its strings replaced."""
    if isinstance(value, Mapping):
        return {name: expanded(one, variables) for name, one in value.items()}
    if isinstance(value, list):
        return [expanded(one, variables) for one in value]
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda found: _value(found, variables), value)


def unset(spec: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[Reference]:
    """The references that nothing gives a value to."""
    for key in EXPANDED:
        for keys, text in _strings(spec.get(key), (key,)):
            for found in _REFERENCE.finditer(text):
                if found[2] is None and found[1] not in variables:
                    yield Reference(found[1], keys)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[1] in variables:
        return variables[found[1]]
    return found[0] if found[2] is None else found[3]


def _strings(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, keys)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _strings(one, (*keys, name))
