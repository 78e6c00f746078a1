"""Agents that share a name, in one folder, across the client's folders, or with an agent of the client's own.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from supervisor_setup.checks.agent_search import AgentFile
from supervisor_setup.checks.surroundings import Surroundings
from supervisor_setup.findings import Finding, Status

_ID = "agents.duplicate"


def duplicates(files: Iterable[AgentFile], around: Surroundings) -> Iterator[Finding]:
    """Agents of one folder that share a name: all but one of them are lost."""
    for (_, name), group in _grouped(files, by_scope=True).items():
        for file in group[1:]:
            yield _duplicate(file, group, name, around)


def overridden(files: Iterable[AgentFile]) -> Iterator[Finding]:
    """Agents that another one of their name, from a folder that the client prefers, takes the place of.

    `files` come in the order of the client's folders, weakest first. Two equal agents make no difference.
    """
    for (_, name), group in _grouped(files, by_scope=False).items():
        winner = group[-1]
        for file in group[:-1]:
            if file.scope != winner.scope and file.frontmatter != winner.frontmatter:
                yield Finding(
                    _ID,
                    Status.INFO,
                    f"{winner.path} has an agent `{name}` too, and the client takes that one here",
                    file.path,
                    _line(file),
                    hint="rename one of the two, if both are wanted",
                )


def replacing_built_in(
    files: Iterable[AgentFile], around: Surroundings, ours: frozenset[Path]
) -> Iterator[Finding]:
    """Agents that take the place of one of the client's own; those that we installed to do so excepted."""
    built_in = {name for row in around.facts.rows for name in row.built_in_agents}
    for (_, name), group in _grouped(files, by_scope=False).items():
        winner = group[-1]
        if name in built_in and winner.path not in ours:
            yield Finding(
                _ID,
                Status.INFO,
                f"the client has an agent `{name}` of its own, which this one takes the place of",
                winner.path,
                _line(winner),
                hint="rename it, if that was not meant",
            )


def _duplicate(file: AgentFile, group: Sequence[AgentFile], name: str, around: Surroundings) -> Finding:
    first = group[0]
    hint = "rename one of the two"
    if all(one.frontmatter == first.frontmatter for one in group):
        message = (
            f"it is a copy of {first.path}, and the client loads one of them: a change to the other is lost"
        )
        return Finding(_ID, Status.WARNING, message, file.path, _line(file), hint="remove one of the two")
    last_wins = around.facts.agree("last_agent_of_a_name_wins")
    if last_wins is None:
        which = "2.1.330 the last by path, 2.1.197 whichever the folder lists last"
    elif last_wins:
        which = f"the last by path, {'this one' if file is group[-1] else group[-1].path}"
    else:
        which = "whichever the folder lists last"
    message = f"{first.path} names its agent `{name}` too, and the client loads only one of them: {which}"
    return Finding(_ID, Status.ERROR, message, file.path, _line(file), hint=hint)


def _grouped(
    files: Iterable[AgentFile], *, by_scope: bool
) -> Mapping[tuple[Path | None, str], list[AgentFile]]:
    groups: dict[tuple[Path | None, str], list[AgentFile]] = {}
    for file in files:
        if file.name is not None:
            groups.setdefault((file.scope if by_scope else None, file.name), []).append(file)
    return groups


def _line(file: AgentFile) -> int:
    assert file.frontmatter is not None
    return file.frontmatter.fields["name"].line
