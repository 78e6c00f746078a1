"""`path:line` in what a model says is held against the files that were read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_mcp.tools import citations, fences

LINES_OF = {
    "src/a.py": 10,
    "b.md": 3,
    "src/sub dir/c d.ts": 5,
    "/extra/x.txt": 2,
    "a/same.py": 9,
    "b/same.py": 9,
}


@pytest.mark.parametrize(
    ("text", "checked", "wrong"),
    [
        ("src/a.py:1", "src/a.py:1", 0),
        ("(src/a.py:10)", "(src/a.py:10)", 0),
        ("`./src/a.py:3`", "`src/a.py:3`", 0),
        ("a.py:3 and b.md:3", "src/a.py:3 and b.md:3", 0),
        ("src/a.py:2-4, src/a.py:2\u20134", "src/a.py:2-4, src/a.py:2-4", 0),
        ("src/sub dir/c d.ts:5", "src/sub dir/c d.ts:5", 0),
        ("/extra/x.txt:2", "/extra/x.txt:2", 0),
        ("src/a.py:0", "[no such place]", 1),
        ("src/a.py:11", "[no such place]", 1),
        ("src/a.py:4-2", "[no such place]", 1),
        ("same.py:1", "[no such place]", 1),
        ("../src/a.py:1", "[no such place]", 1),
        ("/etc/passwd:1", "[no such place]", 1),
        ("at 12:30, 16:9, localhost:8080", "at 12:30, 16:9, localhost:8080", 0),
        ("http://example.com:8080/x", "http://example.com:8080/x", 0),
        ("a::b std::vec 1:2:3", "a::b std::vec 1:2:3", 0),
    ],
)
def test_citations_are_held_against_the_files_that_were_read(text, checked, wrong):
    assert citations.checked(text, LINES_OF) == (checked, wrong)


@given(st.text(alphabet="ab./:-0123 ", max_size=60))
def test_no_citation_that_is_left_with_a_known_path_is_wrong(text):
    left, _ = citations.checked(text, {"a.b": 3, "a/b.a": 5})
    for path, first in re.findall(r"(?<![\w/.:-])(a\.b|a/b\.a):(\d{1,9})(?![\w:])", left):
        assert 1 <= int(first) <= {"a.b": 3, "a/b.a": 5}[path]


def test_checking_citations_twice_changes_nothing_more():
    once, _ = citations.checked("a.py:3 x.py:1 src/a.py:99", LINES_OF)
    assert citations.checked(once, LINES_OF) == (once, 0)
    assert fences.line(once, 100) == once
