"""Properties of the JSON edits, on documents of every layout that JSON's grammar allows.

SUPERVISOR_PROPERTY_EXAMPLES sets the number of examples per property, which is 2,000 in CI.
"""

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import ENTRY, LIST, a_document, a_list, a_value
from tape import tapes

from supervisor_setup.edit import EditError, same_value
from supervisor_setup.edit.json_spans import (
    ABSENT,
    Change,
    Undo,
    add_item,
    lookup,
    parse,
    remove_entry,
    remove_item,
    set_entry,
)

many = settings(max_examples=int(os.environ.get("SUPERVISOR_PROPERTY_EXAMPLES", "300")), deadline=None)

hosts_of_entry = tapes(160).map(lambda tape: a_document(tape, ENTRY, a_value))
hosts_of_item = tapes(160).map(lambda tape: a_document(tape, LIST, a_list))
our_values = tapes(32).map(lambda tape: json.loads(a_value(tape)))

# --- What the standard library says about them


def loaded(document: bytes) -> Any:
    """The document's value; raises ValueError where it is not JSON."""
    return json.loads(document.decode("utf-8-sig"), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def with_entry(value: Any, pointer: tuple[str, ...], new: object) -> Any:
    if not pointer:
        return new
    return {**value, pointer[0]: with_entry(value.get(pointer[0], {}), pointer[1:], new)}


def with_item(value: Any, pointer: tuple[str, ...], new: object) -> Any:
    items = value
    for key in pointer:
        items = items.get(key, {})
    present = any(same_value(item, new) for item in items)
    return value if present else with_entry(value, pointer, [*items, new])


def common_start(one: bytes, other: bytes) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def assert_nothing_else_changed(before: bytes, after: bytes, undo: Undo) -> None:
    """All of `before` is in `after`, in two pieces around ours, but for the text that the undo gives back."""
    start, end = common_start(before, after), common_start(before[::-1], after[::-1])
    assert start + end >= len(before) - len((undo.prior + undo.filler).encode())
    assert (before == after) == (undo.change is Change.KEPT)


# --- The properties


@many
@given(document=hosts_of_entry, value=our_values)
def test_an_entry_is_set_alone_once_and_undone_to_the_byte(document: bytes, value: object) -> None:
    edited, undo = set_entry(document, ENTRY, value)
    assert same_value(lookup(edited, ENTRY), value)
    assert same_value(parse(edited), loaded(edited))
    assert same_value(loaded(edited), with_entry(loaded(document), ENTRY, value))
    assert_nothing_else_changed(document, edited, undo)
    assert set_entry(edited, ENTRY, value) == (edited, Undo(Change.KEPT))
    assert remove_entry(edited, ENTRY, undo) == document


@many
@given(document=hosts_of_item, value=our_values)
def test_an_item_is_added_alone_once_and_undone_to_the_byte(document: bytes, value: object) -> None:
    edited, undo = add_item(document, LIST, value)
    assert same_value(loaded(edited), with_item(loaded(document), LIST, value))
    assert_nothing_else_changed(document, edited, undo)
    assert add_item(edited, LIST, value) == (edited, Undo(Change.KEPT))
    assert remove_item(edited, LIST, value, undo) == document


@many
@given(document=hosts_of_entry, value=our_values, update=our_values)
def test_an_updated_entry_is_undone_to_the_byte_by_the_first_undo(
    document: bytes, value: object, update: object
) -> None:
    first, undo = set_entry(document, ENTRY, value)
    second, _ = set_entry(first, ENTRY, update)
    if undo.change is not Change.KEPT:
        assert remove_entry(second, ENTRY, undo) == document


@many
@given(document=hosts_of_entry, value=our_values, theirs=our_values, user_first=st.booleans())
def test_what_is_added_beside_an_entry_outlives_it(
    document: bytes, value: object, theirs: object, user_first: bool
) -> None:
    beside = (ENTRY[0], "theirs")
    if user_first:
        document, _ = set_entry(document, beside, theirs)
    edited, undo = set_entry(document, ENTRY, value)
    if not user_first:
        edited, _ = set_entry(edited, beside, theirs)
    after = remove_entry(edited, ENTRY, undo)
    if user_first:
        assert after == document
    else:
        assert same_value(loaded(after), with_entry(loaded(document), beside, theirs))


@many
@given(
    document=st.one_of(hosts_of_entry, hosts_of_item),
    value=our_values,
    indent=st.sampled_from([None, 0, 3, "\t"]),
    rule=our_values,
)
def test_reformatted_by_another_program_the_document_still_loses_only_what_is_ours(
    document: bytes, value: object, indent: int | str | None, rule: object
) -> None:
    edited, of_entry = set_entry(document, ENTRY, value)
    edited, of_item = add_item(edited, LIST, rule)
    rewritten = json.dumps(loaded(edited), indent=indent).encode()
    after = remove_entry(remove_item(rewritten, LIST, rule, of_item), ENTRY, of_entry)
    assert same_value(loaded(after), loaded(document))


@many
@given(
    document=st.one_of(hosts_of_entry, hosts_of_item),
    at=st.integers(0, 200),
    dropped=st.integers(0, 3),
    put=st.sampled_from([b"", b",", b"}", b"]", b'"', b"\\", b"//", b"NaN", b"\xff", b"\xa0", b"0", b"\x00"]),
)
def test_a_damaged_document_is_refused_by_every_edit_and_a_sound_one_by_none(
    document: bytes, at: int, dropped: int, put: bytes
) -> None:
    damaged = document[:at] + put + document[at + dropped :]
    try:
        expected = loaded(damaged)
    except ValueError:
        with pytest.raises(EditError):
            parse(damaged)
        with pytest.raises(EditError):
            lookup(damaged, ENTRY)
        with pytest.raises(EditError):
            set_entry(damaged, ENTRY, 1)
        with pytest.raises(EditError):
            add_item(damaged, LIST, 1)
    else:
        assert same_value(parse(damaged), expected)
        if isinstance(expected, dict):
            assert lookup(damaged, ("no such key",)) is ABSENT
        else:
            with pytest.raises(EditError):
                lookup(damaged, ("no such key",))
