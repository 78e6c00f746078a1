"""YAML as data and as text: what a document says, and where a place in it is. ruamel.yaml parses."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

from supervisor_setup.edit import EditError
from supervisor_setup.values import dataclass

Place = tuple[str | int, ...]
"""The way to a value: keys of mappings, and positions in lists, from 0."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_DUPLICATE = re.compile(r'found duplicate key "(.*?)" with', re.DOTALL)


@dataclass(frozen=True, slots=True)
class YamlText:
    """A YAML document as text; all positions are character offsets. `mark` is its byte order mark, if any."""

    text: str
    mark: bytes

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The document in `data`; raises EditError where it is not UTF-8."""
        mark = BOM_UTF8 if data.startswith(BOM_UTF8) else b""
        try:
            return cls(data.removeprefix(mark).decode(), mark)
        except UnicodeDecodeError as error:
            raise EditError.at(data, len(mark) + error.start, "not UTF-8") from None

    @property
    def data(self) -> bytes:
        """The document's bytes."""
        return self.mark + self.text.encode()

    def load(self) -> Any:
        """The document's data, not to be changed; raises EditError where it is not plain, valid YAML."""
        from ruamel.yaml.error import MarkedYAMLError, YAMLError  # 50 ms
        from ruamel.yaml.reader import ReaderError  # likewise

        try:
            return _data(self.text)
        except ReaderError as error:
            at = error.position
            raise self.error(at, f"U+{ord(self.text[at]):04X} is not allowed in YAML") from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.error(mark.index if mark else 0, _complaint(str(error.problem))) from None
        except (YAMLError, ValueError, OverflowError) as error:  # the last two: a date that cannot be
            raise self.error(0, str(error).partition("\n")[0]) from None
        except RecursionError:
            raise self.error(0, "nested too deeply") from None

    def error(self, at: int, what: str) -> EditError:
        """The error for a place in the text."""
        return EditError.at(self.data, len(self.mark) + len(self.text[:at].encode()), what)

    def splice(self, start: int, end: int, new: str) -> Self:
        """The document with other text in place of a span."""
        return type(self)(self.text[:start] + new + self.text[end:], self.mark)

    def line_start(self, at: int) -> int:
        """Where the line of a position starts."""
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """Where the line of a position ends, without its line break."""
        found = _LINE_BREAK.search(self.text, at)
        return found.start() if found else len(self.text)

    def newline(self) -> str:
        """The document's line break."""
        found = _LINE_BREAK.search(self.text)
        return found[0] if found else "\n"


def events(text: str) -> Iterator[Any]:
    """What ruamel.yaml's parser sees in a document, in the order of its text; it must be one that loads."""
    return iter(_parser().parse(text))


@lru_cache(maxsize=16)
def _data(text: str) -> Any:
    """Kept, because each edit and its proof read the same few texts; 600 lines take 0.1 s."""
    return _parser().load(text)


def _parser() -> Any:
    from ruamel.yaml import YAML  # 50 ms

    return YAML(typ="safe", pure=True)


def _complaint(problem: str) -> str:
    """ruamel.yaml's words, without the values that it quotes: they may be secret."""
    duplicate = _DUPLICATE.match(problem)
    return f'"{duplicate[1]}" stands here a second time' if duplicate else problem
