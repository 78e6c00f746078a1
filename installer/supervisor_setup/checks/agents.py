"""What is wrong with agent files, and what goes wrong because of it. Pure functions over parsed files.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from supervisor_setup.checks import agent_models, agent_names, agent_tools, agent_values
from supervisor_setup.checks.agent_explanations import IDS
from supervisor_setup.checks.agent_search import AgentFile, NotRead, is_meant_as_agent
from supervisor_setup.checks.surroundings import Surroundings
from supervisor_setup.checks.vocabulary import kind, near_key
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter, NoFrontmatter, Unreadable

__all__ = ["IDS", "check_agents", "is_loaded"]

MAX_NAME = 256
"""Characters of a name that 2.1.330 accepts."""
LONG_DESCRIPTION = 1024
"""Characters; the client sends all descriptions, uncut, with every request of the main conversation."""

_TRIGGER = re.compile(
    r"\b(us(?:e|ed|es|ing)|when(?:ever)?|before|after|if|must|invoke[ds]?|call|delegate[ds]?|trigger|proactively)\b",
    re.I,
)


def check_agents(files: Sequence[AgentFile], around: Surroundings) -> list[Finding]:
    """Everything that is wrong with the files, in their order; nothing for a file without a fault."""
    findings = [finding for file in files for finding in _check_file(file, around)]
    loaded = [file for file in files if is_loaded(file, around)]
    return findings + list(agent_names.duplicates(loaded, around))


def is_loaded(file: AgentFile, around: Surroundings) -> bool:
    """Whether the client makes an agent of the file, as far as that is known."""
    parsed = file.frontmatter
    return parsed is not None and not any(
        finding.status is Status.ERROR for finding in _required(file.path, parsed, around)
    )


def _check_file(file: AgentFile, around: Surroundings) -> Iterator[Finding]:
    yield from _readable(file)
    if not isinstance(file.parsed, Frontmatter):
        return
    dropped = list(_required(file.path, file.parsed, around))
    yield from dropped
    if any(finding.status is Status.ERROR for finding in dropped):
        return  # the client never gets to see the rest
    for check in _CHECKS:
        yield from check(file.path, file.parsed, around)


def _readable(file: AgentFile) -> Iterator[Finding]:
    def finding(status: Status, message: str, line: int | None, hint: str) -> Finding:
        return Finding("agents.parse", status, message, file.path, line, hint)

    match file.parsed:
        case NotRead(reason):
            message = f"cannot be read ({reason}), so the client loads no agent from it"
            yield finding(Status.ERROR, message, None, f"ls -ld {quote(file.path)}")
        case NoFrontmatter(reason) if is_meant_as_agent(file.parsed):
            yield finding(
                Status.ERROR,
                f"{reason}, so the client takes the file for documentation and loads no agent from it",
                1,
                "start the file with a line `---`, then name: and description:, then a line `---`",
            )
        case NoFrontmatter(reason):
            yield finding(
                Status.INFO,
                f"{reason}: the client takes the file for documentation, and loads no agent from it",
                1,
                "for an agent, start it with a line `---`, then name: and description:, then a line `---`",
            )
        case Unreadable(line, reason):
            yield finding(
                Status.ERROR,
                f"the frontmatter cannot be read ({reason}), so the client drops the agent",
                line,
                "put the value into double quotes, or write `key: >-` and indent the text below it",
            )
        case Frontmatter(cut=int(line)):
            yield finding(
                Status.ERROR,
                "the `---` in this line ends the frontmatter: the keys below it are lost, so the agent may "
                "run on the main model with every tool",
                line,
                "write an en dash or two hyphens instead",
            )
        case Frontmatter(requoted=int(line)):
            yield finding(
                Status.INFO,
                "not valid YAML; the client puts quotes around it by itself, other programs refuse the file",
                line,
                "put the value into double quotes",
            )


def _required(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    def finding(line: int, message: str, hint: str, status: Status = Status.ERROR) -> Finding:
        return Finding("agents.required", status, message, path, line, hint)

    for key in ("name", "description"):
        field = parsed.fields.get(key)
        if field is None:
            misspelt = next((k for k in parsed.fields if near_key(k, around.vocabulary, parsed) == key), None)
            hint = f"`{misspelt}` must be written `{key}`" if misspelt else f"add `{key}:`"
            yield finding(1, f"`{key}` is missing, so the client drops the agent", hint)
        elif field.value is None or field.value == "":
            yield finding(field.line, f"`{key}` is empty, so the client drops the agent", f"give it a {key}")
        elif not isinstance(field.value, str):
            message = f"`{key}` is {kind(field.value)} to YAML, so the client drops the agent"
            yield finding(field.line, message, "put it into double quotes")
        elif key == "name" and field.value.startswith("-"):
            message = "the name starts with `-`, so the client drops the agent"
            yield finding(field.line, message, "choose another name")
        elif key == "name" and (fault := _odd_name(field.value)):
            loads = around.facts.agree("odd_agent_files_load")
            status = Status.WARNING if loads else Status.ERROR
            who = "newer clients (2.1.330) drop" if loads else "the client drops"
            yield finding(field.line, f"the name {fault}, so {who} the agent", "choose another name", status)
    if parsed.bom and not around.facts.agree("agent_file_with_bom_loads"):
        certain = around.facts.agree("agent_file_with_bom_loads") is False
        who = "the client drops" if certain else "older clients (2.1.197) drop"
        yield finding(
            1,
            f"the file starts with a byte-order mark, for which {who} the agent",
            f"sed -i '1s/^\\xEF\\xBB\\xBF//' {quote(path)}",
            Status.ERROR if certain else Status.WARNING,
        )


def _odd_name(name: str) -> str | None:
    if ":" in unicodedata.normalize("NFKC", name):
        return "has a `:` in it"
    return f"has more than {MAX_NAME} characters" if len(name) > MAX_NAME else None


def _description(path: Path, parsed: Frontmatter, _around: Surroundings) -> Iterator[Finding]:
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
            "the description does not say when to delegate to the agent, and Claude goes by nothing else",
            path,
            field.line,
            hint="add `Use when …` or `Use proactively after …`",
        )


def _prompt(path: Path, parsed: Frontmatter, _around: Surroundings) -> Iterator[Finding]:
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


_CHECKS: tuple[Callable[[Path, Frontmatter, Surroundings], Iterator[Finding]], ...] = (
    agent_values.unknown_keys,
    agent_models.model,
    agent_tools.tools,
    agent_values.ignored_values,
    _description,
    _prompt,
)
