"""How the text of a new entry looks, so that it cannot be told from its siblings."""

import json
import re
from collections.abc import Sequence

from supervisor_setup.edit.json_text import Container, JsonText, Member, Way
from supervisor_setup.values import dataclass

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_INDENT = re.compile(r"[ \t]*")
_DEFAULT_UNIT = "  "  # the client's own


@dataclass(frozen=True, slots=True)
class Layout:
    """The look of one entry.

    `before` stands between it and the sibling or bracket before it; `after` between it and the closing
    bracket, where it is the only one. `newline` is empty when the entry goes on one line; `indent` is that of
    its line, `unit` one level more. `colon` and `comma` are the separators inside it, blanks included.
    """

    before: str
    after: str
    newline: str
    indent: str
    unit: str
    colon: str
    comma: str

    def render(self, value: object) -> str:
        """The JSON text of a value at this place; characters beyond ASCII stand for themselves."""
        if not self.newline:
            return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(self.comma, self.colon))
        lines = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=self.unit, separators=(",", self.colon)
        )
        return lines.replace("\n", self.newline + self.indent)  # strings hold no raw line break


def layout_of_new(text: JsonText, way: Way) -> Layout:
    """The look of an entry that is added as the last one of the way's last container."""
    if way.containers[-1].members:
        return _like_siblings(text, way, way.containers[-1].members)
    return _like_parent(text, way, way.containers[-1])


def layout_of_replaced(text: JsonText, way: Way) -> Layout:
    """The look of a value that takes the place of the way's last one."""
    member = way.members[-1]
    colon = _colon(text, [member])
    newline = _newline_in(_blanks_before(text, member))
    return Layout("", "", newline, _line_indent(text, member.start), _unit(text, way), colon, _comma(colon))


def _like_siblings(text: JsonText, way: Way, siblings: tuple[Member, ...]) -> Layout:
    """Separated as the last two siblings are, or as a lone one is from its bracket."""
    last = siblings[-1]
    colon = _colon(text, [*way.members, last])
    if len(siblings) > 1:
        left, _, right = text.view[siblings[-2].end : last.start].partition(",")
        before = f"{_one_break(left)},{_one_break(right)}"
    else:
        lead = _one_break(_blanks_before(text, last))
        before = f",{lead}" if _newline_in(lead) else _comma(colon)
    newline = _newline_in(before)
    if not newline:
        return Layout(before, "", "", "", "", colon, before)
    indent = _indent(before, before.rindex(newline) + len(newline))
    return Layout(before, "", newline, indent, _unit(text, way), colon, _comma(colon))


def _like_parent(text: JsonText, way: Way, container: Container) -> Layout:
    """On a line of its own if the empty container is of several lines, or starts one, or is the document."""
    filler = text.view[container.start + 1 : container.end - 1]
    outer = "".join(_blanks_before(text, member) for member in way.members[-1:])
    colon = _colon(text, way.members)
    if way.members and not _newline_in(filler + outer):
        return Layout("", "", "", "", "", colon, _comma(colon))
    newline = _newline_in(filler) or _newline_in(outer) or _newline_in(text.view) or "\n"
    unit = _unit(text, way)
    outer_indent = _line_indent(text, container.start)
    indent = outer_indent + unit
    return Layout(newline + indent, newline + outer_indent, newline, indent, unit, colon, _comma(colon))


def _colon(text: JsonText, members: Sequence[Member]) -> str:
    """The separator that the last of these entries has after its key."""
    for member in reversed(members):
        if member.key_end > member.start:
            found = text.view[member.key_end : member.value]
            return ": " if _newline_in(found) else found
    return ": "


def _comma(colon: str) -> str:
    """A separator for one line, by the look of the colon where no comma is near."""
    return ", " if colon[-1:].isspace() else ","


def _unit(text: JsonText, way: Way) -> str:
    """One level of indentation, as in the nearest container whose first entry starts a line."""
    for container in reversed(way.containers):
        for first in container.members[:1]:
            outer, inner = _line_indent(text, container.start), _line_indent(text, first.start)
            if _newline_in(_blanks_before(text, first)) and inner.startswith(outer):
                return inner.removeprefix(outer)
    return _DEFAULT_UNIT


def _line_indent(text: JsonText, at: int) -> str:
    """The blanks that start the line of a position."""
    line_start = max(text.view.rfind("\n", 0, at), text.view.rfind("\r", 0, at)) + 1
    return _indent(text.view, line_start)


def _blanks_before(text: JsonText, member: Member) -> str:
    return text.view[text.blank_start(member.start) : member.start]


def _one_break(blanks: str) -> str:
    """Blanks without their empty lines and trailing spaces."""
    newline = _newline_in(blanks)
    return newline + _LINE_BREAK.split(blanks)[-1] if newline else blanks


def _newline_in(text: str) -> str:
    """The first line break of a text, or an empty string."""
    found = _LINE_BREAK.search(text)
    return found[0] if found else ""


def _indent(text: str, line_start: int) -> str:
    found = _INDENT.match(text, line_start)
    assert found is not None
    return found[0]
