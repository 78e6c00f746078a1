"""The caller's schema: what is taken, written out, and refused."""

from pathlib import Path

import pytest
from scripted_model import core_in, entry

from supervisor_mcp.calls import Call
from supervisor_mcp.tools import schemas
from supervisor_mcp.tools.ports import Refused


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Notes to sort and to take data out of."""
    folder = tmp_path / "project"
    (folder / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.md", "in/b.md", "in/c.md", "in/deep/d.md", "e.md"):
        (folder / name).write_text(f"note {name}: it does not work\n")
    return folder


REFUSED = [
    ({"type": "string"}, "must be of type object or array at its top"),
    ({"type": ["object", "null"]}, "must be of type object or array at its top"),
    ({"type": "objekt"}, "is no JSON Schema: at type"),
    ({"type": "object", "properties": 5}, "is no JSON Schema: at properties"),
    ({"type": "object", "required": "name"}, "is no JSON Schema: at required"),
    ({"$ref": "http://example.com/x.json"}, "may only refer to its own parts"),
    ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "may only refer to its own parts"),
    ({"properties": {"a": {"$ref": 5}}}, "may only refer to its own parts"),
    ({"properties": {"a": {"$ref": "other.json#/x"}}}, "may only refer to its own parts"),
    ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "has nothing at #/$defs/none"),
    ({"properties": {"a": {"$ref": "#"}}}, "refers to itself at #"),
    ({"$defs": {"x": {"properties": {"y": {"$ref": "#/$defs/x"}}}}, "$ref": "#/$defs/x"}, "refers to itself"),
    ({"properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}, "must do without `pattern`"),
    ({"patternProperties": {"(a+)+$": {}}}, "must do without `patternProperties`"),
    ({"$dynamicRef": "#x"}, "must do without `$dynamicRef`"),
    ({"properties": {f"p{n}": {"type": "string"} for n in range(400)}}, "8000 are taken"),
    (
        {
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
            | {"d30": {}},
            "properties": {"a": {"$ref": "#/$defs/d0"}},
        },
        "too large, with its references written out",
    ),
]


@pytest.mark.parametrize(("schema", "said"), REFUSED)
def test_a_schema_that_is_none_or_could_do_harm_is_refused_before_anything_is_read(
    project, backend, schema, said
):
    result = core_in(project, entry(backend)).call("extract", {"paths": ["."], "schema": schema}, Call())
    assert result.is_error
    assert said in result.text
    assert backend.seen == []


def test_a_schema_nested_without_end_is_refused(project, backend):
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"properties": {"a": deep}}
    with pytest.raises(Refused, match="too large"):
        schemas.prepared(deep)
    for _ in range(20_000):
        deep = {"not": deep}
    with pytest.raises(Refused, match="nested too deeply"):
        schemas.prepared(deep)


def test_references_to_its_own_parts_are_written_out():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "http://example.com/me.json",
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/one"},
            "b": {"$ref": "#/$defs/one", "description": "The second."},
            "c": {"$ref": "#/$defs/one", "minLength": 3},
            "d~/e": {"$ref": "#/properties/a"},
            "pattern": {"enum": ["$ref", {"$ref": "kept"}]},
        },
        "$defs": {"one": {"type": "string"}},
        "required": ["a"],
    }
    assert schemas.prepared(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "string"},
            "c": {"allOf": [{"type": "string"}, {"minLength": 3}]},
            "d~/e": {"type": "string"},
            "pattern": {"enum": ["$ref", {"$ref": "kept"}]},
        },
        "required": ["a"],
    }
    assert schemas.prepared(
        {"properties": {"x": {"$ref": "#/properties/d~0~1e"}, "d~/e": {"type": "null"}}}
    ) == {"properties": {"x": {"type": "null"}, "d~/e": {"type": "null"}}}
