"""Edits of YAML documents: one value changes; comments, order, quotes and line breaks around it do not."""

from codecs import BOM_UTF8

import pytest

from supervisor_setup.edit import EditError, same_value
from supervisor_setup.edit.yaml_entries import Place, dump, line_of, load, set_value

CONFIG = """\
# mine
version: 1   # keep
tiers:
  fast: haiku   # cheap
  "deep": 'opus'

backends:
  - kind: litellm
    url: "http://koala:4000"  # here
    api_key: {env: KEY}
  # second
  - kind: ollama
    url: http://koala:11434
    models:
      local-llama: "llama3.1:8b"
      # one more?

# end
"""

CHANGES: dict[str, tuple[Place, object, str, str]] = {
    "a_number": (("version",), 2, "version: 1 ", "version: 2 "),
    "a_plain_string": (("tiers", "fast"), "sonnet", "haiku", "sonnet"),
    "a_plain_string_that_needs_quotes": (("tiers", "fast"), "on", "haiku", '"on"'),
    "a_single_quoted_string": (("tiers", "deep"), "it's", "'opus'", "'it''s'"),
    "a_single_quoted_string_with_a_line_break": (("tiers", "deep"), "a\nb", "'opus'", '"a\\nb"'),
    "a_double_quoted_string": (("backends", 0, "url"), "http://x:1", '"http://koala:4000"', '"http://x:1"'),
    "a_string_by_another_type": (("backends", 0, "url"), None, '"http://koala:4000"', "null"),
    "a_value_by_a_mapping": (("version",), {"a": [1, {}]}, "version: 1 ", "version: {a: [1, {}]} "),
    "a_mapping_in_braces": (("backends", 0, "api_key"), {"file": "k"}, "{env: KEY}", "{file: k}"),
    "a_new_key_in_braces": (("backends", 0, "api_key", "file"), "/k", "KEY}", 'KEY, file: "/k"}'),
    "a_new_key": (("tiers", "new"), "x", "'opus'\n", "'opus'\n  new: x\n"),
    "a_new_key_in_an_item": (
        ("backends", 0, "timeout"),
        1.5,
        "{env: KEY}\n",
        "{env: KEY}\n    timeout: 1.5\n",
    ),
    "a_new_key_with_a_mapping": (
        ("tiers", "new"),
        {"a": {"b c": [1, {"d": [], "e": ""}]}},
        "'opus'\n",
        '\'opus\'\n  new:\n    a:\n      "b c":\n        - 1\n        - d: []\n          e: ""\n',
    ),
    "a_new_key_after_a_comment_that_is_deeper_in": (
        ("server", "name"),
        "local",
        "# one more?\n",
        "# one more?\nserver:\n  name: local\n",
    ),
    "a_mapping_that_gets_a_value_and_a_key": (
        ("backends", 1, "models"),
        {"local-llama": "x", "b": "c"},
        '"llama3.1:8b"\n      # one more?\n',
        '"x"\n      b: c\n      # one more?\n',
    ),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(("place", "value", "old", "new"), CHANGES.values(), ids=CHANGES)
def test_one_value_changes_and_nothing_else(
    place: Place, value: object, old: str, new: str, newline: str
) -> None:
    assert CONFIG.count(old) == 1
    before, expected = (text.replace("\n", newline).encode() for text in (CONFIG, CONFIG.replace(old, new)))
    assert set_value(before, place, value) == expected
    assert set_value(expected, place, value) == expected
    assert set_value(BOM_UTF8 + before, place, value) == BOM_UTF8 + expected


SHAPES: dict[str, tuple[str, Place, object, str]] = {
    "empty": ("", ("a", "b"), 1, "a:\n  b: 1\n"),
    "only_a_comment": ("# c\n", ("a", "b"), 1, "# c\na:\n  b: 1\n"),
    "only_a_comment_and_no_last_line_break": ("# c", ("a", "b"), 1, "# c\na:\n  b: 1"),
    "document_start": ("---\r\n", ("a",), 1, "---\r\na: 1\r\n"),
    "document_start_and_end": ("---\na: 1\n...\n", ("b",), 2, "---\na: 1\nb: 2\n...\n"),
    "no_last_line_break": ("a: 1", ("b",), 2, "a: 1\nb: 2"),
    "four_spaces": ("a:\n    b: 1\n", ("c", "d"), 2, "a:\n    b: 1\nc:\n    d: 2\n"),
    "braces_for_a_document": ("{}", ("a", "b"), 1, "{a: {b: 1}}"),
    "null_for_a_document": ("~ # c\n", ("a", "b"), 1, "{a: {b: 1}} # c\n"),
    "a_key_without_a_value": ("a:  # c\nb: 1\n", ("a", "k"), 1, "a:  # c\n  k: 1\nb: 1\n"),
    "a_key_without_a_value_gets_one": ("a: # c\nb: 1\n", ("a",), "x", "a: x # c\nb: 1\n"),
    "an_item_without_a_value": ("- # c\n- 1\n", (0,), "x", "- x # c\n- 1\n"),
    "null": ("a: ~ # c\n", ("a", "k"), 1, "a: {k: 1} # c\n"),
    "an_empty_mapping": ("a: { } # c\n", ("a", "k"), 1, "a: {k: 1} # c\n"),
    "a_key_without_a_value_in_braces": ("{a: , b: 1}\n", ("a", "k"), 1, "{a: {k: 1} , b: 1}\n"),
    "a_block_scalar": ("a: |\n  x\n  y\n\n# c\nb: 1\n", ("a",), "z", "a: z\n\n# c\nb: 1\n"),
    "a_key_after_a_block_scalar": ("a: |\n  x\n\n# c\n", ("b",), 1, "a: |\n  x\nb: 1\n\n# c\n"),
    "a_string_over_two_lines": ("a: x\n  y # c\n", ("a",), "z", "a: z # c\n"),
    "a_list_at_its_keys_indent": ("a:\n- x\n- y\nb: 1\n", ("a",), ["z"], "a:\n- z\nb: 1\n"),
    "a_list_by_one_value": ("a: # c\n- x\n- y\nb: 1\n", ("a",), 2, "a: 2 # c\nb: 1\n"),
    "an_item_by_one_value": ("- a: 1\n  b: 2\n- 3\n", (0,), [], "- []\n- 3\n"),
    "an_item_of_a_list": ("a: [x, 'y']\n", ("a", 1), "z", "a: [x, 'z']\n"),
    "a_list_of_the_same_length": ("a:\n  - x # c\n  - y\n", ("a",), ["x", "z"], "a:\n  - x # c\n  - z\n"),
    "an_anchor_that_nothing_refers_to": ("a: &n x\nb: 1\n", ("a",), "z", "a: &n z\nb: 1\n"),
    "an_anchored_value_left_out": ("a: &n # c\nb: 1\n", ("a",), 1, "a: &n 1 # c\nb: 1\n"),
    "an_anchored_empty_mapping": ("a: &n { }\n", ("a", "k"), 1, "a: &n {k: 1}\n"),
    "an_anchored_list": ("a: &n # c\n-\n- 1\n", ("a", 0), 2, "a: &n # c\n- 2\n- 1\n"),
    "an_alias": ("a: &n x\nb: *n\n", ("b",), "z", "a: &n x\nb: z\n"),
    "a_key_over_a_merged_one": (
        "a: &n {k: 1}\nb:\n  <<: *n\n",
        ("b", "k"),
        2,
        "a: &n {k: 1}\nb:\n  <<: *n\n  k: 2\n",
    ),
    "a_tag": ("a: !!str 1 # c\n", ("a",), 2, "a: 2 # c\n"),
    "nan_elsewhere": ("a: .nan\n", ("b",), 1, "a: .nan\nb: 1\n"),
}


@pytest.mark.parametrize(("before", "place", "value", "after"), SHAPES.values(), ids=SHAPES)
def test_every_shape_of_document_keeps_its_own(before: str, place: Place, value: object, after: str) -> None:
    assert set_value(before.encode(), place, value).decode() == after


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "null",
            "No",
            "y",
            "~",
            "1",
            "1.5",
            "0x1",
            "1e5",
            "1:30",
            "2020-01-01",
            ".inf",
            "<<",
            "=",
            "-",
            "- a",
        ),
        *(
            "a b",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "|",
            "{a",
            "[a",
            "@a",
            "`a",
            "%a",
            "?",
            ":",
            "a:",
            "a,b",
            "'",
            '"',
        ),
        *(
            "é",
            "🙂",
            "a\nb",
            "a\r\nb",
            "\t",
            "\\",
            "\x07",
            "\x7f",
            "\x85",
            "\u2028",
            "\ufeff",
            "\xa0",
        ),
        *(True, None, 0, -1, 10**30, 1.0, 1e30, 1e-7, float("inf"), float("-inf"), float("nan")),
    ],
    ids=ascii,
)
def test_a_value_reads_back_as_it_was_in_yaml_1_2_and_1_1(value: object) -> None:
    for before in (b"a: old\n", b"a: 'old'\n", b'a: "old"\n', b"a: {b: old}\n", b"%YAML 1.1\n---\na: old\n"):
        edited = set_value(before, ("a",), value)
        assert same_value(load(edited), {"a": value})


def test_a_key_that_needs_quotes_gets_them() -> None:
    edited = set_value(b"a: 1\n", ("b: c #d",), 2)
    assert edited == b'a: 1\n"b: c #d": 2\n'


REFUSED_EDITS: dict[str, tuple[str, Place, str]] = {
    "an_anchor_that_others_refer_to": ("a: &n x\nb: *n\n", ("a",), "1:1: cannot be changed without"),
    "inside_an_alias": ("a: &n {k: 1}\nb: *n\n", ("b", "k"), "2:4: this is an alias"),
    "inside_a_merge": (
        "a: &n {k: {l: 1}}\nb:\n  <<: *n\n",
        ("b", "k", "l"),
        "3:3: this is a mapping, so `k`",
    ),
    "comments_that_would_be_lost": (
        "a:\n  - 1\n  # c\n  - 2\n",
        ("a",),
        "2:3: its anchor, its tag or the comments",
    ),
    "comments_in_brackets_that_would_be_lost": ("a: [1, # c\n  2]\n", ("a",), "1:4: its anchor, its tag or"),
    "a_comment_before_a_bracket": ("a: [1 # c\n  ]\n", ("a",), "1:4: its anchor, its tag or"),
    "a_key_with_a_question_mark": ("? a\n: 1\n", ("b",), "1:1: cannot be changed without"),
    "a_list_within_itself": ("a: &n [*n]\n", ("b",), "1:1: cannot be changed without"),
    "an_anchor_that_would_be_lost": ("a: &n\n  k: 1\n", ("a",), "2:3: its anchor, its tag or"),
    "lines_that_a_scalar_keeps": ("a: |+\n  x\n\n", ("b",), "1:1: cannot be changed without"),
    "a_value_for_a_mapping": ("a: 1\n", ("a", "b"), "1:1: not a mapping, so there is no `b`"),
    "a_list_for_a_mapping": ("a: [1]\n", ("a", "b"), "1:1: not a mapping, so there is no `b`"),
    "no_such_item": ("a:\n  - 1\n", ("a", 1), "1:1: there is no item 1"),
    "a_mapping_for_a_list": ("x: 0\na: {b: 1}\n", ("a", 0), "2:1: there is no item 0"),
}


@pytest.mark.parametrize(("before", "place", "complaint"), REFUSED_EDITS.values(), ids=REFUSED_EDITS)
def test_what_cannot_be_changed_alone_is_refused_with_its_place(
    before: str, place: Place, complaint: str
) -> None:
    with pytest.raises(EditError) as caught:
        set_value(before.encode(), place, "new")
    assert str(caught.value).startswith(complaint)


REFUSED_DOCUMENTS = {
    "a_key_twice": (b"a: secret\nb: 1\na: 2\n", '3:1: "a" stands here a second time'),
    "a_key_twice_in_braces": (b"x: {a: 1, a: 2}\n", '1:11: "a" stands here a second time'),
    "not_utf_8": (b"a: \xff\n", "1:4: not UTF-8"),
    "not_closed": (b"a: [1", "1:6: expected ',' or ']'"),
    "not_closed_after_a_byte_order_mark": (BOM_UTF8 + "é: [1".encode(), "1:6: expected ',' or ']'"),
    "tab": ("é: 1\n\tb: 2".encode(), "2:1: found character"),
    "control_character": ("é: 🙂\x07".encode(), "1:5: U+0007 is not allowed in YAML"),
    "two_documents": (b"--- 1\n--- 2", "2:1: but found another document"),
    "unknown_tag": (b"a: !foo 1", "1:4: could not determine a constructor"),
    "python_object": (b"a: !!python/object:os.system 1", "1:4: could not determine a constructor"),
    "no_anchor": (b"a: *x", "1:4: found undefined alias"),
    "nested_too_deeply": (b"[" * 1000, "1:1: nested too deeply"),
    "impossible_date": (b"a: 2020-13-45", "1:1: month must be in 1..12"),
}


@pytest.mark.parametrize(("document", "complaint"), REFUSED_DOCUMENTS.values(), ids=REFUSED_DOCUMENTS)
def test_what_is_not_plain_yaml_is_refused_with_its_place(document: bytes, complaint: str) -> None:
    with pytest.raises(EditError) as caught:
        load(document)
    assert str(caught.value).startswith(complaint)
    assert "secret" not in str(caught.value)
    with pytest.raises(EditError):
        set_value(document, ("a",), 1)


def test_the_line_of_an_entry_is_found_or_that_of_the_nearest_around_it() -> None:
    document = CONFIG.encode()
    assert line_of(document, ("tiers", "deep")) == 5
    assert line_of(document, ("backends", 1)) == 12
    assert line_of(document, ("backends", 1, "models", "no", "such")) == 14
    assert line_of(document.replace(b"\n", b"\r\n"), ("backends", 1, "url")) == 13
    assert line_of(document, ("nothing",)) is None
    assert line_of(b"", ("nothing",)) is None


def test_a_dump_is_read_back_and_looks_written_by_hand() -> None:
    value = {"a": {"b": "http://x:1", "c": [], "d": None}, "e": [{"f": 1, "g": [True]}, "x y"]}
    assert load(dump(value).encode()) == value
    assert dump(value) == (
        'a:\n  b: http://x:1\n  c: []\n  d: null\ne:\n  - f: 1\n    g:\n      - true\n  - "x y"\n'
    )


def test_a_number_with_an_exponent_has_the_point_that_yaml_1_1_wants() -> None:
    assert dump(1e30) == "1.0e+30\n"
