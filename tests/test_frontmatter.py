"""Agent files are read as the client reads them; the expectations were measured on 2.1.197 and 2.1.330."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor_setup import frontmatter
from supervisor_setup.frontmatter import Frontmatter, NoFrontmatter, Unreadable, parse


def read(text: str | bytes) -> dict[str, object]:
    """The values of a file that can be read."""
    parsed = parse(text.encode() if isinstance(text, str) else text)
    assert isinstance(parsed, Frontmatter), parsed
    return {key: field.value for key, field in parsed.fields.items()}


def described(description: str) -> object:
    """What becomes of a description, written as it stands."""
    return read(f"---\nname: a\ndescription: {description}\nmodel: haiku\n---\n")["description"]


def broken(description: str) -> bool:
    """Whether such a description makes the client drop the file."""
    return isinstance(parse(f"---\nname: a\ndescription: {description}\n---\n".encode()), Unreadable)


def test_values_come_with_the_lines_of_their_keys():
    parsed = parse(b"---\nname: a\n\n# why\ndescription: >\n  folded\n  text\ntools: Read\n---\nBody\n")
    assert isinstance(parsed, Frontmatter)
    assert {key: field.line for key, field in parsed.fields.items()} == {
        "name": 2,
        "description": 5,
        "tools": 8,
    }
    assert parsed.fields["description"].value == "folded text\n"
    assert parsed.body == "Body"


def test_blank_lines_after_the_opening_fence_keep_the_line_numbers_right():
    parsed = parse(b"---\n\n\nname: a\n---\n")
    assert isinstance(parsed, Frontmatter)
    assert parsed.fields["name"].line == 4


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_crlf_file_reads_like_an_lf_file(newline: str):
    text = newline.join(["---", "name: a", "description: b", "tools:", "  - Read", "  - Grep", "---", "Body"])
    assert read(text) == {"name": "a", "description": "b", "tools": ["Read", "Grep"]}


def test_a_byte_order_mark_is_noted_and_passed_over():
    parsed = parse(b"\xef\xbb\xbf---\nname: a\n---\n")
    assert isinstance(parsed, Frontmatter)
    assert parsed.bom
    assert parsed.fields["name"].value == "a"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Use this: always", "Use this: always"),
        ("use **bold** text", "use **bold** text"),
        ("@foo bar", "@foo bar"),
        ("`foo` bar", "`foo` bar"),
        ("[a] b", "[a] b"),
        ("{a} b", "{a} b"),
        ("*all the things", "*all the things"),
        ('<example>user: "x"</example>', '<example>user: "x"</example>'),
        (r"C:\new: it", r"C:\new: it"),
        ("a # comment", "a"),
        ('it\'s "fine"', 'it\'s "fine"'),
        ('"quoted # text"', "quoted # text"),
        ('"quoted" # comment', "quoted"),
        ("'it''s'", "it's"),
        (r'"a \u0041 \x41"', "a A A"),
        ("a\n  b c\n  d", "a b c d"),
        ("|\n  a: b\n  c", "a: b\nc\n"),
        ("", None),
        ("2020-01-01", "2020-01-01"),
    ],
)
def test_descriptions_that_the_client_reads(written: str, meant: str | None):
    assert described(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        '"never closed',
        "'never closed",
        '"quoted" and more',
        '"a "b" c"',
        "'it's'",
        r'"a \d x"',
        "- a dash",
        "ends with a colon:",
        "goes on\nunindented: no colon\nhere",
        "goes on\n  indented: with a colon\n  here",
        '"goes on\nunindented"',
    ],
)
def test_descriptions_for_which_the_client_drops_the_file(written: str):
    assert broken(written)


def test_one_bad_line_makes_the_client_quote_the_others_too():
    assert read("---\nname: a\ndescription: Use: this\nmodel: haiku # fast\n---\n")["model"] == "haiku # fast"
    assert read("---\nname: a\ndescription: Use this\nmodel: haiku # fast\n---\n")["model"] == "haiku"


def test_the_second_chance_leaves_lists_alone():
    text = "---\nname: a\ndescription: Use: this\ntools: [Read, Grep]\nskills: [a, [b]\n---\n"
    values = read(text)
    assert values["tools"] == ["Read", "Grep"]
    assert values["skills"] == "[a, [b]"


def test_the_line_that_is_no_yaml_is_reported():
    parsed = parse(b"---\nname: a\ndescription: Use: this\n---\n")
    assert isinstance(parsed, Frontmatter)
    assert parsed.requoted == 3


def test_the_second_chance_does_not_see_crlf_lines_nested_lines_or_keys_with_digits():
    assert isinstance(parse(b"---\r\nname: a\r\ndescription: Use: this\r\n---\r\n"), Unreadable)
    assert isinstance(parse(b"---\nname: a\nmore:\n  x: Use: this\n---\n"), Unreadable)
    assert isinstance(parse(b"---\nname: a\nkey2: Use: this\n---\n"), Unreadable)


def test_the_second_chance_takes_leading_tabs_for_indentation():
    assert read("---\nname: a\ntools:\n\t- Read\n---\n") == {"name": "a", "tools": ["Read"]}


def test_three_dashes_inside_a_value_end_the_frontmatter():
    parsed = parse(b"---\nname: a\ndescription: one --- two\nmodel: haiku\n---\nBody\n")
    assert isinstance(parsed, Frontmatter)
    assert parsed.cut == 3
    assert "model" not in parsed.fields
    assert parsed.fields["description"].value == "one"


def test_an_indented_closing_fence_is_a_closing_fence():
    parsed = parse(b"---\nname: a\n  ---\nBody\n")
    assert isinstance(parsed, Frontmatter)
    assert parsed.cut is None
    assert parsed.body == "Body"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Title\n",
        "\n---\nname: a\n---\n",
        " ---\nname: a\n---\n",
        "---\nname: a\n",
        "---\rname: a\r---\r",
        "--- yaml\nname: a\n---\n",
    ],
)
def test_files_that_the_client_takes_for_documentation(text: str):
    assert isinstance(parse(text.encode()), NoFrontmatter)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("123", 123),
        ("012", 12),
        ("0x10", 16),
        ("1e3", 1000.0),
        ("true", True),
        ("~", None),
        ("null", None),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.2.3", "1.2.3"),
        ('"123"', "123"),
    ],
)
def test_names_are_typed_as_yaml_1_2_types_them(written: str, meant: object):
    assert read(f"---\nname: {written}\n---\n")["name"] == meant


def test_the_last_of_two_equal_keys_wins():
    assert read("---\nname: a\nname: b\n---\n") == {"name": "b"}


def test_a_frontmatter_that_is_no_mapping_has_no_fields():
    assert read("---\n- name: a\n---\n") == {}


def test_a_file_over_the_size_limit_is_not_read():
    head = b"---\nname: a\ndescription: b\n---\n"
    assert isinstance(parse(head + b"x" * frontmatter.MAX_BYTES), Unreadable)
    assert isinstance(parse((head + b"x" * frontmatter.MAX_BYTES)[: frontmatter.MAX_BYTES]), Frontmatter)


@settings(deadline=None)  # the first example imports a parser
@given(st.binary(max_size=300))
def test_nothing_makes_the_reader_raise(data: bytes):
    parse(data)
    parse(b"---\n" + data + b"\n---\n")


YAML_ISH = st.text(st.sampled_from("ab:-#\"'[]{},&*!|>%@`\\ \n.~017eExtrunl\u00e9"), max_size=40)


@settings(deadline=None)  # the first example imports a parser
@given(YAML_ISH)
def test_a_line_that_needs_no_parser_reads_as_the_parser_reads_it(value: str):
    text = f"name: a\ndescription: {value}\nmodel: haiku\n"
    simple = frontmatter._load_simple(text)
    if simple is not None:
        assert repr(simple) == repr(frontmatter._load_yaml(text))  # repr, because NaN differs from itself


INDENTED = st.tuples(st.integers(0, 3), st.text(st.sampled_from("ab: -#'\"*\u00e9"), max_size=8))
TAIL = st.sampled_from(["model: haiku\n", "", "\nmodel: haiku", "# c\nmodel: haiku\n", "\n\n"])


@settings(deadline=None)
@given(st.sampled_from(["|", ">", "|-", ">-", "|+", ">2"]), st.lists(INDENTED, max_size=5), TAIL)
def test_a_block_that_needs_no_parser_reads_as_the_parser_reads_it(
    header: str, lines: list[tuple[int, str]], tail: str
):
    body = "".join(" " * indent + line + "\n" for indent, line in lines)
    text = f"name: a\ndescription: {header}\n{body}{tail}"
    simple = frontmatter._load_simple(text)
    if simple is not None:
        assert repr(simple) == repr(frontmatter._load_yaml(text))


@settings(deadline=None)
@given(YAML_ISH)
def test_a_line_that_is_refused_without_a_parser_is_refused_by_the_parser(value: str):
    text = f"name: a\ndescription: {value}\nmodel: haiku\n"
    _, odd = frontmatter._read_simple(text)
    if odd is not None and frontmatter._is_surely_refused(text, odd):
        with pytest.raises(frontmatter._YamlError) as refused:
            frontmatter._load_yaml(text)
        assert refused.value.line == odd


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("|\n  one\n  two\n", "one\ntwo\n"),
        ("|-\n    one\n      two\n\n", "one\n  two"),
        (">\n  one\n  two\n\n  three\n", "one two\nthree\n"),
        (">-\n  one: a\n  # two\n", "one: a # two"),
    ],
)
def test_blocks_that_the_client_reads(written: str, meant: str):
    assert described(written) == meant


def test_usual_files_are_read_without_the_yaml_parser(monkeypatch: pytest.MonkeyPatch):
    def unexpected(text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr(frontmatter, "_load_yaml", unexpected)
    for written in ("Use this: always", "|\n  a: b", ">\n  one\n  two", "`code`", "@name"):
        described(written)
    assert read("---\nname: a\ntools: *\n---\n")["tools"] == "*"
    assert read("---\nname: a\ntools: []\n---\n")["tools"] == []


def test_simple_files_are_read_without_importing_a_yaml_parser():
    code = (
        "import sys\nfrom supervisor_setup.frontmatter import parse\n"
        "parse(b'---\\nname: a\\ndescription: \"Use: this\"\\ntools: [Read, Grep]\\n---\\nBody')\n"
        "assert not any(name.startswith('ruamel') for name in sys.modules), 'imported'\n"
    )
    roots = [str(Path(frontmatter.__file__).parents[1])]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(roots)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
