"""The bundled agents' sources: markdown files that name a tier where the client's files name a model."""

import re
from collections.abc import Mapping
from pathlib import Path

from supervisor_setup import frontmatter
from supervisor_setup.errors import ConfigError
from supervisor_setup.frontmatter import Field, Frontmatter
from supervisor_setup.values import dataclass

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_REQUIRED = ("name", "description", "tier", "tools")
_OPTIONAL = ("local_tools", "color")


@dataclass(frozen=True, slots=True)
class AgentSource:
    """An agent before a model is chosen for it.

    `tools` are names as the client knows them; with `local_tools` the agent also gets every tool of the
    local-models server, and is of no use without them.
    """

    name: str
    description: str
    tier: str
    tools: tuple[str, ...]
    local_tools: bool
    color: str | None
    prompt: str
    path: Path

    @property
    def headline(self) -> str:
        """What the agent does, in a few words: the description up to its first colon or full stop."""
        return re.split(r"[:.;] ", self.description, maxsplit=1)[0]


def load_sources(folder: Path) -> tuple[AgentSource, ...]:
    """All agent sources of a folder, by name.

    Raises:
        ConfigError: one of them is not a valid source; the message names the file and the line.
    """
    return tuple(load_source(path) for path in sorted(folder.glob("*.md")))


def load_source(path: Path) -> AgentSource:
    """One agent source.

    Raises:
        ConfigError: as `load_sources`.
    """
    parsed = frontmatter.parse(path.read_bytes())
    if not isinstance(parsed, Frontmatter):
        line = 1 if isinstance(parsed, frontmatter.NoFrontmatter) else parsed.line
        raise ConfigError(f"{path}:{line}: {parsed.reason}")
    fields = parsed.fields
    for key, field in fields.items():
        if key not in (*_REQUIRED, *_OPTIONAL):
            raise ConfigError(
                f"{path}:{field.line}: an agent source has no `{key}`",
                hint=f"the keys are {', '.join((*_REQUIRED, *_OPTIONAL))}",
            )
    missing = [key for key in _REQUIRED if key not in fields]
    if missing:
        raise ConfigError(f"{path}:1: `{missing[0]}` is missing")
    if not parsed.body:
        raise ConfigError(f"{path}:1: the prompt is missing")
    return AgentSource(
        name=_name(path, fields["name"]),
        description=_text(path, "description", fields["description"]),
        tier=_text(path, "tier", fields["tier"]),
        tools=_tools(path, fields["tools"]),
        local_tools=_flag(path, fields),
        color=_text(path, "color", fields["color"]) if "color" in fields else None,
        prompt=parsed.body,
        path=path,
    )


def _name(path: Path, field: Field) -> str:
    name = _text(path, "name", field)
    if not _NAME.fullmatch(name) or name != path.stem:
        raise ConfigError(f"{path}:{field.line}: `name` must be the file's own name, in lower case")
    return name


def _text(path: Path, key: str, field: Field) -> str:
    if not isinstance(field.value, str) or not field.value:
        raise ConfigError(f"{path}:{field.line}: `{key}` must be a text")
    return field.value


def _tools(path: Path, field: Field) -> tuple[str, ...]:
    tools = field.value
    if not isinstance(tools, list) or not tools or not all(isinstance(tool, str) for tool in tools):
        raise ConfigError(f"{path}:{field.line}: `tools` must be a list of at least one tool")
    return tuple(tools)


def _flag(path: Path, fields: Mapping[str, Field]) -> bool:
    field = fields.get("local_tools")
    if field is None:
        return False
    if not isinstance(field.value, bool):
        raise ConfigError(f"{path}:{field.line}: `local_tools` must be true or false")
    return field.value
