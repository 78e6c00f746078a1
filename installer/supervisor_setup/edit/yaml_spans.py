"""The single steps of a YAML edit: a value put in place of another, an entry added, an entry cut out.

A step changes the text of one entry and trusts its caller to read the result again.
"""

import re
from collections.abc import Sequence

from supervisor_setup.edit.yaml_layout import block, flow, is_block, scalar
from supervisor_setup.edit.yaml_text import Place, YamlText
from supervisor_setup.edit.yaml_tree import Entry, Kind, Node, tree

_DEFAULT_UNIT = "  "
_COMMENT_LINE = re.compile(r"(?:\r\n|\n|\r)(?P<indent>[ \t]*)#[^\r\n]*")


def put(document: YamlText, place: Place, value: object) -> YamlText:
    """The document with `value` at `place`, whose parents exist; raises EditError where no span can do it."""
    root = tree(document)
    if root is None:
        return _fill(document, value)
    entries = way(document, root, place[:-1])
    nodes = [root, *(entry.value for entry in entries)]
    in_brackets = any(node.flow for node in nodes)
    unit = "" if in_brackets else unit_of(document, root)
    if not place:
        return document.splice(root.start, root.end, flow(value))
    entry = nodes[-1].entry(place[-1])
    if entry is not None:
        return _replace(document, entry, value, unit)
    if nodes[-1].kind is not Kind.MAPPING:
        raise document.error(nodes[-1].start, f"this is {nodes[-1].kind.value}, so it has no `{place[-1]}`")
    key = scalar(place[-1])
    return add(document, nodes[-1], f"{key}: {flow(value)}", block({place[-1]: value}, unit))


def way(document: YamlText, root: Node, place: Place) -> list[Entry]:
    """The entries that lead to `place`; raises EditError where the text has none for a part of it."""
    entries: list[Entry] = []
    node = root
    for part in place:
        entry = node.entry(part)
        if entry is None:
            what = f"this is {node.kind.value}, so `{part}` in it cannot be changed here"
            raise document.error(node.start, what)
        entries.append(entry)
        node = entry.value
    return entries


def add(document: YamlText, container: Node, in_brackets: str, lines: Sequence[str]) -> YamlText:
    """The document with one more entry at the end of a collection, given in both of YAML's styles."""
    if not container.flow:
        at = end_of(document, container)
        return document.splice(at, at, _indented(document, container.entries[0].start, lines))
    if container.entries:
        end = container.entries[-1].value.end
        return document.splice(end, end, f", {in_brackets}")
    return document.splice(container.start + 1, container.end - 1, in_brackets)


def cut(document: YamlText, container: Node, entry: Entry, filler: str) -> YamlText:
    """The document without an entry; `filler` goes between the brackets where it was the only one."""
    if not container.flow:
        return _cut_lines(document, entry)
    index = container.entries.index(entry)
    start, end, left = entry.start, entry.value.end, ""
    if len(container.entries) == 1:
        start, end, left = container.start + 1, container.end - 1, filler
    elif index == 0:
        end = container.entries[1].start
    else:
        start = container.entries[index - 1].value.end
    if "#" in document.text[start : entry.start] + document.text[entry.value.end : end]:
        raise document.error(entry.start, "the comments beside it would be lost")
    return document.splice(start, end, left)


def end_of(document: YamlText, node: Node) -> int:
    """Where a value ends: in a block with its last line and the comments after it that are deeper in."""
    if node.flow or not node.entries:
        return node.end
    column = _column(document, node.entries[0].start)
    at = document.line_end(node.end)
    while comment := _COMMENT_LINE.match(document.text, at):
        if len(comment["indent"]) <= column:
            break
        at = comment.end()
    return at


def unit_of(document: YamlText, node: Node) -> str:
    """One level of indentation: how far the document's first nested mapping is indented."""
    for entry in node.entries:
        inner = entry.value
        if entry.key is None or inner.kind is not Kind.MAPPING or inner.flow or not inner.entries:
            continue
        return " " * (_column(document, inner.entries[0].start) - _column(document, entry.start))
    return _DEFAULT_UNIT


def _fill(document: YamlText, value: object) -> YamlText:
    """The value after whatever comments an empty document has, ended as they are."""
    newline = document.newline()
    start = newline if document.text and not document.text.endswith(("\n", "\r")) else ""
    end = newline if not start else ""
    at = len(document.text)
    return document.splice(at, at, start + newline.join(block(value, _DEFAULT_UNIT)) + end)


def _replace(document: YamlText, entry: Entry, value: object, unit: str) -> YamlText:
    """`unit` is empty inside brackets, where everything goes on one line."""
    node = entry.value
    in_lines = bool(unit) and is_block(value)
    if node.is_left_out:
        if not in_lines:
            return document.splice(node.end, node.end, f" {flow(value)}")
        at = document.line_end(node.end)
        lines = [unit + line for line in block(value, unit)]
        return document.splice(at, at, _indented(document, entry.start, lines))
    if node.kind in (Kind.SCALAR, Kind.ALIAS):
        new = flow(value) if isinstance(value, dict | list | tuple) else scalar(value, node.style)
        return document.splice(node.start, node.end, new)
    if node.named or _has_comment(document, node):
        raise document.error(node.start, "its anchor, its tag or the comments in it would be lost")
    if node.flow:
        return document.splice(node.start, node.end, flow(value))
    if in_lines:
        text = _indented(document, node.start, block(value, unit)).lstrip()
        return document.splice(node.start, node.end, text)
    if document.line_start(node.start) <= entry.opens:
        return document.splice(node.start, node.end, flow(value))
    without = document.splice(_end_of_line_before(document, node.start), node.end, "")
    return without.splice(entry.opens, entry.opens, f" {flow(value)}")


def _cut_lines(document: YamlText, entry: Entry) -> YamlText:
    line = document.line_start(entry.start)
    if document.text[line : entry.start].strip():
        raise document.error(entry.start, "shares its line with its list, so it cannot be cut out of it")
    end = document.line_end(entry.value.end)
    if line:
        return document.splice(_end_of_line_before(document, entry.start), end, "")
    rest = document.text[end:].removeprefix("\r").removeprefix("\n")
    return document.splice(0, len(document.text), rest)


def _indented(document: YamlText, at: int, lines: Sequence[str]) -> str:
    """Lines of their own, each indented to the column of a position."""
    indent = " " * _column(document, at)
    return "".join(document.newline() + indent + line for line in lines)


def _column(document: YamlText, at: int) -> int:
    return at - document.line_start(at)


def _end_of_line_before(document: YamlText, at: int) -> int:
    return len(document.text[: document.line_start(at)].removesuffix("\n").removesuffix("\r"))


def _has_comment(document: YamlText, node: Node) -> bool:
    at = node.start
    for leaf in node.leaves():
        if "#" in document.text[at : leaf.start]:
            return True
        at = leaf.end
    return "#" in document.text[at : node.end]
