"""The words that the client knows in an agent file, as data of agent-frontmatter.schema.json."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supervisor_setup.frontmatter import Frontmatter
from supervisor_setup.values import dataclass

_SYNONYMS: Mapping[str, str | None] = {"allowedtools": "tools", "whentouse": "description", "mode": None}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The keys, values, models, tools and servers that the client knows."""

    keys: tuple[str, ...]
    values: Mapping[str, Sequence[object]]
    aliases: frozenset[str]
    model_id: re.Pattern[str]
    tools: frozenset[str]
    former_tools: Mapping[str, str | None]
    client_server: re.Pattern[str]

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any]) -> "Vocabulary":
        """Read it from agent-frontmatter.schema.json."""
        properties, shared = schema["properties"], schema["$defs"]
        return cls(
            keys=tuple(properties),
            values={key: value["enum"] for key, value in properties.items() if "enum" in value},
            aliases=frozenset(shared["modelAlias"]["enum"]),
            model_id=re.compile(shared["modelId"]["pattern"]),
            tools=frozenset(shared["builtinTool"]["enum"]),
            former_tools={one["const"]: one.get("title") for one in shared["formerTool"]["oneOf"]},
            client_server=re.compile(shared["clientServer"]["pattern"]),
        )


def near_key(key: str, vocabulary: Vocabulary, parsed: Frontmatter) -> str | None:
    """The known key that an unknown one was probably meant to be: none that the file has already."""
    free = {_normal(known): known for known in vocabulary.keys if known not in parsed.fields}
    normal = _normal(key)
    if normal in _SYNONYMS:
        meant = _SYNONYMS[normal]
        return meant if meant in free.values() else None
    near = nearest(normal, free)
    return free[near] if near else None


def nearest(word: str, known: Iterable[str], cutoff: float = 0.8) -> str | None:
    """The known word that `word` was probably meant to be; its first letter is taken to be right."""
    close = sorted(one for one in known if one[:1] == word[:1] and abs(len(one) - len(word)) <= 3)
    if not close:
        return None
    import difflib  # only a misspelling needs it, and comparing takes a millisecond for fifty words

    found = difflib.get_close_matches(word, close, n=1, cutoff=cutoff)
    return found[0] if found else None


def _normal(key: str) -> str:
    return re.sub(r"[-_ ]", "", key).lower()


def kind(value: object) -> str:
    """What YAML made of a value that should have been text."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "a mapping"
