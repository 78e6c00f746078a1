"""The caller's JSON Schema: checked before any model is asked, and without a way to run for ever.

It comes from outside like the files do. What could fetch something (a remote `$ref`), grow without bounds
(references in references) or hang the check (a regular expression) is refused or written out in full.
"""

import json
from collections.abc import Mapping
from typing import Any

from supervisor_mcp.tools.ports import Refused

MAX_CHARS = 8000
MAX_DEPTH = 12
MAX_NODES = 1500
_ABOUT = ("$schema", "$id", "$comment", "$defs", "definitions")
_REGULAR = ("pattern", "patternProperties")
_ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor", "$vocabulary")
# Under these stand names and values of the caller's, not keywords.
_NAMED = frozenset({"properties", "dependentSchemas"})
_VALUES = frozenset({"const", "enum", "default", "examples", "required", "dependentRequired"})


def prepared(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its own references written out.

    Raises:
        Refused: It is no JSON Schema, or too large, or says what is not taken here; says which.
    """
    try:
        length = len(json.dumps(schema))
    except (ValueError, RecursionError) as error:
        raise Refused("`schema` is nested too deeply. Call again with a simpler one.") from error
    if length > MAX_CHARS:
        raise Refused(f"`schema` has {length} characters; {MAX_CHARS} are taken. Call again with less of it.")
    written: dict[str, Any] = _Writer(schema).written(schema, depth=0, within=())
    _check(written)
    return written


def _check(schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        raise Refused(f"`schema` is no JSON Schema: at {where}: {error.message[:200]}") from error
    if not isinstance(schema.get("type", "object"), str) or schema.get("type", "object") not in (
        "object",
        "array",
    ):
        raise Refused("`schema` must be of type object or array at its top. Call again with such a one.")


class _Writer:
    """Writes a schema out, within bounds."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._nodes = 0

    def written(self, schema: Any, *, depth: int, within: tuple[str, ...]) -> Any:
        """The schema without references; `within` are those that are being written out already."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise Refused(
                "`schema` is too large, with its references written out. Call again with a simpler one."
            )
        if isinstance(schema, list):
            return [self.written(one, depth=depth, within=within) for one in schema]
        if not isinstance(schema, dict):
            return schema
        for keyword in (*_REGULAR, *_ELSEWHERE):
            if keyword in schema:
                raise Refused(
                    f"`schema` must do without `{keyword}`, which is not taken here. Call again so."
                )
        if "$ref" in schema:
            return self._reference(schema, depth, within)
        return {
            keyword: self._value(keyword, value, depth, within)
            for keyword, value in schema.items()
            if keyword not in _ABOUT
        }

    def _value(self, keyword: str, value: Any, depth: int, within: tuple[str, ...]) -> Any:
        if keyword in _VALUES:
            return value
        if keyword in _NAMED and isinstance(value, dict):
            return {name: self.written(one, depth=depth + 1, within=within) for name, one in value.items()}
        return self.written(value, depth=depth + 1, within=within)

    def _reference(self, schema: Mapping[str, Any], depth: int, within: tuple[str, ...]) -> Any:
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise Refused("`schema` may only refer to its own parts, as `#/$defs/NAME`. Call again so.")
        if reference in within:
            raise Refused(
                f"`schema` refers to itself at {reference}, which is not taken here. Call again without."
            )
        target = self.written(self._target(reference), depth=depth + 1, within=(*within, reference))
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        if not beside:
            return target
        rest = self.written(beside, depth=depth + 1, within=within)
        return {"allOf": [target, rest]} if set(rest) - {"title", "description"} else target

    def _target(self, reference: str) -> Any:
        found: Any = self._root
        for written in reference.removeprefix("#").split("/")[1:]:
            name = written.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise Refused(f"`schema` has nothing at {reference}, which it refers to. Call again with it.")
            found = found[name]
        return found
