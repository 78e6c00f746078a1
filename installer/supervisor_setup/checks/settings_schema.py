"""What is wrong with the values in a settings file, as client-settings.schema.json has it.

jsonschema would say the same, but its import alone takes more than 100 ms, half of what an offline run may
cost; so these are the few keywords that the schema uses. Tests hold every verdict against jsonschema's.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache
from typing import Any

from supervisor_setup import assets
from supervisor_setup.values import dataclass

Place = tuple[str | int, ...]
Schema = Mapping[str, Any]
_KINDS: Mapping[str, str] = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class Effect(StrEnum):
    """What the client does about a wrong value."""

    IGNORES_FILE = "ignores-file"
    IGNORES_KEY = "ignores-key"
    TOLERATED = "tolerated"


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong value: where, what is wrong with it, and what each version of the client does about it.

    `of_kind` tells that it is of the wrong kind altogether. The value itself is never told: it may be a
    secret.
    """

    place: Place
    what: str
    effects: str | Mapping[str, str]
    of_kind: bool

    @property
    def title(self) -> str:
        """The place as a person writes it: `hooks.PreToolUse[0].hooks`."""
        return written(self.place)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys down to the first list on the way, for finding the line."""
        keys: list[str] = []
        for step in self.place:
            if isinstance(step, int):
                break
            keys.append(step)
        return tuple(keys)

    def effect(self, version: str) -> Effect:
        """What this measured version does about it."""
        return Effect(self.effects if isinstance(self.effects, str) else self.effects[version])


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where the walk is, and what a wrong value does there."""

    shared: Schema
    place: Place
    effects: str | Mapping[str, str]

    def below(self, step: str | int) -> "_Spot":
        return replace(self, place=(*self.place, step))

    def fault(self, what: str, *, of_kind: bool = False) -> Fault:
        return Fault(self.place, what, self.effects, of_kind)


@cache
def schema() -> Schema:
    """The JSON Schema of the client's settings."""
    found: Schema = json.loads((assets.templates() / "client-settings.schema.json").read_bytes())
    return found


def faults(settings: object) -> Iterator[Fault]:
    """Every wrong value in the content of a settings file."""
    found = schema()
    return _faults(found, settings, _Spot(found["$defs"], (), found["x-wrong-type"]))


def written(place: Place) -> str:
    """A place as a person writes it: `hooks.PreToolUse[0].hooks`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")


def _faults(rules: Schema, value: object, spot: _Spot) -> Iterator[Fault]:
    if "if" in rules and _fits(rules["if"], value, spot):
        rules = {**rules, **rules["then"]}
    spot = replace(spot, effects=rules.get("x-wrong-type", spot.effects))
    if "$ref" in rules:
        yield from _faults(spot.shared[rules["$ref"].rpartition("/")[2]], value, spot)
    if "type" in rules and not _is_a(rules["type"], value):
        yield spot.fault(f"is {_kind(value)}, not {_expected(rules['type'])}", of_kind=True)
        return
    yield from _own(rules, value, spot)
    if isinstance(value, Mapping):
        yield from _in_object(rules, value, spot)
    if isinstance(value, list) and "items" in rules:
        for index, item in enumerate(value):
            yield from _faults(rules["items"], item, spot.below(index))
    for part in rules.get("allOf", ()):
        yield from _faults(part, value, spot)
    if "anyOf" in rules:
        yield from _none_of(rules["anyOf"], value, spot)


def _fits(rules: Schema, value: object, spot: _Spot) -> bool:
    return next(_faults(rules, value, spot), None) is None


def _own(rules: Schema, value: object, spot: _Spot) -> Iterator[Fault]:
    """What is wrong with the value itself, whatever is in it."""
    allowed = [rules["const"]] if "const" in rules else rules.get("enum")
    if allowed is not None and value not in allowed:
        yield spot.fault(f"is none of {', '.join(map(str, allowed))}", of_kind=not isinstance(value, str))
    if isinstance(value, str) and "pattern" in rules and not re.search(rules["pattern"], value):
        yield spot.fault(f"is not {rules['title']}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _out_of_range(rules, value, spot)


def _out_of_range(rules: Schema, value: float, spot: _Spot) -> Iterator[Fault]:
    if value < rules.get("minimum", value):
        yield spot.fault(f"is below {rules['minimum']}")
    if "exclusiveMinimum" in rules and value <= rules["exclusiveMinimum"]:
        yield spot.fault(f"is not above {rules['exclusiveMinimum']}")
    if value > rules.get("maximum", value):
        yield spot.fault(f"is above {rules['maximum']}")


def _in_object(rules: Schema, value: Mapping[str, object], spot: _Spot) -> Iterator[Fault]:
    for key in rules.get("required", ()):
        if key not in value:
            yield spot.fault(f"lacks `{key}`", of_kind=True)
    known = rules.get("properties", {})
    for key, part in value.items():
        below = known.get(key, rules.get("additionalProperties"))
        if below is not None:
            yield from _faults(below, part, spot.below(key))


def _none_of(choices: list[Schema], value: object, spot: _Spot) -> Iterator[Fault]:
    if any(_fits(one, value, spot) for one in choices):
        return
    near = [one for one in choices if _is_a(one["type"], value)]
    if near:
        yield from _faults(near[0], value, spot)
    else:
        expected = _expected([one["type"] for one in choices])
        yield spot.fault(f"is {_kind(value)}, not {expected}", of_kind=True)


def _is_a(types: str | list[str], value: object) -> bool:
    names = [types] if isinstance(types, str) else types
    return not _names(value).isdisjoint(names)


def _names(value: object) -> frozenset[str]:
    """What JSON Schema calls a value of this kind."""
    if value is None:
        return frozenset({"null"})
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return frozenset({"integer", "number"})
    if isinstance(value, float):
        return frozenset({"number"})
    if isinstance(value, str):
        return frozenset({"string"})
    return frozenset({"array" if isinstance(value, list) else "object"})


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _KINDS["number" if isinstance(value, int | float) else next(iter(_names(value)))]


def _expected(types: str | list[str]) -> str:
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    return " or ".join(_KINDS[name] for name in names)
