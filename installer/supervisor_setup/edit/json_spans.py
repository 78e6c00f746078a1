"""Edits of a JSON document that change only the bytes of one entry, and can be undone to the byte.

The document must be strict JSON: anything else raises EditError, since a repair would be a guess. A byte
order mark, any layout, and every byte outside the entry stay as they are. To undo several edits of one
document, undo the last one first.
"""

import json
from dataclasses import replace

from supervisor_setup.edit import ABSENT, Absent, same_value
from supervisor_setup.edit.json_layout import layout_of_new, layout_of_replaced
from supervisor_setup.edit.json_text import JsonText, Member, Pointer, Way, read
from supervisor_setup.edit.undo import Change, Undo

__all__ = [
    "ABSENT",
    "Absent",
    "Change",
    "Pointer",
    "Undo",
    "add_item",
    "line_of",
    "lookup",
    "parse",
    "remove_entry",
    "remove_item",
    "set_entry",
]


def parse(data: bytes) -> object:
    """The value of a strict JSON document; raises EditError where it is not one."""
    return JsonText.of(data).root()


def lookup(data: bytes, pointer: Pointer) -> object:
    """The value at `pointer`, or ABSENT; raises EditError as `set_entry` does."""
    text = JsonText.of(data)
    way = text.walk(pointer)
    if not _is_complete(way, pointer):
        return ABSENT
    return text.value(way.members[-1].value, way.members[-1].end)


def line_of(data: bytes, pointer: Pointer) -> int | None:
    """The line, from 1, on which the entry at `pointer` starts; raises EditError as `set_entry` does."""
    way = JsonText.of(data).walk(pointer)
    return data.count(b"\n", 0, way.members[-1].start) + 1 if _is_complete(way, pointer) and pointer else None


def set_entry(data: bytes, pointer: Pointer, value: object) -> tuple[bytes, Undo]:
    """Makes `value` stand at `pointer`, together with whatever parents are missing.

    A value that is there is replaced in its place, and kept as it is written if it is equal. Raises EditError
    where the document is not strict JSON, a key of the pointer stands twice, or a parent is not an object.
    """
    text = JsonText.of(data)
    way = text.walk(pointer)
    if not _is_complete(way, pointer):
        return _insert(text, way, pointer, value)
    member = way.members[-1]
    if same_value(text.value(member.value, member.end), _as_parsed(value)):
        return data, Undo(Change.KEPT)
    rendered = layout_of_replaced(text, way).render(value)
    prior = data[member.value : member.end].decode()
    return _splice(data, member.value, member.end, rendered), Undo(Change.REPLACED, prior=prior)


def remove_entry(data: bytes, pointer: Pointer, undo: Undo) -> bytes:
    """Takes back what `set_entry` did, whatever has been added or removed beside it since.

    An inserted entry goes with one comma, and with the parents that came with it if nothing else is in them;
    where it is gone already, those parents go if they are empty. A replaced one becomes what it was. Raises
    EditError as `set_entry` does.
    """
    if undo.change is Change.KEPT:
        return data
    text = JsonText.of(data)
    way = text.walk(pointer)
    if undo.change is Change.INSERTED:
        return _remove(text, way, len(pointer), undo)
    if not _is_complete(way, pointer):
        return data
    return _splice(data, way.members[-1].value, way.members[-1].end, undo.prior)


def add_item(data: bytes, pointer: Pointer, value: object) -> tuple[bytes, Undo]:
    """Makes `value` an item of the list at `pointer`, with the list and its parents if missing.

    An equal item that is there is kept. Raises EditError as `set_entry` does, and where no list stands at the
    pointer's end.
    """
    text = JsonText.of(data)
    way = text.walk(pointer, to_list=True)
    if not _is_complete(way, pointer):
        return _insert(text, way, pointer, [value], lists=1)
    if _find_item(text, way, value) is not None:
        return data, Undo(Change.KEPT)
    return _insert(text, way, pointer, value)


def remove_item(data: bytes, pointer: Pointer, value: object, undo: Undo) -> bytes:
    """Takes back what `add_item` did with this value, as `remove_entry` does for `set_entry`."""
    if undo.change is Change.KEPT:
        return data
    text = JsonText.of(data)
    way = text.walk(pointer, to_list=True)
    item = _find_item(text, way, value) if _is_complete(way, pointer) else None
    if item is not None:
        way = Way(way.containers, (*way.members, item))
    return _remove(text, way, len(pointer) + 1, undo)


def _is_complete(way: Way, pointer: Pointer) -> bool:
    return len(way.members) == len(pointer)


def _as_parsed(value: object) -> object:
    """The value as it will be read back: tuples as lists, a pair of surrogates as one character."""
    return read(json.dumps(value))


def _find_item(text: JsonText, way: Way, value: object) -> Member | None:
    wanted = _as_parsed(value)
    items = way.containers[-1].members
    return next((item for item in items if same_value(text.value(item.value, item.end), wanted)), None)


def _insert(
    text: JsonText, way: Way, pointer: Pointer, value: object, *, lists: int = 0
) -> tuple[bytes, Undo]:
    """Adds what the pointer lacks to the way's last container; `lists` counts those put around the value."""
    container = way.containers[-1]
    missing = pointer[len(way.members) :]
    for key in reversed(missing[1:]):
        value = {key: value}
    layout = layout_of_new(text, way)
    own_key = "".join(layout.render(key) + layout.colon for key in missing[:1])
    entry = layout.before + own_key + layout.render(value) + layout.after
    undo = Undo(Change.INSERTED, created=len(missing[1:]) + lists)
    if container.members:
        end = container.members[-1].end
        return _splice(text.data, end, end, entry), undo
    start, end = container.start + 1, container.end - 1
    return _splice(text.data, start, end, entry), replace(undo, filler=text.view[start:end])


def _remove(text: JsonText, way: Way, depth: int, undo: Undo) -> bytes:
    """Removes the way's entry at `depth`, or the outermost of its created parents that holds nothing else.

    Where the entry itself is gone, such a parent still goes if it is empty.
    """
    created = range(max(1, depth - undo.created), depth)  # the depths of our containers; the document is at 0
    found = len(way.members)
    if found < depth and (found not in created or way.containers[found].members):
        return text.data
    while found - 1 in created and len(way.containers[found - 1].members) == 1:
        found -= 1
    member, siblings = way.members[found - 1], way.containers[found - 1].members
    if len(siblings) == 1:
        container = way.containers[found - 1]
        return _splice(text.data, container.start + 1, container.end - 1, undo.filler)
    if member is siblings[0]:
        return _splice(text.data, member.start, siblings[1].start, "")
    before = siblings[siblings.index(member) - 1]
    return _splice(text.data, before.end, member.end, "")


def _splice(data: bytes, start: int, end: int, new: str) -> bytes:
    """The document with other text in place of a span; a lone surrogate is written as its JSON escape."""
    kept = memoryview(data)
    return b"".join((kept[:start], new.encode("utf-8", "backslashreplace"), kept[end:]))
