"""Finds agent files: all that a client loads from a folder, or all that a repository seems to hold."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from supervisor_setup import frontmatter
from supervisor_setup.errors import UserError
from supervisor_setup.files import MAX_BYTES
from supervisor_setup.frontmatter import Frontmatter, NoFrontmatter, Parsed
from supervisor_setup.values import dataclass

# As text: only files without a frontmatter need them; `re` keeps what it compiled.
_DOCUMENT = r"[A-Z0-9_.-]+"
_SKIPPED_FOLDERS = frozenset({".git", "node_modules", ".venv"})
_KEY = r"(?m)^[^\w\n]*(?:name|description)\W*:"
_ROLE = r"(?m)^[^\w\n]*You are (?:an?|the)\b"


@dataclass(frozen=True, slots=True)
class NotRead:
    """A file, or a folder of them, that the system does not let us read."""

    reason: str


@dataclass(frozen=True, slots=True)
class AgentFile:
    """An agent file as the client reads it; agents of one `scope` must not share a name."""

    path: Path
    scope: Path
    parsed: Parsed | NotRead

    @property
    def frontmatter(self) -> Frontmatter | None:
        """Its frontmatter, where that can be read."""
        return self.parsed if isinstance(self.parsed, Frontmatter) else None

    @property
    def name(self) -> str | None:
        """The agent's name, where it has one."""
        field = self.frontmatter.fields.get("name") if self.frontmatter else None
        return field.value if field is not None and isinstance(field.value, str) else None


def is_meant_as_agent(parsed: NoFrontmatter) -> bool:
    """Whether a file without a frontmatter reads like an agent's, and not like documentation."""
    # Who addresses several writes about agents.
    return (
        parsed.has_fence
        or bool(re.search(_KEY, parsed.opening))
        or len(re.findall(_ROLE, parsed.opening)) == 1
    )


def loaded_from(folders: Iterable[Path]) -> Iterator[AgentFile]:
    """The files that the client reads from its agents folders, each once, in the folders' order.

    It goes to the bottom of each, follows links, and takes a file that it has met already for the same one.
    """
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        for path in sorted(_markdown(folder, seen), key=str):
            parsed = _parse(path)
            if not _is_document(path, parsed):
                yield AgentFile(path, folder, parsed)


def below(path: Path) -> Iterator[AgentFile]:
    """The agent files at `path`: the file, whatever its name, or those of a folder.

    Of a folder these are the files below its `agents` folders; without such a folder, all that are neither
    documentation nor commands. An `agents` folder of a skill holds something else, and so does one of
    another program's, below a hidden folder that is not `.claude`.

    Raises:
        UserError: there is no such path.
    """
    if path.is_file():
        yield AgentFile(path, path.parent, _parse(path))
        return
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder", hint="supervisor-setup validate PATH")
    found = sorted(_in_repository(path), key=lambda one: str(one[0]))
    among_agents = [(file, scope) for file, scope in found if scope is not None]
    for file, scope in among_agents or found:
        parsed = _parse(file)
        if not (_is_document(file, parsed) or (scope is None and _is_something_else(path, file, parsed))):
            yield AgentFile(file, scope or path, parsed)


def _in_repository(root: Path) -> Iterator[tuple[Path, Path | None]]:
    """Every `*.md` below `root` with the outermost `agents` folder around it."""
    seen: set[tuple[int, int]] = set()
    _is_new(root, seen)
    # A repository may well be called `agents` itself.
    scopes: dict[str, Path | None] = {str(root): root if root.absolute().parent.name == ".claude" else None}
    for place, folders, names in os.walk(root, followlinks=True):
        scope = scopes[place]
        if scope is None and "SKILL.md" in names:
            folders[:] = []
            continue
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED_FOLDERS
            and (scope is not None or name == ".claude" or not name.startswith("."))
            and _is_new(f"{place}/{name}", seen)
        ]
        for name in folders:
            inner = os.path.join(place, name)  # noqa: PTH118 - the very text that os.walk will give
            scopes[inner] = scope or (Path(inner) if name == "agents" else None)
        for name in names:
            if name.endswith(".md") and _is_new(f"{place}/{name}", seen):
                yield Path(place, name), scope


def _markdown(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    if not folder.is_dir() or not _is_new(folder, seen):
        return
    unread: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unread.append, followlinks=True):
        folders[:] = [name for name in folders if _is_new(f"{place}/{name}", seen)]
        for name in names:
            if name.endswith(".md") and _is_new(f"{place}/{name}", seen):
                yield Path(place, name)
    yield from (Path(error.filename) for error in unread)


def _is_new(path: Path | str, seen: set[tuple[int, int]]) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116 - called for every file, and a Path costs as much again
    except OSError:
        return True  # reading it will tell
    known = (found.st_dev, found.st_ino) in seen
    seen.add((found.st_dev, found.st_ino))
    return not known


def _is_document(path: Path, parsed: Parsed | NotRead) -> bool:
    """Whether it is a README.md, CLAUDE.md or the like, which nobody takes for an agent."""
    return isinstance(parsed, NoFrontmatter) and bool(re.fullmatch(_DOCUMENT, path.stem))


def _is_something_else(root: Path, path: Path, parsed: Parsed | NotRead) -> bool:
    """Whether a file outside every `agents` folder is documentation or a command."""
    if isinstance(parsed, NoFrontmatter):
        return not is_meant_as_agent(parsed)
    in_commands = "commands" in path.relative_to(root).parts
    return in_commands or (isinstance(parsed, Frontmatter) and "$ARGUMENTS" in parsed.body)


def _parse(path: Path) -> Parsed | NotRead:
    try:
        return frontmatter.parse(_read(path))
    except OSError as error:
        return NotRead(error.strerror or str(error))


def _read(path: Path) -> bytes:
    """The file's bytes; a repository may hold a link to a device that never ends, or a pipe."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123
        found = os.fstat(stream.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if found.st_size > MAX_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return stream.read()
