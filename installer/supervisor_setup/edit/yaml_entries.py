"""Edits of a YAML document that change only the text of one value: comments, order, quotes and anchors stay.

Every edit is proved before it is handed out: the new text is read again and must say what the old one said,
but for the change. Where no span does it (an anchor that others refer to, a merge), EditError says so.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from supervisor_setup.edit import ABSENT, EditError, same_value
from supervisor_setup.edit.undo import Change, Undo
from supervisor_setup.edit.yaml_layout import block, flow
from supervisor_setup.edit.yaml_spans import add, cut, end_of, put, unit_of, way
from supervisor_setup.edit.yaml_text import Place, YamlText
from supervisor_setup.edit.yaml_tree import Entry, Kind, Node, tree

__all__ = [
    "Place",
    "dump",
    "line_of",
    "list_entries",
    "load",
    "remove_list_entry",
    "set_list_entry",
    "set_value",
]


def load(data: bytes) -> Any:
    """The data of a YAML document, None for an empty one.

    Raises EditError where it is no valid YAML, holds a key twice, or has tags that are not YAML's own.
    """
    return deepcopy(YamlText.of(data).load())


def dump(value: object) -> str:
    """A value as YAML that reads as if written by hand."""
    return "".join(f"{line}\n" for line in block(value, "  "))


def line_of(data: bytes, place: Place) -> int | None:
    """The line, from 1, of the entry at `place` or the nearest one around it; None where there is neither."""
    document = YamlText.of(data)
    entries = _known(document, place)
    return document.error(entries[-1].start, "").line if entries else None


def set_value(data: bytes, place: Place, value: object) -> bytes:
    """Makes `value` stand at `place`, with whatever mappings are missing on the way.

    A mapping that only gets other values or more keys is changed key by key. Raises EditError where the
    document does not load, where something on the way is no mapping or has no such item, and where more text
    than the value's own would have to change.
    """
    return _changed(YamlText.of(data), place, value).data


def list_entries(data: bytes, place: Place, key_field: str, name: object) -> list[Any]:
    """The items of that name in the list at `place`, none where there is no list.

    An empty `key_field` says that an item's first key is its name. Raises EditError where the document does
    not load, or where no list stands there.
    """
    items = _items(YamlText.of(data), place)
    return deepcopy([items[index] for index in _named(items, key_field, name)])


def set_list_entry(data: bytes, place: Place, key_field: str, entry: dict[str, Any]) -> tuple[bytes, Undo]:
    """Makes `entry` an item of the list at `place`, whose items are told apart as in `list_entries`.

    An equal item is kept, one of the same name is changed, a missing list or parent is created. Raises
    EditError as `set_value` does, and where several items have the name.
    """
    document = YamlText.of(data)
    items = _items(document, place)
    named = _named(items, key_field, entry[key_field] if key_field else next(iter(entry)))
    if not named:
        return _appended(document, place, items, entry)
    target = _only(document, place, named)
    if same_value(items[named[0]], entry):
        return data, Undo(Change.KEPT)
    start, end = _span(document, target)
    undo = Undo(Change.REPLACED, prior=document.text[start:end])
    return _changed(document, target, entry).data, undo


def remove_list_entry(data: bytes, place: Place, key_field: str, name: object, undo: Undo) -> bytes:
    """Takes back what `set_list_entry` did for the item of that name.

    An inserted one goes, with the list and the parents that came with it if nothing else is in them; a
    replaced one becomes what it was; nothing happens where it is gone. Raises EditError as `set_list_entry`
    does.
    """
    document = YamlText.of(data)
    named = _named(_items(document, place), key_field, name)
    if undo.change is Change.KEPT or not named:
        return data
    target = _only(document, place, named)
    if undo.change is Change.REPLACED:
        return _restored(document, target, undo.prior).data
    return _removed(document, target, undo).data


def _changed(document: YamlText, place: Place, value: object) -> YamlText:
    old = document.load()
    wanted = _with(document, old, place, value)
    changed = document
    for at, new in _steps((), old, wanted):
        changed = put(changed, at, new)
    return _proved(document, changed, place, wanted)


def _appended(document: YamlText, place: Place, items: list[Any], entry: object) -> tuple[bytes, Undo]:
    root = tree(document)
    entries = _known(document, place)
    node = entries[-1].value if entries else root
    filler = document.text[node.start + 1 : node.end - 1] if node and node.flow and not node.entries else ""
    missing = len(place) - len(entries)
    undo = Undo(Change.INSERTED, created=missing, filler=filler)
    if root is None or node is None or missing or node.is_left_out:
        return _changed(document, place, [entry]).data, undo
    if node.kind is not Kind.SEQUENCE:
        raise document.error(node.start, f"this is {node.kind.value}, not a list")
    after = add(document, node, flow(entry), block([entry], unit_of(document, root)))
    wanted = _with(document, document.load(), place, [*items, entry])
    return _proved(document, after, place, wanted).data, undo


def _restored(document: YamlText, target: Place, prior: str) -> YamlText:
    after = document.splice(*_span(document, target), prior)
    try:
        restored = _value_at(after.load(), target)
    except EditError:
        raise _unprovable(document, target) from None
    return _proved(document, after, target, _with(document, document.load(), target, restored))


def _removed(document: YamlText, target: Place, undo: Undo) -> YamlText:
    """Without the item, or without the outermost of its created parents that holds nothing else."""
    root = tree(document)
    assert root is not None, "it holds the item"
    entries = way(document, root, target)
    containers = [root, *(entry.value for entry in entries)]
    depth = len(target)
    created = range(max(1, depth - undo.created), depth)
    while depth - 1 in created and len(containers[depth - 1].entries) == 1:
        depth -= 1
    container = containers[depth - 1]
    after = cut(document, container, entries[depth - 1], undo.filler)
    wanted = _without(document.load(), target[:depth], keep_empty=container.flow)
    return _proved(document, after, target, wanted)


def _proved(before: YamlText, after: YamlText, place: Place, wanted: object) -> YamlText:
    """`after`, if that is what it says."""
    try:
        if same_value(after.load(), wanted):
            return after
    except (EditError, RecursionError):
        pass
    raise _unprovable(before, place)


def _unprovable(document: YamlText, place: Place) -> EditError:
    return _error(document, place, "cannot be changed without changing more than itself")


def _steps(place: Place, old: Any, new: Any) -> Iterator[tuple[Place, Any]]:
    """The smallest values that make `old` into `new` where only values change or keys are added."""
    if same_value(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
        for key, value in new.items():
            yield from _steps((*place, key), old.get(key, ABSENT), value)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, value in enumerate(new):
            yield from _steps((*place, index), old[index], value)
    else:
        yield place, new


def _with(document: YamlText, old: Any, place: Place, value: object, depth: int = 0) -> Any:
    """The data with `value` at `place`."""
    if depth == len(place):
        return value
    part = place[depth]
    if isinstance(part, int):
        if not isinstance(old, list) or not 0 <= part < len(old):
            raise _error(document, place[:depth], f"there is no item {part} here")
        return [*old[:part], _with(document, old[part], place, value, depth + 1), *old[part + 1 :]]
    if old is not None and not isinstance(old, dict):
        raise _error(document, place[:depth], f"not a mapping, so there is no `{part}` in it")
    old = old or {}
    return {**old, part: _with(document, old.get(part), place, value, depth + 1)}


def _without(old: Any, place: Place, *, keep_empty: bool) -> Any:
    """The data without the entry at `place`; a block collection that becomes empty turns into null."""
    part, rest = place[0], place[1:]
    new: Any = dict(old) if isinstance(old, dict) else list(old)
    if rest:
        new[part] = _without(old[part], rest, keep_empty=keep_empty)
        return new
    del new[part]
    return new if new or keep_empty else None


def _value_at(data: Any, place: Place) -> Any:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return data


def _items(document: YamlText, place: Place) -> list[Any]:
    """The items of the list at `place`, none where nothing stands."""
    found = _value_at(document.load(), place)
    if found is ABSENT or found is None:
        return []
    if not isinstance(found, list):
        raise _error(document, place, "not a list")
    return found


def _named(items: list[Any], key_field: str, name: object) -> list[int]:
    return [
        index
        for index, item in enumerate(items)
        if isinstance(item, dict) and same_value(_name(item, key_field), name)
    ]


def _name(item: dict[Any, Any], key_field: str) -> object:
    return item.get(key_field, ABSENT) if key_field else next(iter(item), ABSENT)


def _only(document: YamlText, place: Place, named: list[int]) -> Place:
    if len(named) > 1:
        raise _error(document, (*place, named[1]), "stands here a second time")
    return (*place, named[0])


def _span(document: YamlText, target: Place) -> tuple[int, int]:
    root = tree(document)
    assert root is not None, "it holds the item"
    value = way(document, root, target)[-1].value
    return value.start, end_of(document, value)


def _known(document: YamlText, place: Place) -> list[Entry]:
    """The entries on the way to `place` that the text has."""
    entries: list[Entry] = []
    node: Node | None = tree(document)
    for part in place:
        entry = node.entry(part) if node else None
        if entry is None:
            break
        entries.append(entry)
        node = entry.value
    return entries


def _error(document: YamlText, place: Place, what: str) -> EditError:
    entries = _known(document, place)
    return document.error(entries[-1].start if entries else 0, what)
