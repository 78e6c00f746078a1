"""Edits of JSON documents: every layout is followed, nothing else changes, and what is no JSON is refused."""

import json
import math
from bisect import bisect

import pytest

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

SERVER = ("mcpServers", "local-models")
ENTRY = {"command": "/opt/x", "args": ["--config", "c"], "env": {}}
ALLOW = ("permissions", "allow")
RULE = "mcp__local-models"

ENTRY_LAYOUTS = {
    "an_empty_document": (
        "{}",
        '{\n  "m": {\n    "ours": {\n      "c": [\n        1\n      ]\n    }\n  }\n}',
    ),
    "spaces": (
        '{\n   "m": {}\n}\n',
        '{\n   "m": {\n      "ours": {\n         "c": [\n            1\n         ]\n      }\n   }\n}\n',
    ),
    "tabs_and_crlf": (
        '{\r\n\t"m": {\r\n\t}\r\n}\r\n',
        '{\r\n\t"m": {\r\n\t\t"ours": {\r\n\t\t\t"c": [\r\n\t\t\t\t1\r\n\t\t\t]\r\n\t\t}\r\n\t}\r\n}\r\n',
    ),
    "lone_carriage_returns": (
        '{\r "m": {}\r}',
        '{\r "m": {\r  "ours": {\r   "c": [\r    1\r   ]\r  }\r }\r}',
    ),
    "one_line": (
        '{"a": 1, "m": {"x": {}}}',
        '{"a": 1, "m": {"x": {}, "ours": {"c": [1]}}}',
    ),
    "one_line_without_spaces": ('{"a":1}', '{"a":1,"m":{"ours":{"c":[1]}}}'),
    "one_line_and_an_empty_object": ('{ "m":{ } }', '{ "m":{"ours":{"c":[1]}} }'),
    "one_line_inside_several": (
        '{\n  "m": {"x": {}}\n}',
        '{\n  "m": {"x": {}, "ours": {"c": [1]}}\n}',
    ),
    "several_lines_inside_one": (
        '{"m": {\n}}',
        '{"m": {\n  "ours": {\n    "c": [\n      1\n    ]\n  }\n}}',
    ),
    "mixed_line_breaks": (
        '{\n "m": {\r\n }\n}',
        '{\n "m": {\r\n  "ours": {\r\n   "c": [\r\n    1\r\n   ]\r\n  }\r\n }\n}',
    ),
    "commas_first_and_spaced_colons": (
        '{ "m" :\n  { "x" : 1\n  , "y" : 2\n  }\n}',
        '{ "m" :\n  { "x" : 1\n  , "y" : 2\n  , "ours" : {\n    "c" : [\n      1\n    ]\n  }\n  }\n}',
    ),
    "lines_without_indentation": (
        '{\n"m": {\n"x": 1\n}\n}',
        '{\n"m": {\n"x": 1,\n"ours": {\n"c": [\n1\n]\n}\n}\n}',
    ),
    "empty_lines_and_trailing_spaces": (
        '{"m": {\n\n  "x": 1,  \n\n  "y": {\n  }\n}}',
        '{"m": {\n\n  "x": 1,  \n\n  "y": {\n  },\n  "ours": {\n    "c": [\n      1\n    ]\n  }\n}}',
    ),
}


@pytest.mark.parametrize(("before", "after"), ENTRY_LAYOUTS.values(), ids=ENTRY_LAYOUTS)
def test_a_new_entry_looks_like_its_surroundings_and_goes_without_a_trace(before: str, after: str) -> None:
    edited, undo = set_entry(before.encode(), ("m", "ours"), {"c": [1]})
    assert edited.decode() == after
    assert lookup(edited, ("m", "ours")) == {"c": [1]}
    assert remove_entry(edited, ("m", "ours"), undo) == before.encode()


ITEM_LAYOUTS = {
    "no_list": ('{"a": 1}', '{"a": 1, "permissions": {"allow": ["mcp__local-models"]}}'),
    "an_empty_list": (
        '{\n  "permissions": {\n    "allow": []\n  }\n}',
        '{\n  "permissions": {\n    "allow": [\n      "mcp__local-models"\n    ]\n  }\n}',
    ),
    "one_line_and_an_empty_list": (
        '{"permissions":{"allow":[ ]}}',
        '{"permissions":{"allow":["mcp__local-models"]}}',
    ),
    "one_item": (
        '{"permissions":{"allow": [ "a" ]}}',
        '{"permissions":{"allow": [ "a", "mcp__local-models" ]}}',
    ),
    "one_item_without_spaces": (
        '{"permissions":{"allow":["a"]}}',
        '{"permissions":{"allow":["a","mcp__local-models"]}}',
    ),
    "items_in_one_line": (
        '{"permissions": {"allow": ["a","b"]}}',
        '{"permissions": {"allow": ["a","b","mcp__local-models"]}}',
    ),
    "items_in_lines": (
        '{"permissions": {"allow": [\n\t"a"]}}',
        '{"permissions": {"allow": [\n\t"a",\n\t"mcp__local-models"]}}',
    ),
}


@pytest.mark.parametrize(("before", "after"), ITEM_LAYOUTS.values(), ids=ITEM_LAYOUTS)
def test_a_new_item_looks_like_its_surroundings_and_goes_without_a_trace(before: str, after: str) -> None:
    edited, undo = add_item(before.encode(), ALLOW, RULE)
    assert edited.decode() == after
    assert remove_item(edited, ALLOW, RULE, undo) == before.encode()


@pytest.mark.parametrize(
    "document",
    [
        b'\xef\xbb\xbf{"a": 1}',
        b'  \r\n {"a": 1.0, "a": 1e+2, "n": [12345678901234567890, 1E+400]}  \n\n',
        '{"\\u00e9": "\\/ é 🙂 \u2028\u0085\u00a0", "é": "\\ud800"}'.encode(),
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
    ids=["byte_order_mark", "spellings_and_duplicates", "unicode", "huge_number"],
)
def test_what_is_not_ours_stays_as_it_is_spelt(document: bytes) -> None:
    edited, undo = set_entry(document, SERVER, ENTRY)
    assert edited != document
    assert document == edited.replace(b', "mcpServers": ' + json.dumps({SERVER[1]: ENTRY}).encode(), b"")
    assert remove_entry(edited, SERVER, undo) == document


def test_our_own_characters_are_written_as_utf8_and_lone_surrogates_as_escapes() -> None:
    edited, _ = set_entry(b'{"a": 1}', ("é",), "🙂 \ud800")
    assert edited == '{"a": 1, "é": "🙂 \\ud800"}'.encode()
    assert set_entry(edited, ("é",), "🙂 \ud800") == (edited, Undo(Change.KEPT))


def test_a_value_that_json_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        set_entry(b"{}", ("a",), math.nan)


def test_a_key_is_found_however_it_is_spelt() -> None:
    document = b'{"mcp\\u0053ervers": {"local\\u002dmodels": 7}}'
    assert lookup(document, SERVER) == 7
    edited, _ = set_entry(document, SERVER, 8)
    assert edited == b'{"mcp\\u0053ervers": {"local\\u002dmodels": 8}}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "k": [1, 2],\n  "z": 0\n}', '{\n  "k": {\n    "a": true\n  },\n  "z": 0\n}'),
        ('{"z":0,"k" :"x" }', '{"z":0,"k" :{"a" :true} }'),
        ('{"k":\r\n{"a": 1}}', '{"k":\r\n{"a": true}}'),
    ],
    ids=["in_lines", "in_one_line", "colon_with_a_line_break"],
)
def test_a_replaced_value_leaves_its_place_as_it_was_and_comes_back_as_it_was(
    before: str, after: str
) -> None:
    edited, undo = set_entry(before.encode(), ("k",), {"a": True})
    assert edited.decode() == after
    assert undo.change is Change.REPLACED
    assert remove_entry(edited, ("k",), undo) == before.encode()


def test_an_equal_value_is_kept_as_it_is_written_and_never_removed() -> None:
    document = b'{"k": {"b":1,\n"a": "\\u0041"}}'
    assert set_entry(document, ("k",), {"a": "A", "b": 1}) == (document, Undo(Change.KEPT))
    assert remove_entry(document, ("k",), Undo(Change.KEPT)) == document
    document = b'{"k": ["\\u0041"]}'
    assert add_item(document, ("k",), "A") == (document, Undo(Change.KEPT))
    assert remove_item(document, ("k",), "A", Undo(Change.KEPT)) == document


@pytest.mark.parametrize("other", [1.0, True, "1", [1], None])
def test_values_of_other_types_are_not_equal(other: object) -> None:
    assert not same_value({"a": [1]}, {"a": [other]})
    _, undo = add_item(json.dumps({"k": [other]}).encode(), ("k",), 1)
    assert undo.change is Change.INSERTED


def test_an_update_is_undone_with_the_first_undo() -> None:
    document = b'{\n "a": 1\n}'
    first, undo = set_entry(document, SERVER, ENTRY)
    second, _ = set_entry(first, SERVER, {"command": "new"})
    assert lookup(second, SERVER) == {"command": "new"}
    assert remove_entry(second, SERVER, undo) == document


ENTRY_REMOVALS = {
    "an_entry_was_added_after": ('{"s": {"ours": 1, "theirs":2}}', '{"s": {"theirs":2}}'),
    "an_entry_was_added_before": ('{"s": {"theirs":2 , "ours": 1}}', '{"s": {"theirs":2}}'),
    "entries_were_added_on_both_sides": ('{"s": {"x":2,\n"ours": 1\n, "y":3}}', '{"s": {"x":2\n, "y":3}}'),
    "the_parent_was_reformatted": ('{\n"s":\n{ "ours":\n1\n}\n}', "{~}"),
    "a_sibling_of_the_parent_was_added": ('{"s": {"ours": 1}, "z": 0}', '{"z": 0}'),
    "the_entry_was_removed": ('{"z": 0, "s": { } }', '{"z": 0 }'),
    "the_entry_was_removed_and_its_parent_used": ('{"s": {"theirs": 2}}', '{"s": {"theirs": 2}}'),
    "the_parent_was_removed": ('{"z": 0}', '{"z": 0}'),
}


@pytest.mark.parametrize(("now", "after"), ENTRY_REMOVALS.values(), ids=ENTRY_REMOVALS)
def test_removal_takes_our_entry_alone_and_an_empty_parent_of_ours_when(now: str, after: str) -> None:
    undo = Undo(Change.INSERTED, created=1, filler="~")
    assert remove_entry(now.encode(), ("s", "ours"), undo).decode() == after


ITEM_REMOVALS = {
    "an_item_was_added_after": ('{"s": [1, 2]}', '{"s": [2]}'),
    "an_item_was_added_before": ('{"s": [2 , 1 ]}', '{"s": [2 ]}'),
    "items_were_added_on_both_sides": ('{"s": [2,\n1\n, 3]}', '{"s": [2\n, 3]}'),
    "the_list_was_reformatted": ('{\n"s":\n[ 1\n]\n}', "{~}"),
    "a_sibling_of_the_list_was_added": ('{"s": [1], "z": 0}', '{"z": 0}'),
    "the_item_was_removed": ('{"z": 0, "s": [ ] }', '{"z": 0 }'),
    "the_item_was_removed_and_the_list_used": ('{"s": [2]}', '{"s": [2]}'),
    "the_list_was_removed": ('{"z": 0}', '{"z": 0}'),
}


@pytest.mark.parametrize(("now", "after"), ITEM_REMOVALS.values(), ids=ITEM_REMOVALS)
def test_removal_takes_our_item_alone_and_an_empty_list_of_ours_when(now: str, after: str) -> None:
    undo = Undo(Change.INSERTED, created=1, filler="~")
    assert remove_item(now.encode(), ("s",), 1, undo).decode() == after


def test_a_parent_that_was_there_stays_even_when_it_becomes_empty() -> None:
    assert remove_entry(b'{"s": {"ours": 1}}', ("s", "ours"), Undo(Change.INSERTED)) == b'{"s": {}}'
    assert remove_item(b'{"s": [1]}', ("s",), 1, Undo(Change.INSERTED, filler=" ")) == b'{"s": [ ]}'


def test_the_document_itself_is_never_taken_for_a_parent_that_was_created() -> None:
    undo = Undo(Change.INSERTED, created=9)
    assert remove_entry(b'{"s": {"ours": 1}}', ("s", "ours"), undo) == b"{}"
    assert remove_entry(b"{}", ("s", "ours"), undo) == b"{}"


def test_a_replaced_entry_that_is_gone_is_not_brought_back() -> None:
    assert remove_entry(b'{"a": 1}', ("k",), Undo(Change.REPLACED, prior="2")) == b'{"a": 1}'


def test_several_edits_of_one_document_come_undone_in_reverse() -> None:
    document = b'{\n  "permissions": { }\n}'
    one, first = add_item(document, ALLOW, "a")
    two, second = add_item(one, ALLOW, "b")
    three, third = set_entry(two, SERVER, ENTRY)
    assert remove_entry(three, SERVER, third) == two
    assert remove_item(two, ALLOW, "b", second) == one
    assert remove_item(one, ALLOW, "a", first) == document


@pytest.mark.parametrize(
    "undo",
    [Undo(Change.KEPT), Undo(Change.REPLACED, prior="é"), Undo(Change.INSERTED, created=2, filler="\r\n")],
)
def test_an_undo_survives_being_kept_as_json(undo: Undo) -> None:
    assert Undo.from_json(json.loads(json.dumps(undo.to_json()))) == undo


@pytest.mark.parametrize("raw", [{}, {"change": "eaten", "prior": "", "created": 0, "filler": ""}])
def test_an_undo_that_was_damaged_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Undo.from_json(raw)


def test_lookup_tells_absence_from_null() -> None:
    assert lookup(b'{"a": null}', ("a",)) is None
    assert lookup(b'{"a": null}', ("b",)) is ABSENT
    assert lookup(b'{"a": {}}', ("a", "b", "c")) is ABSENT


def test_a_number_of_thousands_of_digits_is_read_as_the_client_reads_it() -> None:
    assert parse(b"9" * 5000) == math.inf


NOT_JSON = {
    "empty": (b"", "1:1: empty, not even {}"),
    "blank": (b" \n", "2:1: empty, not even {}"),
    "only_a_byte_order_mark": (b"\xef\xbb\xbf", "1:1: empty, not even {}"),
    "truncated_object": (b'{"a": {"b": 1}', "1:15: the file ends in the middle"),
    "truncated_below": (b'{\n"a": {"b":', "2:11: the file ends in the middle"),
    "truncated_string": (b'{"a": "b', "1:7: unterminated string"),
    "line_comment": (b'{\n  // mine\n  "a": 1\n}', "2:3: a comment is not JSON"),
    "block_comment_below": (b'{"a": [\r\n1, /* mine */ 2]}', "2:4: a comment is not JSON"),
    "comment_after": (b"{} // mine", "1:4: a comment is not JSON"),
    "trailing_comma": (b'{"a": 1,\n}', "1:8: a trailing comma is not JSON"),
    "trailing_comma_below": (b'{"a": [1,\r{"b": 1 , }]}', "2:9: a trailing comma is not JSON"),
    "single_quotes": (b"{'a': 1}", "1:2: expecting a key in double quotes"),
    "no_colon": (b'{"a" 1}', "1:6: expecting ':'"),
    "no_comma": (b'{"a": 1 "b": 2}', "1:9: expecting ',' or '}'"),
    "two_commas": (b'{"a": 1,, "b": 2}', "1:9: expecting a key in double quotes"),
    "a_bare_word": (b'{"mcpServers": nope, "permissions": nope}', "1:16: expecting value"),
    "leading_zero": (b'{"a": 01}', "1:8: expecting ',' or '}'"),
    "not_a_number": (b'{"a": "NaN", "b": [NaN]}', "1:20: NaN is not JSON"),
    "infinity": ('{"é\\"": "é",\n"b": -Infinity}'.encode(), "2:6: -Infinity is not JSON"),
    "bad_escape": (b'{"a": "\\x"}', "1:8: invalid \\escape"),
    "raw_line_break_in_a_string": (b'{"a": "x\ny"}', "1:9: invalid control character"),
    "a_second_document": ('{"é": "é"} {}'.encode(), "1:12: more text after the end of the document"),
    "latin_1": (b'{"a": "\xe9t\xe9"}', "1:8: not UTF-8"),
    "truncated_character": (b'{"a": "\xf0\x9f\x99', "1:8: not UTF-8"),
    "utf_16": ('{"a": 1}'.encode("utf-16"), "1:1: not UTF-8"),
    "nested_too_deeply": (b'{\n"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "2:6: nested too deeply"),
}


@pytest.mark.parametrize(("document", "complaint"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused_with_its_place(document: bytes, complaint: str) -> None:
    undo = Undo(Change.INSERTED)
    for edit in (
        lambda: lookup(document, SERVER),
        lambda: set_entry(document, SERVER, ENTRY),
        lambda: remove_entry(document, SERVER, undo),
        lambda: add_item(document, ALLOW, RULE),
        lambda: remove_item(document, ALLOW, RULE, undo),
    ):
        with pytest.raises(EditError) as caught:
            edit()
        assert str(caught.value) == complaint
    with pytest.raises(EditError):
        parse(document)


def test_around_the_deepest_nesting_that_python_reads_nothing_but_a_refusal_is_raised() -> None:
    def is_refused(depth: int) -> bool:
        try:
            lookup(b'{"a": ' + b"[" * depth + b"]" * depth + b"}", ("a",))
        except EditError as error:
            return error.what == "nested too deeply"
        return False

    deepest = bisect(range(100_000), 0, key=is_refused)
    assert not is_refused(500)
    assert {is_refused(depth) for depth in range(deepest - 20, deepest + 20)} == {False, True}


def test_a_bad_byte_is_found_beyond_the_first_megabyte() -> None:
    document = b'{"a": "' + "é".encode() * 600_000 + b'",\n"b": "\xff"}'
    with pytest.raises(EditError) as caught:
        parse(document)
    assert (caught.value.line, caught.value.column, caught.value.what) == (2, 7, "not UTF-8")


NOT_OURS_TO_GUESS = {
    "a_list_for_a_document": (b"[]", "1:1: the document is a list, not an object"),
    "a_number_for_our_parent": (b'{"mcpServers": 5}', '1:16: "mcpServers" is a number, not an object'),
    "null_for_our_parent": (b'{"mcpServers": null}', '1:16: "mcpServers" is null, not an object'),
    "our_parent_twice": (
        b'{"mcpServers": {},\n "mcpServer\\u0073": {}}',
        '2:2: "mcpServers" stands here a second time',
    ),
    "our_entry_twice": (
        b'{"mcpServers": {"local-models": 1, "local-models": 1}}',
        '1:36: "local-models" stands here a second time',
    ),
}


@pytest.mark.parametrize(("document", "complaint"), NOT_OURS_TO_GUESS.values(), ids=NOT_OURS_TO_GUESS)
def test_what_must_not_be_guessed_is_refused_with_its_place(document: bytes, complaint: str) -> None:
    undo = Undo(Change.INSERTED)
    for edit in (
        lambda: lookup(document, SERVER),
        lambda: set_entry(document, SERVER, ENTRY),
        lambda: remove_entry(document, SERVER, undo),
        lambda: add_item(document, (*SERVER, "list"), RULE),
    ):
        with pytest.raises(EditError) as caught:
            edit()
        assert str(caught.value) == complaint


@pytest.mark.parametrize("found", ["an object", "a string", "true", "false", "null", "a number"])
def test_an_item_is_added_to_nothing_but_a_list(found: str) -> None:
    value = {"an object": "{}", "a string": '"x"', "a number": "-1"}.get(found, found)
    with pytest.raises(EditError) as caught:
        add_item(f'{{"allow": {value}}}'.encode(), ("allow",), RULE)
    assert str(caught.value) == f'1:11: "allow" is {found}, not a list'
