"""Hooks that stand more than once: which of them run, and how often."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.checks import settings_schema
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import settings_files
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import display
from supervisor_setup.values import dataclass

_EVERYTHING = (None, "", "*", ".*")
_NAMES = re.compile(r"[\w|, -]+")
_MOST_HOOKS = 1_000


@dataclass(frozen=True, slots=True)
class _Hook:
    """A command hook: where it stands, for which event and tools, and how it is written."""

    path: Path
    place: settings_schema.Place
    matcher: Any
    spec: Mapping[str, Any]

    @property
    def event(self) -> str:
        return str(self.place[1])

    @property
    def identity(self) -> str:
        """What the client tells hooks apart by: of several with the same it runs the last."""
        return json.dumps([self.spec.get(key) for key in ("command", "args", "if")])

    def spelling(self, home: Path) -> str:
        """The same for commands that differ only in blanks between words and in how the home is written."""
        command = str(self.spec["command"])
        try:
            words = [_with_home(word, home) for word in shlex.split(command)]
        except ValueError:
            words = [command.strip()]
        return json.dumps([words, *(self.spec.get(key) for key in ("args", "if"))])


def duplicate_hooks(world: World) -> Iterator[Finding]:
    """The same hook stands twice for one event and the same tools.

    The client runs a command that stands several times, letter by letter, only once, also across files, and
    with the options of the last place (a timeout, for one); removing one of them then changes nothing. When
    they differ in a blank or in how the home folder is written, it runs both, each time (measured on 2.1.197
    and 2.1.330).

    Mend: remove one of the two.
    """
    hooks = list(_hooks(world))
    if _all_disabled(world):
        return
    earlier: dict[tuple[str, str], list[_Hook]] = {}
    for hook in hooks[:_MOST_HOOKS]:
        alike = earlier.setdefault((hook.event, hook.spelling(world.layout.home)), [])
        found = [one for other in alike if (one := _compare(world, other, hook))]
        yield from found[:1]
        alike.append(hook)


def _hooks(world: World) -> Iterator[_Hook]:
    for settings in settings_files(world):
        document = world.document(settings.path)
        events = document.mapping("hooks") if document.state is State.GOOD else {}
        for event, groups in events.items():
            for number, group in enumerate(groups if isinstance(groups, list) else ()):
                inner = group.get("hooks") if isinstance(group, Mapping) else None
                for index, spec in enumerate(inner if isinstance(inner, list) else ()):
                    if isinstance(spec, Mapping) and isinstance(spec.get("command"), str):
                        place = ("hooks", event, number, "hooks", index)
                        yield _Hook(settings.path, place, group.get("matcher"), spec)


def _compare(world: World, first: _Hook, second: _Hook) -> Finding | None:
    """What follows from both being there; None where that is what their author may want."""
    if first.identity != second.identity:
        if not _meet(first.matcher, second.matcher):
            return None
        message = "is written differently but is the same command; the client runs both, each time"
        return _finding(world, first, second, Status.WARNING, message)
    if _tools(first.matcher) != _tools(second.matcher):
        return None
    if first.spec != second.spec:
        message = "is the same command with other options; the client runs it once, with those given here"
        return _finding(world, first, second, Status.WARNING, message)
    if first.path == second.path:
        message = "is the same hook; the client runs it once, so removing one of the two changes nothing"
        return _finding(world, first, second, Status.INFO, message)
    return None


def _finding(world: World, first: _Hook, second: _Hook, status: Status, message: str) -> Finding:
    other = settings_schema.written(first.place)
    if first.path != second.path:
        other += f" of {display(first.path, world.layout.home)}"
    return Finding(
        "settings.duplicate-hooks",
        status,
        f"`{settings_schema.written(second.place)}` and {other}: it {message}",
        path=second.path,
        line=world.document(second.path).line_of("hooks", second.event),
        hint="remove one of the two",
    )


def _all_disabled(world: World) -> bool:
    return any(world.document(one.path).at("disableAllHooks") is True for one in settings_files(world))


def _meet(one: Any, other: Any) -> bool:
    """Whether both matchers take some tool; unsure ones are taken not to."""
    mine, others = _tools(one), _tools(other)
    if mine is None or others is None:
        return True
    return not mine.isdisjoint(others)


def _tools(matcher: Any) -> frozenset[str] | None:
    """The names that a matcher takes, None for all of them; a regular expression counts as one name."""
    if matcher in _EVERYTHING:
        return None
    text = str(matcher)
    if not _NAMES.fullmatch(text):
        return frozenset({text})
    return frozenset(name.strip() for name in re.split(r"[|,]", text))


def _with_home(word: str, home: Path) -> str:
    return re.sub(r"^(~|\$HOME|\$\{HOME\})(?=/|$)", lambda _: str(home), word)


CHECKS = (Check("settings.duplicate-hooks", duplicate_hooks),)
