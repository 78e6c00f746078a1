"""Something that fits a JSON Schema, made of a text: what a constrained model would answer."""

import hashlib
import json
import re
from typing import Any

Json = dict[str, Any]


def filled(schema: Json, text: str) -> Any:
    """An instance of `schema`: always the same for a text, and nearly always another for another one.

    Strings are words of `text`, lists have one to three items.
    """
    words = re.findall(r"\w+", text) or ["nothing"]
    return _value(schema, schema.get("$defs", {}), words, f"{len(text)} {text[-4000:]}")


def filled_json(schema: Json, text: str) -> str:
    """The same as the text of an answer."""
    return json.dumps(filled(schema, text))


def _value(schema: Json, named: Json, words: list[str], seed: str) -> Any:
    if "$ref" in schema:
        return _value(named[schema["$ref"].rpartition("/")[2]], named, words, seed)
    if "const" in schema:
        return schema["const"]
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    if "enum" in schema:
        return schema["enum"][number % len(schema["enum"])]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], named, words, seed)
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: _value(part, named, words, f"{name} {seed}") for name, part in fields.items()}
    if kind == "array":
        items = schema.get("items", {"type": "string"})
        return [_value(items, named, words, f"{index} {seed}") for index in range(1 + number % 3)]
    scalars = {
        "integer": number % 5 + 1,
        "number": number % 100 / 4,
        "boolean": number % 2 == 0,
        "null": None,
    }
    return scalars[kind] if kind in scalars else words[number % len(words)]
