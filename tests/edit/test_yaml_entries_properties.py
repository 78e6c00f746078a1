"""Properties of the YAML edits, on documents that mix all of YAML's styles.

A tenth of SUPERVISOR_PROPERTY_EXAMPLES examples per property: ruamel.yaml takes 10 ms for one.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tape import Tape, tapes

from supervisor_setup.edit import EditError, same_value
from supervisor_setup.edit.yaml_entries import Place, load, remove_list_entry, set_list_entry, set_value

MODELS: Place = ("model_list",)
MODEL = {"model_name": "local", "litellm_params": {"model": "ollama_chat/llama3.1:8b", "timeout": 600}}
SCALARS = ["x", "1", "1.0", "'it''s'", '"q\\n"', "true", "~", "a b", "http://x:1", "é🙂", "0x1F"]
FLOWS = ["{}", "[]", "{a: 1, 'b': [x, {y: }]}", "[ 1 , two, ]"]
BLOCK_TEXT = ["some", "text"]
NEW_VALUES = ["new", "n", "", "it's", 2, 1.0, None, True, [], {}, ["p", {"q": 1}], {"r": {"s": [[]]}}]

many = settings(max_examples=int(os.environ.get("SUPERVISOR_PROPERTY_EXAMPLES", "300")) // 10, deadline=None)


class Scribe:
    """Writes a random document, line by line, with numbered comments."""

    def __init__(self, tape: Tape) -> None:
        self.pick = tape.pick
        self.comments = 0

    def document(self) -> str:
        lines = [*self.pick([[], ["---"], ["# start"]]), *self.mapping(0)]
        newline = self.pick(["\n", "\n", "\r\n"])
        # The line break after a block scalar is part of its text, so nothing could be added without it.
        ends = [newline, newline, newline * 3] + ([] if lines[-1].endswith(BLOCK_TEXT[-1]) else [""])
        return newline.join(lines) + self.pick(ends)

    def mapping(self, depth: int) -> list[str]:
        keys = ["a", "b", "'c d'", '"e"', "f-g", "h"]
        lines: list[str] = []
        for key in keys[: self.pick(range(1, 4))]:
            lines += self.above()
            lines += self.attached(f"{key}:", depth, self.pick(["  ", "  ", "    ", " "]))
        return lines

    def sequence(self, depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.pick(range(1, 4))):
            lines += self.above()
            lines += self.attached("-", depth, "  ")
        return lines

    def attached(self, opening: str, depth: int, unit: str) -> list[str]:
        kind = self.pick("ssssmlfbe") if depth < 3 else "s"
        if kind == "m":
            inner = self.mapping(depth + 1)
            if opening == "-" and not inner[0].startswith(("#", " ")) and inner[0]:
                return [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
            return [opening + self.aside(), *(unit + line for line in inner)]
        if kind == "l":
            indent = self.pick(["", unit]) if opening != "-" else unit
            return [opening + self.aside(), *(indent + line for line in self.sequence(depth + 1))]
        if kind == "b":
            return [
                f"{opening} {self.pick('|>')}{self.pick(['', '-'])}",
                *(unit + word for word in BLOCK_TEXT),
            ]
        if kind == "e":
            return [opening + self.aside()]
        return [f"{opening} {self.pick(FLOWS if kind == 'f' else SCALARS)}{self.aside()}"]

    def aside(self) -> str:
        if self.pick([True, True, False]):
            return ""
        self.comments += 1
        return f"  # {self.comments}"

    def above(self) -> list[str]:
        comment = self.aside().strip()
        return self.pick([[comment], ["", comment]]) if comment else []


def a_place(tape: Tape, value: Any) -> Place:
    """Somewhere in the data: a place that is there, or a new key."""
    if isinstance(value, dict):
        part: str | int = tape.pick([*value, "new", "new key"])
    elif isinstance(value, list) and value:
        part = tape.pick(range(len(value)))
    else:
        return ()
    inner = value[part] if isinstance(value, list) or part in value else None
    return (part, *a_place(tape, inner)) if tape.pick([True, False]) else (part,)


def with_value(data: Any, place: Sequence[str | int], value: object) -> Any:
    if not place:
        return value
    if isinstance(data, list):
        assert isinstance(place[0], int)
        return [*data[: place[0]], with_value(data[place[0]], place[1:], value), *data[place[0] + 1 :]]
    data = data or {}
    return {**data, place[0]: with_value(data.get(place[0]), place[1:], value)}


def there(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part] if isinstance(data, list) else (data or {}).get(part)
    return data


def comments(document: bytes) -> list[bytes]:
    return re.findall(rb"# \w+", document)


def common_start(one: bytes, other: bytes) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


documents = tapes(120).map(lambda tape: Scribe(tape).document())


@many
@given(text=documents, where=tapes(8), value=st.sampled_from(NEW_VALUES))
def test_any_value_of_any_document_is_changed_alone_and_once(text: str, where: Tape, value: object) -> None:
    before = text.encode()
    place = a_place(where, load(before))
    old = there(load(before), place)
    try:
        after = set_value(before, place, value)
    except EditError:
        assert isinstance(old, dict | list), "only a collection has comments inside that could be lost"
        return
    assert same_value(load(after), with_value(load(before), place, value))
    assert set_value(after, place, value) == after
    assert comments(after) == comments(before)
    if old is None:
        start, end = common_start(before, after), common_start(before[::-1], after[::-1])
        assert start + end >= len(before) - len(b"~")
    elif not isinstance(old, dict | list) and str(old).split() != BLOCK_TEXT:
        changed = [line for line in before.splitlines() if line not in after.splitlines()]
        assert len(changed) <= 1


@many
@given(
    text=documents, models=st.sampled_from([None, "", " []", "\n- {x: 1}", "\n  - model_name: a\n  # c\n"])
)
def test_an_item_is_added_to_any_document_and_taken_out_to_the_byte(text: str, models: str | None) -> None:
    document = (text if models is None else f"{text.rstrip()}\nmodel_list:{models}").encode()
    edited, undo = set_list_entry(document, MODELS, "model_name", MODEL)
    assert there(load(edited), MODELS)[-1] == MODEL
    assert remove_list_entry(edited, MODELS, "model_name", "local", undo) == document
