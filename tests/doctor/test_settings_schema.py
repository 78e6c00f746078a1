"""client-settings.schema.json is what it says, and its small evaluator agrees with jsonschema."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from supervisor_setup import client_facts
from supervisor_setup.checks import settings_schema
from supervisor_setup.checks.settings_schema import Effect

SCHEMA = settings_schema.schema()
ORACLE = Draft202012Validator(SCHEMA)
# fmt: off
KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "x-wrong-type", "type", "enum",
    "const", "pattern", "minimum", "exclusiveMinimum", "maximum", "required", "properties",
    "additionalProperties", "items", "allOf", "anyOf", "if", "then",
}
# fmt: on
"""The keywords that the evaluator knows."""


def parts(rules: Any) -> Iterator[dict[str, Any]]:
    """Every schema in the schema."""
    yield rules
    for name in ("properties", "$defs"):
        for below in rules.get(name, {}).values():
            yield from parts(below)
    for name in ("items", "additionalProperties", "if", "then"):
        if name in rules:
            yield from parts(rules[name])
    for name in ("allOf", "anyOf"):
        for below in rules.get(name, ()):
            yield from parts(below)


def values(rules: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that keep to the schema, and values that nearly do."""
    rules = SCHEMA["$defs"][rules["$ref"].rpartition("/")[2]] if "$ref" in rules else rules
    scalars = [st.none(), st.booleans(), st.integers(-2, 40), st.sampled_from([0.0, 0.5, 1.5, 30.0])]
    words = sorted({"x", "Bash(ls)", "read(x)", "command", *map(str, rules.get("enum", ()))})
    anything = st.one_of(*scalars, st.sampled_from(words), st.just([]), st.just({}), st.just([1, "x"]))
    choices = [anything]
    known = rules.get("properties", {})
    if "properties" in rules or "additionalProperties" in rules:
        entries = {key: values(below, depth + 1) for key, below in known.items()}
        more = rules.get("additionalProperties")
        extra = st.dictionaries(
            st.sampled_from(["a", "b"]), values(more, depth + 1) if more else anything, max_size=2
        )
        picked = (
            st.lists(st.sampled_from(sorted(entries)), max_size=4, unique=True) if entries else st.just([])
        )
        chosen = picked.flatmap(lambda keys: st.fixed_dictionaries({key: entries[key] for key in keys}))
        choices.append(st.builds(lambda one, other: {**other, **one}, chosen, extra))
    if "items" in rules:
        choices.append(st.lists(values(rules["items"], depth + 1), max_size=3))
    choices += [values(one, depth + 1) for one in rules.get("anyOf", ())]
    return st.one_of(*choices)


@settings(max_examples=150, deadline=None)
@given(values(SCHEMA))
def test_the_evaluator_says_what_jsonschema_says(value: Any):
    expected = {tuple(error.absolute_path) for error in ORACLE.iter_errors(value)}
    found = {fault.place for fault in settings_schema.faults(value)}
    assert bool(found) == bool(expected)
    # Where nothing is chosen between alternatives, the places are the same too.
    if not any(error.validator == "anyOf" for error in ORACLE.iter_errors(value)):
        assert found == expected


def test_it_is_a_schema_of_words_that_the_evaluator_knows():
    Draft202012Validator.check_schema(SCHEMA)
    for one in parts(SCHEMA):
        assert set(one) <= KNOWN, one
        assert ("pattern" not in one) or "title" in one
        assert ("if" in one) == ("then" in one)


def test_every_effect_is_known_for_every_measured_version():
    versions = set(client_facts.measured())
    for one in parts(SCHEMA):
        effect = one.get("x-wrong-type")
        if isinstance(effect, dict):
            assert set(effect) == versions
        for word in effect.values() if isinstance(effect, dict) else [effect] if effect else []:
            Effect(word)


@pytest.mark.parametrize("name", SCHEMA["properties"])
def test_every_key_says_where_its_description_comes_from(name: str):
    description = SCHEMA["properties"][name]["description"]
    assert re.search(r"\((documented; )?measured on 2\.1\.[^()]*\)$", description), description


def test_a_fault_never_tells_the_value():
    faults = list(
        settings_schema.faults({"model": ["s3cret"], "tui": "s3cret", "permissions": {"ask": ["s3cret"]}})
    )
    assert len(faults) == 3
    assert "s3cret" not in json.dumps([fault.what for fault in faults])
