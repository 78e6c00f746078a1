"""The emptiest answer that a form allows: what a prompt looks like before its facts are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Form = TypeVar("Form", bound=BaseModel)

_DEEPEST = 30
_TEXTS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "a@example.org",
    "uri": "http://a/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
_NUMBERS = ("integer", "number")


def emptiest(form: type[Form]) -> Form | None:
    """An instance with as little in it as the form's schema allows; None where none is found."""
    schema = form.model_json_schema()
    try:
        return form.model_validate_json(json.dumps(_value(schema, schema.get("$defs", {}), 0)))
    except (ValidationError, RecursionError, TypeError):
        return None  # a pattern, or a validator of the form's own, wants something that no schema tells


def _value(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    for keyword in ("default", "const"):
        if keyword in schema:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        return _value(named[schema["$ref"].rpartition("/")[2]], named, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            variants = schema[keyword]
            nothing = {"type": "null"}
            return None if nothing in variants else _value(variants[0], named, depth + 1)
    kind = schema.get("type")
    if kind == "object":
        needed = schema.get("required", ())
        return {name: _value(schema["properties"][name], named, depth + 1) for name in needed}
    if kind == "array":
        parts = [*schema.get("prefixItems", ())]
        parts += [schema.get("items", {})] * max(0, schema.get("minItems", 0) - len(parts))
        return [_value(part, named, depth + 1) for part in parts]
    if kind in _NUMBERS:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        return max(0, least) if schema.get("maximum", 0) >= 0 else schema["maximum"]
    if kind == "string":
        return _TEXTS.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
    return False if kind == "boolean" else None
