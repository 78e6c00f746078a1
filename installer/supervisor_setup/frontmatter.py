"""Reads an agent file the way the client does, which is neither strict YAML nor plain guesswork.

Everything here was measured on the real clients 2.1.197 and 2.1.330 with planted files, and holds for both
unless a comment names one of them:

- the block opens with `---` at the very first byte (after an optional byte-order mark) and ends at the next
  `---`, *wherever that stands*: a `---` inside a value ends the block there;
- what strict YAML refuses gets a second chance, in which the client puts quotes around every unquoted
  one-line value with a special character in it, so that `description: Use this: always` loads;
- that second chance does not see lines that end in CRLF, nested lines, or keys with a digit in them.
"""

import re
from collections.abc import Iterator, Mapping

from supervisor_setup.values import dataclass

MAX_BYTES = 1_048_576
"""Size in bytes above which the client skips a file unread."""

# What \s means to the client; Python's differs in a few characters.
_SPACES = (
    "\t\n\x0b\x0c\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_FENCE = "---"

# The lines that need no YAML parser; whatever is not surely the same to one is left to it. Compiled here is
# only what most files need: patterns that stay text are compiled by `re`, and kept, when first used.
_ODD = r"\x00-\x08\x0a-\x1f\x7f-\x9f"
_ODD_BEYOND_LATIN_1 = "\u2028\u2029\ufeff"
"""Apart from `_ODD`, since a class with characters so far up takes half a millisecond to compile."""
_SIMPLE_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?:[\t ]+(.*))?")
_SIMPLE_ITEM = r"( *)- +(.*)"
_COMMENT = rf"#[^{_ODD}]*"
_BLOCK_HEADERS = frozenset({"|", "|-", ">", ">-"})
_BLOCK_LINE = rf"(?:[^\s{_ODD}](?:[^\t{_ODD}]*[^\s{_ODD}])?)?"
_PLAIN = re.compile(rf"[^\s\-?:,\[\]{{}}#&*!|>'\"%@`{_ODD}](?:(?!:[\t ]|:$|[\t ]#)[^{_ODD}])*")
_PLAIN_IN_LIST = r"[A-Za-z_][A-Za-z0-9_. -]*"
_ESCAPE = r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})'
_DOUBLE_QUOTED = rf'"(?:[^"\\\t{_ODD}]|{_ESCAPE})*"'
_SINGLE_QUOTED = rf"'(?:[^'{_ODD}]|'')*'"

# YAML 1.2's core schema, which is the client's.
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_NUMBER_STARTS = frozenset("+-.0123456789")
_INT = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"

# The client's second chance.
_KEY_LINE = r"([a-zA-Z_-]+):[\t ]+([^\n\r\u2028\u2029]+)"
_SPECIAL = r"[{}\[\]*&#!|>%@`]|: "
_LEADING_TABS = r"(?m)^\t+"

# What the YAML parser refuses and the client does not: control characters, and most tabs.
_REFUSED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]"
_INNER_TABS = r"(?m)(?<=\S)[\t ]*\t[\t ]*|^[\t ]+$"

_REASONS = {
    "found unexpected end of stream": "a quote is opened and never closed",
    "mapping values are not allowed here": "a colon and a space in a value that has no quotes",
    "expected <block end>, but found '<scalar>'": "text after a closing quote",
    "could not find expected ':'": "a line that is neither a key nor indented",
}
_NOT_SIMPLE = object()
_OPENING = 4_000  # characters
_LONGEST_INTEGER = 300  # digits; beyond them the client's numbers are infinite


@dataclass(frozen=True, slots=True)
class Field:
    """A top-level value of the frontmatter; `line` is its key's line in the file, from 1."""

    value: object
    line: int


@dataclass(frozen=True, slots=True)
class Frontmatter:
    """A frontmatter that the client can read.

    `requoted` is the first line that only the client's second chance made readable; `cut` is the line on
    which a `---` inside a value ended the block early.
    """

    fields: Mapping[str, Field]
    body: str
    bom: bool
    requoted: int | None
    cut: int | None


@dataclass(frozen=True, slots=True)
class NoFrontmatter:
    """The client takes such a file for documentation that lies beside the agents.

    `has_fence` tells of a `---` that would have begun a frontmatter elsewhere; `opening` is the start of
    the text.
    """

    reason: str
    has_fence: bool = False
    opening: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The client drops such a file; only its debug log says so."""

    line: int
    reason: str


Parsed = Frontmatter | NoFrontmatter | Unreadable


class _YamlError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def parse(data: bytes) -> Parsed:
    """What the client reads from the bytes of an agent file; it never raises."""
    if len(data) > MAX_BYTES:
        return Unreadable(1, f"the file is larger than {MAX_BYTES:,} bytes")
    text = data.decode("utf-8", errors="replace")
    bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    place = _place_of_block(text)
    if place is None:
        reason = _why_no_block(text)
        return NoFrontmatter(
            reason or "no frontmatter", has_fence=reason is not None, opening=text[:_OPENING]
        )
    start, end = place
    block, first_line = text[start:end], text.count("\n", 0, start) + 1
    if "\0" in block:  # 2.1.197 accepts it
        line = first_line + block[: block.index("\0")].count("\n")
        return Unreadable(line, "the frontmatter holds a NUL byte")
    requoted = None
    try:
        values = _load(block)
    except _YamlError as strict:
        try:
            values = _load(re.sub(_LEADING_TABS, lambda tabs: "  " * len(tabs[0]), _requote(block)))
        except _YamlError as error:
            return Unreadable(first_line + error.line, error.reason)
        requoted = first_line + strict.line
    last_line = block.rpartition("\n")[2]
    return Frontmatter(
        fields={key: Field(value, first_line + line) for key, (value, line) in values.items()},
        body=text[end + len(_FENCE) :].lstrip(_SPACES).strip(),
        bom=bom,
        requoted=requoted,
        cut=first_line + block.count("\n") if last_line.strip() else None,
    )


def _place_of_block(text: str) -> tuple[int, int] | None:
    """Where the block starts, on the line after the opening fence and blank lines, and where it ends."""
    if not text.startswith(_FENCE):
        return None
    first = len(text) - len(text[len(_FENCE) :].lstrip(_SPACES))
    start = text.rfind("\n", 0, first) + 1
    end = text.find(_FENCE, start)
    return (start, end) if start and end >= 0 else None


def _why_no_block(text: str) -> str | None:
    if text.startswith("---") and "\n" not in text:
        return "the lines end in a bare carriage return"
    if text.startswith("---"):
        return "the frontmatter has no closing `---`"
    if text.lstrip().startswith("---"):
        return "the opening `---` is not the first line"
    return None


def _requote(block: str) -> str:
    """The client's second chance: quotes around one-line values with a special character in them."""
    return "\n".join(_requoted_line(line) for line in block.split("\n"))


def _requoted_line(line: str) -> str:
    match = re.fullmatch(_KEY_LINE, line)
    if match is None:
        return line
    key, value = match.groups()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if quoted or _is_list(value) or not re.search(_SPECIAL, value):
        return line
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{key}: "{escaped}"'


def _is_list(value: str) -> bool:
    if not (value.startswith("[") and value.endswith("]")):
        return False
    try:
        return isinstance(_load(f"x: {value}")["x"][0], list)
    except _YamlError:
        return False


def _load(text: str) -> dict[str, tuple[object, int]]:
    """Top-level values with their lines from 0; {} for anything but a mapping.

    Most agent files are a few simple lines, so those are read here; a real YAML parser costs 100 ms to
    import and some milliseconds a file.
    """
    values, odd = _read_simple(text)
    if odd is None:
        return values
    if _is_surely_refused(text, odd):
        raise _YamlError(odd, _REASONS["mapping values are not allowed here"])
    return _load_yaml(text)


def _load_simple(text: str) -> dict[str, tuple[object, int]] | None:
    values, odd = _read_simple(text)
    return values if odd is None else None


def _read_simple(text: str) -> tuple[dict[str, tuple[object, int]], int | None]:
    """The values of simple lines, and the first line that is not surely one, where there is such a line."""
    values: dict[str, tuple[object, int]] = {}
    items: list[object] | None = None
    indent = ""
    lines = text.split("\n")
    skip_to = 0
    for number, raw in enumerate(lines):
        line = raw.rstrip("\r\t ")
        if not line or number < skip_to:
            continue
        if _is_odd(line):
            return values, number
        if line[0] == "#" and re.fullmatch(_COMMENT, line):
            continue
        if match := _SIMPLE_LINE.fullmatch(line):
            key, scalar = match[1], (match[2] or "").strip("\t ")
            items = None if scalar else []
            if scalar in _BLOCK_HEADERS:
                value, skip_to = _block_scalar(scalar, lines, number + 1)
            else:
                value = _simple_value(scalar)
            if value is _NOT_SIMPLE or key in _NULLS or key in _BOOLS:
                return values, number
            values[key] = (value, number)
        elif items is not None and (match := re.fullmatch(_SIMPLE_ITEM, line)):
            value = _simple_value(match[2])
            indent = indent if items else match[1]
            if value is _NOT_SIMPLE or match[1] != indent:
                return values, number
            items.append(value)
            values[key] = (items, values[key][1])
        else:
            return values, number
    return values, None


def _is_odd(line: str) -> bool:
    """Whether it has a character beyond Latin-1 that no simple line has."""
    return not line.isascii() and any(sign in line for sign in _ODD_BEYOND_LATIN_1)


def _block_scalar(header: str, lines: list[str], first: int) -> tuple[object, int]:
    """A `|` or `>` value that starts on line `first`, and the line after it, where it is a simple one."""
    end = first
    while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
        end += 1
    body = lines[first:end]
    while body and not body[-1]:
        body.pop()
    if not body or not body[0] or any(line.isspace() for line in body):
        return _NOT_SIMPLE, first
    indent = len(body[0]) - len(body[0].lstrip(" "))
    margin = " " * indent
    inner = [line[indent:] for line in body]
    if any((line and not line.startswith(margin)) or _is_odd(line) for line in body) or not all(
        re.fullmatch(_BLOCK_LINE, line) for line in inner
    ):
        return _NOT_SIMPLE, first
    text = "\n".join(inner) if header.startswith("|") else _folded(inner)
    return text + ("" if header.endswith("-") else "\n"), end


def _folded(lines: list[str]) -> str:
    """Lines of a `>` value: one line end becomes a space, and each empty line one line end."""
    text = lines[0]
    gap = 0
    for line in lines[1:]:
        if not line:
            gap += 1
            continue
        text += ("\n" * gap if gap else " ") + line
        gap = 0
    return text


def _is_surely_refused(text: str, number: int) -> bool:
    """Whether strict YAML refuses this line, the first that is not simple: for a colon, or an odd start."""
    match = _SIMPLE_LINE.fullmatch(text.split("\n")[number].rstrip("\r\t "))
    if match is None or not match[2]:
        return False
    value = match[2].strip("\t ")
    before, colon, _ = value.partition(": ")
    if value == "*" or value[0] in "@`":
        return True
    return bool(colon and not _is_odd(before) and _PLAIN.fullmatch(before))


def _simple_value(text: str) -> object:
    if text.startswith('"'):
        return _unescape(text) if re.fullmatch(_DOUBLE_QUOTED, text) else _NOT_SIMPLE
    if text.startswith("'"):
        return text[1:-1].replace("''", "'") if re.fullmatch(_SINGLE_QUOTED, text) else _NOT_SIMPLE
    if text == "[]":
        return []
    if text.startswith("["):
        items = [item.strip(" ") for item in text[1:-1].split(",")]
        simple = text.endswith("]") and all(re.fullmatch(_PLAIN_IN_LIST, item) for item in items)
        return [_scalar(item) for item in items] if simple else _NOT_SIMPLE
    return _scalar(text) if not text or _PLAIN.fullmatch(text) else _NOT_SIMPLE


def _unescape(quoted: str) -> object:
    import json  # only quoted values need it

    return json.loads(quoted)


def _scalar(text: str) -> object:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return text[0] in "tT"
    if text[0] not in _NUMBER_STARTS:
        return text
    if re.fullmatch(_INT, text) and len(text) <= _LONGEST_INTEGER:
        return int(text, 0) if text[1:2] in {"o", "x"} else int(text)
    if re.fullmatch(_FLOAT, text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _load_yaml(text: str) -> dict[str, tuple[object, int]]:
    from ruamel.yaml import YAML  # see _load
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        readable = re.sub(_INNER_TABS, " ", re.sub(_REFUSED, "\ufffd", text))
        node = YAML(typ="safe", pure=True).compose(readable)
        lines = text.split("\n")
        return {key: (_construct(value, lines), line) for key, value, line in _entries(node)}
    except MarkedYAMLError as error:
        unclosed = error.problem == "found unexpected end of stream"
        mark = error.context_mark if unclosed else error.problem_mark
        problem = str(error.problem)
        raise _YamlError(mark.line if mark else 0, _REASONS.get(problem, problem)) from error
    except (YAMLError, RecursionError, KeyError) as error:  # KeyError: a %YAML version that it does not know
        raise _YamlError(0, f"the YAML parser gave up: {error}") from error


def _entries(node: object) -> Iterator[tuple[str, object, int]]:
    from ruamel.yaml.nodes import MappingNode  # see _load

    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield str(key.value), value, key.start_mark.line


def _construct(node: object, lines: list[str]) -> object:
    from ruamel.yaml.nodes import ScalarNode, SequenceNode  # see _load

    if isinstance(node, ScalarNode):
        if node.style in {"'", '"'}:
            _refuse_unindented(node.start_mark.line, node.end_mark.line, lines)
        return node.value if node.style else _scalar(node.value)
    if isinstance(node, SequenceNode):
        return [_construct(item, lines) for item in node.value]
    return {key: _construct(value, lines) for key, value, _ in _entries(node)}


def _refuse_unindented(first: int, last: int, lines: list[str]) -> None:
    """The client wants the further lines of a quoted value indented; the parser here does not."""
    for number in range(first + 1, last + 1):
        if lines[number].strip() and not lines[number].startswith((" ", "\t")):
            raise _YamlError(number, "a quoted value goes on in an unindented line")
