"""Endless repetition is told from texts that repeat themselves for good reasons."""

import random
import time

import pytest

from supervisor_mcp.repetition import WINDOW_CHARS, cut, is_runaway

SENTENCE = "I am sorry, but I cannot help with that request at this time. "
PARAGRAPH = (
    "The function reads the file and returns its lines. It then checks each of them for errors, and reports "
    "what it has found to the caller, who decides what is to be done about it.\n"
)
TABLE = "| name | kind | size |\n|------|------|------|\n" + "| file | text | small |\n" * 40
CODE = "    except ValueError:\n        pass\n" * 25


@pytest.mark.parametrize(
    "text",
    [
        "A good beginning. " + SENTENCE * 12,
        PARAGRAPH * 7,
        "Paris. " + SENTENCE * 12 + SENTENCE[:20],  # stopped in the middle of it
        "the " * 1000,
        "0" * 4000,
        "{" + '"a": 1, ' * 500,
        '{"label": "' + "\n" * 500,
        "one two three four five six\n" * 20,
        "x" * 20_000 + SENTENCE * 10,
        "我们不能这样做。" * 400,
    ],
)
def test_endless_repetition_is_recognised(text):
    assert is_runaway(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The capital of France is Paris.",
        SENTENCE * 5,
        SENTENCE * 20 + "But then it came to an end.",
        TABLE,
        CODE,
        "spam\n" * 200,
        "item 1: ham\n" * 100,
        "-" * 300,
        "=" * 80 + "\n" + "a heading\n" + "=" * 80,
        "\n".join(f"{number}. The file number {number} is a test of the parser." for number in range(100)),
        "\n".join(f"line {number}" for number in range(1000)),
        "0, " * 256,
        "<li><a href='#'>Read more about this</a></li>\n" * 12,
        '[{"label": "spam", "reason": "it sells something that nobody has asked for"},' * 9,
        "na " * 16 + "Batman",
    ],
)
def test_texts_that_repeat_themselves_for_good_reasons_pass(text):
    assert not is_runaway(text)
    assert cut(text) == text


def test_a_text_is_cut_after_the_first_of_what_it_repeats():
    for times in (12, 300):
        assert cut("Behold: " + SENTENCE * times).strip() == ("Behold: " + SENTENCE).strip()
    stopped = cut("Behold: " + SENTENCE * 12 + SENTENCE[:20])
    assert stopped.strip() == ("Behold: " + SENTENCE).strip()


def test_only_the_end_of_a_long_text_is_looked_at_and_quickly():
    words = [f"w{number}" for number in range(500)]
    text = " ".join(random.Random(1).choices(words, k=200_000))
    began = time.perf_counter()
    assert not is_runaway(text)
    assert time.perf_counter() - began < 0.2
    assert len(text) > WINDOW_CHARS
