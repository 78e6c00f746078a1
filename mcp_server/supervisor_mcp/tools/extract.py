"""extract: data in the caller's form out of files; what does not fit the form is a failure, never an answer.

The result is text: a line of JSON for each file. Structured content would be read by the model in the text's
place and could not be paged, and what it would guarantee is guaranteed here already.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from supervisor_mcp.tools import fences, json_answers, survey
from supervisor_mcp.tools.asking import Asker, Form, Said
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import Failed, Unusable
from supervisor_mcp.tools.material import Material
from supervisor_mcp.tools.ports import Bench, Outcome
from supervisor_mcp.tools.survey import OfFile

_RESERVED_CHARS = 400
"""Room on a page beside one record."""


def serve(bench: Bench, asker: Asker, material: Material, given: Mapping[str, Any]) -> Outcome:
    """The data of each file, one JSON object with `file` and `data` a line.

    Raises:
        AllFailed: Nothing was extracted, and the backends are why.
        CallCancelled: The client cancelled.
    """
    schema = given["schema"]
    max_tokens = min(bench.tool.max_output_tokens, asker.context_tokens // 3)
    answers = survey.ask_all(
        bench, asker, material.files, form(schema, max_tokens), partial(_value, schema=schema)
    )
    records, merged = [], []
    for one in answers:
        if not one.values or one.failed:
            continue
        try:
            data = _merged(one, schema)
            records.append(_record(one, data, bench.tool.max_output_chars))
        except Unusable as error:
            one.failed.append(Failed(error))
            one.values.clear()
            continue
        if len(one.values) > 1:
            merged.append(one.file.path)
    for one in answers:
        if one.failed:  # data from a part of a file would pass for the whole
            one.values.clear()
    notes = (
        [f"[Read in several parts, and the data put together: {', '.join(merged[:5])}.]"] if merged else []
    )
    failed = survey.failures(answers)
    read = sum(one.bytes_read for one in answers if one.values)
    said = "\n".join([*notes, *([failed] if failed else [])])
    return Outcome.of(["\n".join(records), said], bytes_read=read, is_error=not records)


def form(schema: Mapping[str, Any], max_tokens: int) -> Form:
    """What is asked about each chunk."""
    return Form(
        task=(
            "Take from the text above what this JSON Schema describes, and nothing that is not in it. "
            f"Answer with the JSON alone.\n{json.dumps(schema, ensure_ascii=False)}"
        ),
        max_tokens=max_tokens,
        schema=schema,
    )


def _value(said: Said, _chunk: Chunk, *, schema: Mapping[str, Any]) -> Any:
    value = json_answers.parsed(said)
    _validate(value, schema)
    return value


def _validate(value: Any, schema: Mapping[str, Any]) -> None:
    """Raise Unusable unless the value fits; references are gone, so nothing is looked up anywhere."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        error = best_match(Draft202012Validator(schema).iter_errors(value))
    except RecursionError:
        raise Unusable("the model's answer is nested too deeply") from None
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        text = f"the model's answer does not fit the schema at {where}: {error.message}"
        raise Unusable(fences.line(text, 240))


def _merged(one: "OfFile[Any]", schema: Mapping[str, Any]) -> Any:
    data = one.values[0]
    for value in one.values[1:]:
        data = joined(data, value)
    if len(one.values) > 1:
        _validate(data, schema)
    return data


def joined(left: Any, right: Any) -> Any:
    """What two parts of one file say: lists one after the other, of single values the first that is one."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {
            **left,
            **{name: joined(left[name], value) if name in left else value for name, value in right.items()},
        }
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *(value for value in right if value not in left)]
    return right if left in (None, "") else left


def _record(one: "OfFile[Any]", data: Any, max_chars: int) -> str:
    """The line of one file; a page holds it whole."""
    record = json.dumps({"file": one.file.path, "data": data}, ensure_ascii=False, separators=(", ", ": "))
    record = "".join(_escaped(letter) for letter in record)
    if len(record) > max_chars - _RESERVED_CHARS:
        raise Unusable(f"the data have {len(record)} characters, more than one result holds; ask for less")
    return record


def _escaped(letter: str) -> str:
    """Control and direction characters, and halves of a pair, as JSON escapes: the value stays the same."""
    if letter.isprintable() or letter == " ":
        return letter
    return json.dumps(letter)[1:-1]
