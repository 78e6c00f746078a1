"""JSON read by position: where the entries on a pointer's way stand in the bytes.

The standard library's decoder skips over every other value at the speed of C, keeps nothing of it, and is
strict. It works on the bytes viewed as Latin-1, where a character is a byte and an index is a file offset:
JSON's syntax is all ASCII and no byte of a longer UTF-8 character is, so the view has the text's structure.
(Decoded properly, a single emoji would make a 30 MB file a string of 120 MB.)
"""

import codecs
import re
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn, Self

from supervisor_setup.edit import EditError
from supervisor_setup.values import dataclass

Pointer = tuple[str, ...]
"""The keys from the root object down to an entry."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING_OR_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(NaN|-?Infinity)', re.DOTALL)
_KINDS = {"{": "an object", "[": "a list", '"': "a string", "t": "true", "f": "false", "n": "null"}
_CLOSING = {"{": "}", "[": "]"}
_CHUNK = 1 << 20


class _ConstantError(ValueError):
    """`NaN` or an infinity, which Python's decoder would take for JSON."""


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _drop(_: object) -> None:
    """Stands in for a value that is only skipped, so that it takes no memory."""


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts; JavaScript reads every number as a float anyway
        return float(digits)


_SKIP = JSONDecoder(
    object_pairs_hook=_drop, parse_int=_drop, parse_float=_drop, parse_constant=_refuse_constant
)
_READ = JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)


def read(text: str) -> object:
    """The value of a JSON text that is known to be well formed."""
    return _READ.decode(text)


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of an object, from `start` (its key) to `end`; an item of a list starts at its `value`."""

    key: str
    start: int
    key_end: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Container:
    """An object or a list, from bracket to bracket, and what is directly in it."""

    start: int
    end: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """How far a pointer leads: `members[i]`, of `containers[i]`, is the entry that its key i names.

    A pointer that is there all the way has a member for each key; else the next key is missing in the last
    container.
    """

    containers: tuple[Container, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON document: its bytes, and the same bytes as one character each. Positions are byte offsets."""

    data: bytes
    view: str

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The document in `data`; raises EditError where it is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(data), _CHUNK):  # in pieces, since only the verdict is wanted
            chunk = data[start : start + _CHUNK]
            try:
                decoder.decode(chunk, final=start + _CHUNK >= len(data))
            except UnicodeDecodeError as error:
                carried = len(error.object) - len(chunk)
                raise EditError.at(data, start - carried + error.start, "not UTF-8") from None
        return cls(data, data.decode("latin-1"))

    def root(self) -> object:
        """The value of the whole document; raises EditError where it is not strict JSON."""
        start = self._root_start()
        end = self._skip(start)
        self._check_end(end)
        return self.value(start, end)

    def walk(self, pointer: Pointer, *, to_list: bool = False) -> Way:
        """Follows `pointer` as far as it leads, and with `to_list` into the list at its end.

        Raises EditError where the document is not strict JSON, where a key on the way stands twice, and where
        something on the way is not an object (or the end not a list).
        """
        containers = [self._enter(self._root_start(), "{", "the document")]
        self._check_end(containers[0].end)
        members: list[Member] = []
        for depth, key in enumerate(pointer, start=1):
            member = self._find(containers[-1], key)
            if member is None:
                break
            members.append(member)
            if depth < len(pointer):
                containers.append(self._enter(member.value, "{", f'"{key}"'))
            elif to_list:
                containers.append(self._enter(member.value, "[", f'"{key}"'))
        return Way(tuple(containers), tuple(members))

    def value(self, start: int, end: int) -> object:
        """The value that stands there."""
        try:
            return read(self.data[start:end].decode())
        except RecursionError:
            raise self._error(start, "nested too deeply") from None

    def blank_start(self, at: int) -> int:
        """Where the whitespace that ends at `at` starts."""
        while at and self.view[at - 1] in " \t\n\r":
            at -= 1
        return at

    def _blank_end(self, at: int) -> int:
        blanks = _BLANKS.match(self.view, at)
        assert blanks is not None
        return blanks.end()

    def _root_start(self) -> int:
        start = self._blank_end(len(codecs.BOM_UTF8) if self.data.startswith(codecs.BOM_UTF8) else 0)
        if start == len(self.data):
            raise self._error(start, "empty, not even {}")
        return start

    def _check_end(self, end: int) -> None:
        rest = self._blank_end(end)
        if rest != len(self.data):
            raise self._fault(rest, "more text after the end of the document")

    def _enter(self, start: int, opening: str, name: str) -> Container:
        found = self.view[start]
        if found != opening:
            self._skip(start)  # not JSON at all is the better complaint
            raise self._error(start, f"{name} is {_KINDS.get(found, 'a number')}, not {_KINDS[opening]}")
        return self._container(start)

    def _container(self, start: int) -> Container:
        closing = _CLOSING[self.view[start]]
        members: list[Member] = []
        at = self._blank_end(start + 1)
        if self.view.startswith(closing, at):
            return Container(start, at + 1, ())
        while True:
            members.append(self._entry(at) if closing == "}" else self._item(at))
            at = self._blank_end(members[-1].end)
            if self.view.startswith(closing, at):
                return Container(start, at + 1, tuple(members))
            if not self.view.startswith(",", at):
                raise self._fault(at, f"expecting ',' or '{closing}'")
            at = self._blank_end(at + 1)

    def _entry(self, start: int) -> Member:
        if not self.view.startswith('"', start):
            raise self._fault(start, "expecting a key in double quotes")
        key_end = self._skip(start)
        colon = self._blank_end(key_end)
        if not self.view.startswith(":", colon):
            raise self._fault(colon, "expecting ':'")
        value = self._blank_end(colon + 1)
        return Member(str(self.value(start, key_end)), start, key_end, value, self._skip(value))

    def _item(self, start: int) -> Member:
        return Member("", start, start, start, self._skip(start))

    def _find(self, container: Container, key: str) -> Member | None:
        found = [member for member in container.members if member.key == key]
        if len(found) > 1:
            raise self._error(found[1].start, f'"{key}" stands here a second time')
        return found[0] if found else None

    def _skip(self, start: int) -> int:
        """Where the value ends that starts at `start`."""
        try:
            return _SKIP.raw_decode(self.view, start)[1]
        except JSONDecodeError as error:
            what = error.msg.removesuffix(" at").removesuffix(" starting")
            raise self._fault(error.pos, what[0].lower() + what[1:]) from None
        except _ConstantError as error:
            matches = _STRING_OR_CONSTANT.finditer(self.view, start)
            position = next(match.start() for match in matches if match[1])
            raise self._error(position, f"{error} is not JSON") from None
        except RecursionError:
            raise self._error(start, "nested too deeply") from None

    def _fault(self, at: int, what: str) -> EditError:
        """The error for a place where the syntax breaks, named for what people usually did there."""
        # Python 3.13 points at a trailing comma itself, its elders at what follows.
        comma = at if what.startswith("illegal trailing comma") else max(0, self.blank_start(at) - 1)
        if self.view.startswith(",", comma) and self.view.startswith(("}", "]"), self._blank_end(comma + 1)):
            return self._error(comma, "a trailing comma is not JSON")
        if self.view.startswith(("//", "/*"), at):
            return self._error(at, "a comment is not JSON")
        if at == len(self.view):
            return self._error(at, "the file ends in the middle")
        return self._error(at, what)

    def _error(self, at: int, what: str) -> EditError:
        return EditError.at(self.data, at, what)
