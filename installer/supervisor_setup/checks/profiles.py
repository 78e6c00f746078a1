"""Reads which variables a shell's profile or a `.env` file hands to the programs started after it.

Nothing is run. Only what surely happens counts: an assignment inside a condition, a loop, a function, a
here-document, a string or a comment is passed over, as is one that is not exported, or is taken back later.
What cannot be followed to its end (an open quote) is not followed further.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable's value as it is written, and the line from 1; not `known` when the shell works it out."""

    value: str
    line: int
    known: bool = True


Parser = Callable[[str], Mapping[str, Setting]]

# As text: few files get as far as being parsed, and compiling takes long; `re` keeps what it compiled.
_SUBSTITUTION = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_WORD = rf"""(?:[^\s;&|<>()'"\\`$#]|(?<![\s;&|()])\#|\\.|\$'(?:[^'\\]|\\.)*'|'[^']*'|"(?:[^"\\]|\\.)*"|`[^`]*`
    |\${_SUBSTITUTION}|\$\{{[^}}]*\}}|\$(?!['"]))+"""
_SHELL = rf"""(?sx)(?P<blank>[ \t\r]+|\\\r?\n|(?<![^\s;&|()])\#[^\n]*)
    |(?P<heredoc><<-?(?!<)[ \t]*(?P<quote>['"]?)(?P<end>\w+)(?P=quote))
    |(?P<redirect>[0-9]*(?:<<<|>>|[<>]&?))
    |(?P<operator>\n|;;|&&|\|\||[;&|()])
    |(?P<word>{_WORD})"""
_FISH = rf"""(?sx)(?P<blank>[ \t\r]+|\\\r?\n|(?<![^\s;&|()])\#[^\n]*)
    |(?P<redirect>[0-9]*(?:>>|[<>]&?))
    |(?P<operator>\n|&&|\|\||[;&|])
    |(?P<word>(?:[^\s;&|<>()'"\\#]|(?<![\s;&|])\#|\\.|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\$?{_SUBSTITUTION})+)"""
_ASSIGNMENT = r"(?s)([A-Za-z_]\w*)=(.*)"
_QUOTED = r"""(?s)'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)"""
_DOTENV = r"""(?mx)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=
    ("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\r\n]*?)(?:[ \t]+\#.*)?[ \t]*\r?$"""
_FISH_VARIABLE = r"(?m)^SETUVAR --export (\w+):(.*)$"
_OPENING = {"if": "fi", "case": "esac", "for": "done", "while": "done", "until": "done", "select": "done"}
_CONTINUING = frozenset({"then", "do", "else", "elif", "!", "time"})
_FISH_OPENING = frozenset({"if", "while", "for", "function", "begin", "switch"})


@dataclass(frozen=True, slots=True)
class _Command:
    """A command that surely runs: its words as they are written, and the line of the first."""

    words: tuple[str, ...]
    line: int


class _Environment:
    """The variables as the commands so far leave them."""

    def __init__(self) -> None:
        self._values: dict[str, Setting] = {}
        self._exported: set[str] = set()
        self.exports_all = False

    def assign(self, name: str, value: Setting, *, export: bool) -> None:
        self._values[name] = value
        if export or self.exports_all:
            self._exported.add(name)

    def export(self, name: str, *, on: bool = True) -> None:
        if on:
            self._exported.add(name)
        else:
            self._exported.discard(name)

    def unset(self, name: str) -> None:
        self._values.pop(name, None)
        self._exported.discard(name)

    @property
    def handed_on(self) -> dict[str, Setting]:
        return {name: value for name, value in self._values.items() if name in self._exported}


def shell(text: str) -> dict[str, Setting]:
    """What a profile of sh, bash, zsh or csh, or direnv's `.envrc`, exports."""
    found = _Environment()
    for command in _shell_commands(text):
        _run(command, found)
    return found.handed_on


def fish(text: str) -> dict[str, Setting]:
    """What a file of fish's exports."""
    found = _Environment()
    for command in _fish_commands(text):
        first, *rest = command.words
        if first == "set":
            _fish_set(rest, command.line, found)
        elif first == "export":
            _run(command, found)
    return found.handed_on


def fish_variables(text: str) -> dict[str, Setting]:
    """The universal variables that fish exports, from its own file of them."""
    found = {}
    for match in re.finditer(_FISH_VARIABLE, text):
        value = re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), match[2])
        found[match[1]] = Setting(value, text.count("\n", 0, match.start()) + 1)
    return found


def dotenv(text: str) -> dict[str, Setting]:
    """What a `.env` file, or one of systemd's environment.d, assigns; each line on its own."""
    found = {}
    for match in re.finditer(_DOTENV, text):
        line = text.count("\n", 0, match.start(1)) + 1
        found[match[1]] = _setting(match[2], line)
    return found


def _run(command: _Command, found: _Environment) -> None:
    """What one command of the shell's does to the environment."""
    first, *rest = command.words
    assigned = [re.fullmatch(_ASSIGNMENT, word) for word in command.words]
    if all(assigned):
        for match in assigned:
            assert match is not None
            found.assign(match[1], _setting(match[2], command.line), export=False)
    elif first in ("export", "typeset", "declare"):
        flags = {letter for word in rest if word[:1] == "-" for letter in word[1:]}
        _declare(first, flags, [word for word in rest if word[:1] not in ("-", "+")], command.line, found)
    elif first == "unset" and "-f" not in rest:
        for name in rest:
            found.unset(name)
    elif first == "set" and rest[:1] in (["-a"], ["+a"]):
        found.exports_all = rest[0] == "-a"
    elif first == "set" and rest[1:2] == ["allexport"]:
        found.exports_all = rest[0] == "-o"
    elif first == "setenv" and len(rest) == 2:
        found.assign(rest[0], _setting(rest[1], command.line), export=True)
    elif first == "unsetenv":
        for name in rest:
            found.unset(name)


def _declare(first: str, flags: set[str], words: list[str], line: int, found: _Environment) -> None:
    if "f" in flags or "p" in flags:
        return
    exports = first == "export" or "x" in flags
    for word in words:
        match = re.fullmatch(_ASSIGNMENT, word)
        if match is not None:
            found.assign(match[1], _setting(match[2], line), export=exports)
        if exports:
            found.export(match[1] if match else word, on="n" not in flags)


def _fish_set(words: list[str], line: int, found: _Environment) -> None:
    flags = [word for word in words if word[:1] == "-"]
    short = {letter for flag in flags if flag[1:2] != "-" for letter in flag[1:]}
    names = [word for word in words if word[:1] != "-"]
    if not names or short & {"q", "n", "S"} or "--query" in flags:
        return
    name, *values = names
    if "e" in short or "--erase" in flags:
        for one in names:
            found.unset(one)
        return
    settings = [_setting(value, line) for value in values]
    value = Setting(" ".join(one.value for one in settings), line, all(one.known for one in settings))
    found.assign(name, value, export="x" in short or "--export" in flags)
    if "u" in short or "--unexport" in flags:
        found.export(name, on=False)


def _shell_commands(text: str) -> Iterator[_Command]:
    """The commands that stand in no block and depend on no other; the file's end leaves blocks open."""
    blocks: list[str] = []
    words: list[str] = []
    ends: list[str] = []
    line, first_line, position = 1, 1, 0
    conditional = False
    token = re.compile(_SHELL)
    while match := token.match(text, position):
        position = match.end()
        if match["heredoc"]:
            ends.append(match["end"])
        elif match["word"]:
            first_line = first_line if words else line
            words.append(match["word"])
        elif operator := match["operator"]:
            surely = not blocks and not conditional and operator not in ("|", "&", "(")
            if _opens_or_closes(words, blocks) is False and words and surely:
                yield _Command(tuple(words), first_line)
            words = []
            if operator == "(":
                blocks.append(")")
            elif operator == ")" and blocks[-1:] == [")"]:
                blocks.pop()
            conditional = operator in ("&&", "||", "|")
            if operator == "\n" and ends:
                skipped = _after_heredocs(text, position, ends)
                line += text.count("\n", position, skipped)
                position, ends = skipped, []
        line += match[0].count("\n")
    if position == len(text) and words and not blocks and not conditional:
        yield _Command(tuple(words), first_line)


def _opens_or_closes(words: list[str], blocks: list[str]) -> bool:
    """Whether these words belong to a block's frame; the frame is noted in `blocks`."""
    while words and words[0] in _CONTINUING:
        words.pop(0)
    if not words:
        return False
    first = words[0]
    if first in _OPENING:
        blocks.append(_OPENING[first])
    elif first == "{" or (first == "function" and words[-1] == "{"):
        blocks.append("}")
    elif first in ("fi", "esac", "done", "}"):
        if blocks[-1:] == [first]:
            blocks.pop()
    elif words[-1] == "}" and blocks[-1:] == ["}"]:
        blocks.pop()  # zsh ends a block there too
    else:
        return False
    return True


def _after_heredocs(text: str, position: int, ends: list[str]) -> int:
    """Where the here-documents that begin at `position` are over."""
    for end in ends:
        match = re.compile(rf"^\t*{re.escape(end)}\r?(?:\n|\Z)", re.MULTILINE).search(text, position)
        position = match.end() if match else len(text)
    return position


def _fish_commands(text: str) -> Iterator[_Command]:
    depth = 0
    words: list[str] = []
    line, first_line, position = 1, 1, 0
    conditional = False
    end = len(text)
    token = re.compile(_FISH)
    while position <= end:
        match = token.match(text, position)
        if match is None and position < end:
            return
        operator = match["operator"] if match else "\n"
        if match and match["word"]:
            first_line = first_line if words else line
            words.append(match["word"])
        elif operator:
            depends = conditional or words[:1] in (["and"], ["or"], ["not"]) or operator in ("|", "&")
            if words[:1] == ["end"]:
                depth = max(0, depth - 1)
            elif words and words[0] in _FISH_OPENING:
                depth += 1
            elif words and not depth and not depends:
                yield _Command(tuple(words), first_line)
            words = []
            conditional = operator in ("&&", "||", "|")
        if match is None:
            return
        line += match[0].count("\n")
        position = match.end()


def _setting(written: str, line: int) -> Setting:
    """A word's value with its quotes taken off."""
    known = True
    parts, position = [], 0
    for match in re.finditer(_QUOTED, written):
        bare = written[position : match.start()]
        known = known and not _worked_out(bare) and not _worked_out(match["double"] or "")
        escaped = (match["escaped"] or "").replace("\n", "")
        parts += [bare, match["single"] or match["double"] or escaped]
        position = match.end()
    rest = written[position:]
    known = known and not _worked_out(rest)
    return Setting("".join((*parts, rest)), line, known)


def _worked_out(text: str) -> bool:
    return any(sign in text for sign in ("$", "`", "("))
