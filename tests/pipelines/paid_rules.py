"""What the paid API demands of a request, and what it counts and bills: the rules of its documentation."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from paid_behaviour import Behaviour, bad_request

Json = dict[str, Any]

BYTES_PER_TOKEN = 4
CACHE_MINIMUM_TOKENS = 1024  # a shorter prefix is not cached, and nothing says so
# The keywords that structured outputs do not know; the SDK takes them out of a model's schema.
_UNKNOWN_KEYWORDS = frozenset(
    ("exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maximum", "minLength", "minimum")
) | frozenset(("multipleOf", "uniqueItems"))


def fault_of(body: object) -> Behaviour | None:
    """How the API refuses this request, None when it does not."""
    if not isinstance(body, dict):
        return bad_request("the body is not an object")
    for name in ("model", "messages"):
        if not body.get(name):
            return bad_request(f"{name}: Field required")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        return bad_request("max_tokens: Field required")
    schema = schema_of(body)
    return None if schema is None else _schema_fault(schema)


def _schema_fault(schema: object) -> Behaviour | None:
    at = "output_config.format.schema"
    if isinstance(schema, list):
        return next(filter(None, map(_schema_fault, schema)), None)
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return bad_request(f"{at}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    parts = [part for key, part in schema.items() if key not in ("properties", "$defs")]
    parts += [part for key in ("properties", "$defs") for part in schema.get(key, {}).values()]
    unknown = sorted(_UNKNOWN_KEYWORDS & schema.keys())
    if unknown:
        kind = schema.get("type")
        return bad_request(f"{at}: For '{kind}' type, property '{unknown[0]}' is not supported")
    return next(filter(None, map(_schema_fault, parts)), None)


def schema_of(body: Mapping[str, Any]) -> Json | None:
    """The schema that the answer must fit."""
    form = (body.get("output_config") or {}).get("format") or {}
    schema = form.get("schema")
    return schema if isinstance(schema, dict) else None


def tokens(value: object) -> int:
    """A number of tokens for texts and blocks, the same for the same content."""
    return len(json.dumps(value, ensure_ascii=False).encode()) // BYTES_PER_TOKEN + 1


def input_tokens(body: Mapping[str, Any]) -> int:
    """What count_tokens says."""
    return tokens([body.get("system", ""), body["messages"], schema_of(body)])


def cached_prefix(body: Mapping[str, Any]) -> str | None:
    """The system prompt when it is marked for the cache and long enough for it, else None."""
    system = body.get("system")
    if not isinstance(system, list) or not any("cache_control" in block for block in system):
        return None
    prefix = json.dumps([body["model"], system])
    return prefix if len(prefix.encode()) // BYTES_PER_TOKEN >= CACHE_MINIMUM_TOKENS else None


def usage(body: Mapping[str, Any], answer: str, *, prefix_known: bool) -> Json:
    """The usage block of a message: the input that was not cached, what was written and read, the output."""
    prefix = cached_prefix(body)
    cached = 0 if prefix is None else len(prefix.encode()) // BYTES_PER_TOKEN
    return {
        "input_tokens": max(1, input_tokens(body) - cached),
        "cache_creation_input_tokens": 0 if prefix_known else cached,
        "cache_read_input_tokens": cached if prefix_known else 0,
        "output_tokens": max(1, len(answer.encode()) // BYTES_PER_TOKEN),
        "service_tier": "standard",
    }


def bill(model: str, used: Mapping[str, Any], prices: Mapping[str, Any], *, batch: bool) -> Fraction:
    """What this usage costs in micro-dollars, by the table in prices.json; a batch costs half."""
    price = next(one for one in prices["models"] if one["id"] == model)
    parts = (
        ("input_tokens", "input"),
        ("cache_creation_input_tokens", "cache_write"),
        ("cache_read_input_tokens", "cache_read"),
        ("output_tokens", "output"),
    )
    # Dollars per million tokens are micro-dollars per token.
    cost = sum((used[count] * Fraction(str(price[rate])) for count, rate in parts), Fraction(0))
    return cost / 2 if batch else cost
