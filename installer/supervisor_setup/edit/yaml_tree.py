"""A YAML document as a tree of spans, built from the marks of ruamel.yaml's parser events."""

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from supervisor_setup.edit.yaml_text import YamlText, events
from supervisor_setup.values import dataclass

_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s|#[^\r\n]*)*){0,2}")
_DASH = re.compile(r"(?:\s|#[^\r\n]*)*(-)")
_COLON = re.compile(r"\s*:")


class Kind(Enum):
    """What a node is."""

    SCALAR = "a single value"
    ALIAS = "an alias"
    MAPPING = "a mapping"
    SEQUENCE = "a list"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a mapping, from its key on, or an item of a list, from its dash on.

    Its value may start at `opens`, right after the colon or dash.
    """

    start: int
    opens: int
    key: "Node | None"
    value: "Node"


@dataclass(frozen=True, slots=True)
class Node:
    """A value: its span, without an anchor before it and without blanks or comments after it.

    A value that is left out has an empty span, right after its colon or dash. `text` is a scalar's content,
    `style` the mark that it starts with (`'`, `"`, `|`, `>`, or none). `flow` tells a collection in brackets,
    `named` one with an anchor or a tag.
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    style: str = ""
    flow: bool = False
    named: bool = False
    entries: tuple[Entry, ...] = ()

    @property
    def is_left_out(self) -> bool:
        """Whether nothing stands there, which YAML reads as null."""
        return self.kind is Kind.SCALAR and self.start == self.end

    def entry(self, part: str | int) -> Entry | None:
        """The entry of that key or position; None where there is none, or this is no such collection."""
        if isinstance(part, int):
            is_there = self.kind is Kind.SEQUENCE and 0 <= part < len(self.entries)
            return self.entries[part] if is_there else None
        keyed = ((entry.key, entry) for entry in self.entries if entry.key is not None)
        return next((entry for key, entry in keyed if key.kind is Kind.SCALAR and key.text == part), None)

    def leaves(self) -> Iterator["Node"]:
        """The keys, scalars and aliases in it, in the order of the text."""
        if not self.entries:
            yield self
        for entry in self.entries:
            if entry.key is not None:
                yield from entry.key.leaves()
            yield from entry.value.leaves()


def tree(document: YamlText) -> Node | None:
    """The document's value, None where there is none; the document must be one that loads."""
    return _tree(document.text)


@lru_cache(maxsize=16)
def _tree(text: str) -> Node | None:
    """Kept for the same reason as the data of a text: it is asked for again and again."""
    parsed = events(text)
    for event in parsed:
        if type(event).__name__ == "DocumentStartEvent":
            node = _Builder(text, parsed).node(next(parsed), event.end_mark.index)
            return None if node.is_left_out else node
    return None


class _Builder:
    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events

    def node(self, event: Any, left_out_at: int) -> Node:
        """The node that an event starts; `left_out_at` is its position if nothing stands there."""
        start, end = event.start_mark.index, event.end_mark.index
        kind = type(event).__name__
        if kind == "AliasEvent":
            return Node(Kind.ALIAS, start, end, event.anchor)
        if kind == "ScalarEvent":
            return self._scalar(event, left_out_at)
        named = event.anchor is not None or event.tag is not None
        if named:
            start = self._after_properties(start)
        if kind == "MappingStartEvent":
            entries, end = self._mapping()
            return Node(Kind.MAPPING, start, end, flow=event.flow_style, named=named, entries=entries)
        entries, end = self._sequence(start, event.flow_style)
        return Node(Kind.SEQUENCE, start, end, flow=event.flow_style, named=named, entries=entries)

    def _scalar(self, event: Any, left_out_at: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        if start == end:
            start = end = left_out_at
        elif event.anchor is not None:  # a tag alone belongs to the value, and goes with it
            start = min(self._after_properties(start), end)
        end = start + len(self._text[start:end].rstrip())
        return Node(Kind.SCALAR, start, end, event.value, event.style or "")

    def _mapping(self) -> tuple[tuple[Entry, ...], int]:
        entries: list[Entry] = []
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self.node(event, event.start_mark.index)
            colon = _COLON.match(self._text, key.end)
            opens = colon.end() if colon else key.end
            entries.append(Entry(event.start_mark.index, opens, key, self.node(next(self._events), opens)))
        return tuple(entries), self._end(event, entries)

    def _sequence(self, at: int, flow: bool) -> tuple[tuple[Entry, ...], int]:
        entries: list[Entry] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            dash = None if flow else _DASH.match(self._text, at)
            start, opens = dash.span(1) if dash else (event.start_mark.index,) * 2
            value = self.node(event, opens)
            entries.append(Entry(start, opens, None, value))
            at = value.end
        return tuple(entries), self._end(event, entries)

    def _end(self, event: Any, entries: list[Entry]) -> int:
        """Of a flow collection its bracket; a block collection's end mark is the start of what follows it."""
        in_brackets = event.end_mark.index > event.start_mark.index
        return event.end_mark.index if in_brackets or not entries else entries[-1].value.end

    def _after_properties(self, start: int) -> int:
        found = _PROPERTIES.match(self._text, start)
        assert found is not None
        return found.end()
