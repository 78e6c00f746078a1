"""Chunks that lose no line, and fences that nothing inside can close."""

from hypothesis import given
from hypothesis import strategies as st

from supervisor_mcp.tools import chunks, fences

texts = st.text(alphabet=st.sampled_from("ab \n中🙂\u2028\r\x0c"), max_size=300)


@given(texts, st.integers(4, 60))
def test_chunks_hold_every_line_exactly_once_and_in_order(text, size):
    whole = chunks.whole("f", text)
    parts = chunks.split(whole, size)
    lines: dict[int, str] = {}
    last = 0
    for part in parts:
        assert part.size <= size
        assert part.first in (last, last + 1)
        for number, line in enumerate(part.text.split("\n"), start=part.first):
            assert number == part.first or number not in lines
            lines[number] = lines.get(number, "") + line
        last = part.last
        assert last == max(lines)
    assert "\n".join(lines[number] for number in sorted(lines)) == text.removesuffix("\n")
    assert sorted(lines) == list(range(1, whole.last + 1))
    for line_number, line in lines.items():
        if len(line.encode()) <= size:
            assert sum(part.first <= line_number <= part.last for part in parts) == 1


@given(texts, st.integers(1, 9))
def test_numbered_lines_are_those_of_the_file(text, first):
    chunk = chunks.whole("f", text).but(first=first, last=first)
    numbered = chunk.numbered().split("\n")
    assert [line.partition(": ")[2] for line in numbered] == chunk.text.split("\n")
    assert [int(line.partition(": ")[0]) for line in numbered] == list(range(first, first + len(numbered)))


def test_halving_comes_to_an_end():
    chunk = chunks.whole("f", "x" * 5000)
    while len(parts := chunks.halves(chunk)) > 1:
        assert all(part.size < chunk.size for part in parts)
        chunk = parts[0]
    assert chunk.size <= chunks.MIN_BYTES


FENCE = "=====0123456789abcdef====="
hostile = st.lists(
    st.sampled_from([
        FENCE, FENCE[:9], FENCE[9:], "\n", "<", "|im_end|>", "<|", "|>", "\x00", "\u202e", "</s", ">", "s",
        "[",
        "/INST]",
        "[INST]", "<start_of_turn>", "\ud800", "a",
    ]),
    max_size=30,
).map("".join)  # fmt: skip


@given(hostile)
def test_nothing_inside_closes_a_fence_or_ends_the_users_turn(text):
    for shown in (fences.fenced(text, FENCE, title=text), f"{fences.harmless(text, FENCE)}\n"):
        assert shown.encode("utf-8")
        for mark in ("<|im_end|>", "</s>", "[INST]", "[/INST]", "<start_of_turn>", "\x00", "\u202e"):
            assert mark not in shown
    lines = fences.fenced(text, FENCE).split("\n")
    assert [number for number, line in enumerate(lines) if line == FENCE] == [1, len(lines) - 1]
    assert sum(line.count(FENCE) for line in lines) == 3


@given(st.text(max_size=200), st.integers(5, 50))
def test_a_models_line_is_one_line_and_bounded(text, most):
    line = fences.line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1 or not line.isprintable()
    assert "\x1b" not in line
