"""JSON documents of every layout that the grammar allows, in spellings that no serialiser would choose."""

import json
from codecs import BOM_UTF8
from collections.abc import Callable

from tape import Tape

ENTRY = ("mcpServers", "local é")
LIST = ("permissions", "allow")

BLANKS = ["", "", "", " ", "\n", "\n  ", "\r\n\t", "\r", "  ", "\t", " \n\n   ", "\n\n"]
NUMBERS = ["0", "-0", "1", "1.0", "1e5", "-1.50E-3", "1E+300", "12345678901234567890", "0.10"]
SCALARS = [*NUMBERS, "true", "false", "null", '"\\ud800"', '"\\uDC00\\ud83D"', '"// no comment"']
CHARACTERS = 'aé🙂"\\/\n\x00\x7f\u2028{}[],:'
KEYS = ["", "a", "a", "é", "\n", *ENTRY, *LIST]
OTHER_KEYS = ["", "a", "a", "é", "local", "mcpServers ", "MCPSERVERS", "[]"]


def a_string(tape: Tape, text: str) -> str:
    raw = text.encode("utf-16-be", "surrogatepass").hex().upper()
    escaped = "".join(f"\\u{raw[at : at + 4]}" for at in range(0, len(raw), 4))
    plain = json.dumps(text, ensure_ascii=False)
    return tape.pick([plain, json.dumps(text), f'"{escaped}"', plain.replace("/", "\\/")])


def a_scalar(tape: Tape) -> str:
    if tape.pick([False, True]):
        return a_string(tape, "".join(tape.pick(CHARACTERS) for _ in range(tape.pick(range(4)))))
    return tape.pick(SCALARS)


def a_container(tape: Tape, brackets: str, entries: list[str]) -> str:
    spaced = ",".join(tape.pick(BLANKS) + entry + tape.pick(BLANKS) for entry in entries)
    return brackets[0] + (spaced or tape.pick(BLANKS)) + brackets[1]


def a_pair(tape: Tape, key: str, value: str) -> str:
    return a_string(tape, key) + tape.pick(BLANKS) + ":" + tape.pick(BLANKS) + value


def a_list(tape: Tape, depth: int = 1) -> str:
    return a_container(tape, "[]", [a_value(tape, depth) for _ in range(tape.pick(range(4)))])


def an_object(tape: Tape, depth: int = 1) -> str:
    values = [a_value(tape, depth) for _ in range(tape.pick(range(4)))]
    return a_container(tape, "{}", [a_pair(tape, tape.pick(KEYS), value) for value in values])


def a_value(tape: Tape, depth: int = 2) -> str:
    kind = tape.pick("ss[{") if depth else "s"
    if kind == "s":
        return a_scalar(tape)
    return a_list(tape, depth - 1) if kind == "[" else an_object(tape, depth - 1)


def a_document(tape: Tape, way: tuple[str, ...], last: Callable[[Tape], str]) -> bytes:
    """A document in which some leading part of `way` exists, with `last` at its end, among other entries."""
    reached = tape.pick(range(len(way) + 1))
    text = last(tape)
    for depth in range(min(reached, len(way) - 1), -1, -1):
        entries = [a_pair(tape, tape.pick(OTHER_KEYS), a_value(tape)) for _ in range(tape.pick(range(4)))]
        if depth < reached:
            entries.insert(tape.pick(range(len(entries) + 1)), a_pair(tape, way[depth], text))
        text = a_container(tape, "{}", entries)
    return tape.pick([b"", b"", BOM_UTF8]) + (tape.pick(BLANKS) + text + tape.pick(BLANKS)).encode()
