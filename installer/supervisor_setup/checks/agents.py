"""What is wrong with agent files, and what goes wrong because of it. Pure functions over parsed files.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor_setup.checks import agent_values
from supervisor_setup.checks.vocabulary import Vocabulary, kind, near_key
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter, NoFrontmatter, Parsed, Unreadable

MAX_NAME = 256
"""Characters of a name that 2.1.330 accepts."""
LONG_DESCRIPTION = 1024
"""Characters; the client sends all descriptions, uncut, with every request of the main conversation."""

IDS: Mapping[str, str] = {
    "agents.parse": "The frontmatter can be read, and ends where it seems to.",
    "agents.required": "Name and description are there, as text that the client accepts.",
    "agents.unknown-key": "Every key is one that the client knows.",
    "agents.model": "The model is an alias or an id that can exist.",
    "agents.ignored-value": "Every value is one that the client takes.",
    "agents.duplicate": "No two agents share a name.",
    "agents.unbounded-tools": "The agent names its tools.",
    "agents.unknown-tool": "Every tool that it names exists.",
    "agents.description": "The description says when to delegate, and is short.",
    "agents.empty-prompt": "The agent has instructions.",
}

_TRIGGER = re.compile(
    r"\b(us(?:e|ed|es|ing)|when(?:ever)?|before|after|if|must|invoke[ds]?|call|delegate|trigger|proactively)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class AgentFile:
    """An agent file as the client reads it; agents of one `scope` must not share a name."""

    path: Path
    scope: Path
    parsed: Parsed


def check_agents(files: Sequence[AgentFile], vocabulary: Vocabulary) -> list[Finding]:
    """Everything that is wrong with the files, in their order; nothing for a file without a fault."""
    findings = [finding for file in files for finding in _check_file(file, vocabulary)]
    return findings + list(_duplicates(files))


def _check_file(file: AgentFile, vocabulary: Vocabulary) -> Iterator[Finding]:
    yield from _readable(file)
    if not isinstance(file.parsed, Frontmatter):
        return
    dropped = list(_required(file.path, file.parsed, vocabulary))
    yield from dropped
    if any(finding.status is Status.ERROR for finding in dropped):
        return  # the client never gets to see the rest
    for check in _CHECKS:
        yield from check(file.path, file.parsed, vocabulary)


def _readable(file: AgentFile) -> Iterator[Finding]:
    match file.parsed:
        case NoFrontmatter(reason):
            yield Finding(
                "agents.parse",
                Status.ERROR,
                f"{reason}, so the client takes the file for documentation and loads no agent from it",
                file.path,
                1,
                hint="start the file with a line `---`, then name: and description:, then a line `---`",
            )
        case Unreadable(line, reason):
            yield Finding(
                "agents.parse",
                Status.ERROR,
                f"the frontmatter cannot be read ({reason}), so the client drops the agent",
                file.path,
                line,
                hint="put the value into double quotes, or write `key: >-` and indent the text below it",
            )
        case Frontmatter(cut=int(line)):
            yield Finding(
                "agents.parse",
                Status.ERROR,
                "the `---` in this line ends the frontmatter: the keys below it are lost, so the agent may "
                "run on the main model with every tool",
                file.path,
                line,
                hint="write an en dash or two hyphens instead",
            )
        case Frontmatter(requoted=int(line)):
            yield Finding(
                "agents.parse",
                Status.INFO,
                "not valid YAML; the client puts quotes around it by itself, other programs refuse the file",
                file.path,
                line,
                hint="put the value into double quotes",
            )


def _required(path: Path, parsed: Frontmatter, vocabulary: Vocabulary) -> Iterator[Finding]:
    def finding(line: int, message: str, hint: str | None = None) -> Finding:
        return Finding("agents.required", Status.ERROR, message, path, line, hint)

    for key in ("name", "description"):
        field = parsed.fields.get(key)
        if field is None:
            misspelt = next((k for k in parsed.fields if near_key(k, vocabulary, parsed) == key), None)
            hint = f"`{misspelt}` must be written `{key}`" if misspelt else f"add `{key}:`"
            yield finding(1, f"`{key}` is missing, so the client drops the agent", hint)
        elif field.value is None or field.value == "":
            yield finding(field.line, f"`{key}` is empty, so the client drops the agent", f"give it a {key}")
        elif not isinstance(field.value, str):
            message = f"`{key}` is {kind(field.value)} to YAML, so the client drops the agent"
            yield finding(field.line, message, "put it into double quotes")
        elif key == "name" and (fault := _name_fault(field.value)):
            yield finding(
                field.line, f"the name {fault}, so the client drops the agent", "choose another name"
            )
    if parsed.bom:
        yield Finding(
            "agents.required",
            Status.WARNING,
            "the file starts with a byte-order mark, for which older clients (2.1.197) drop the agent",
            path,
            1,
            hint=f"sed -i '1s/^\\xEF\\xBB\\xBF//' {quote(path)}",
        )


def _name_fault(name: str) -> str | None:
    if name.startswith("-"):
        return "starts with `-`"
    if ":" in unicodedata.normalize("NFKC", name):
        return "has a `:` in it"
    return f"has more than {MAX_NAME} characters" if len(name) > MAX_NAME else None


def _description(path: Path, parsed: Frontmatter, _vocabulary: Vocabulary) -> Iterator[Finding]:
    field = parsed.fields["description"]
    text = str(field.value)
    if len(text) > LONG_DESCRIPTION:
        yield Finding(
            "agents.description",
            Status.WARNING,
            f"the description has {len(text):,} characters, and the client sends all of them with every "
            "request of the main conversation",
            path,
            field.line,
            hint=f"keep it under {LONG_DESCRIPTION:,}; examples belong into the prompt",
        )
    elif text.isascii() and not _TRIGGER.search(text):
        yield Finding(
            "agents.description",
            Status.INFO,
            "the description does not say when to delegate, so Claude seldom will",
            path,
            field.line,
            hint="add `Use when …` or `Use proactively after …`",
        )


def _prompt(path: Path, parsed: Frontmatter, _vocabulary: Vocabulary) -> Iterator[Finding]:
    if not parsed.body:
        message = "nothing follows the frontmatter, so the agent starts without instructions"
        yield Finding(
            "agents.empty-prompt",
            Status.WARNING,
            message,
            path,
            1,
            hint="write the prompt below the second `---`",
        )


def _duplicates(files: Iterable[AgentFile]) -> Iterator[Finding]:
    first: dict[tuple[Path, str], Path] = {}
    for file in files:
        field = file.parsed.fields.get("name") if isinstance(file.parsed, Frontmatter) else None
        if field is None or not isinstance(field.value, str):
            continue
        other = first.setdefault((file.scope, field.value), file.path)
        if other != file.path:
            yield Finding(
                "agents.duplicate",
                Status.ERROR,
                f"{other} names its agent `{field.value}` too, and the client loads only one of them, "
                "whichever it happens to read first",
                file.path,
                field.line,
                hint="rename one of the two",
            )


_CHECKS: tuple[Callable[[Path, Frontmatter, Vocabulary], Iterator[Finding]], ...] = (
    agent_values.unknown_keys,
    agent_values.model,
    agent_values.tools,
    agent_values.ignored_values,
    _description,
    _prompt,
)
