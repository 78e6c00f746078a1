"""Third-party harnesses and routers: what is known of them stands in harnesses.json, with date and source."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor_setup import assets
from supervisor_setup.checks import bounded_text
from supervisor_setup.checks.search_path import which
from supervisor_setup.checks.subscription import TOKEN_START
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Harness:
    """One program, and how it is recognised.

    `kind` is `router` for one that sends Claude Code's requests elsewhere, `sharer` for one that serves a
    subscription to other programs, `harness` for an agent of its own, which is only mentioned when a
    subscription's login is found in `logins`. `programs` are names on PATH that say enough alone, `packages`
    are names together with a part of the path that they really lead to, `folders` are where it keeps its own
    configuration.
    """

    name: str
    kind: str
    does: str
    source: str
    programs: Sequence[str] = ()
    packages: Mapping[str, Sequence[str]] | None = None
    folders: Sequence[str] = ()
    logins: Sequence[Mapping[str, Any]] = ()

    @property
    def shares_login(self) -> bool:
        """Whether its very purpose is to use a subscription for other programs."""
        return self.kind == "sharer"


@dataclass(frozen=True, slots=True)
class Seen:
    """A harness that is here: where, and whether it holds a subscription's login."""

    harness: Harness
    path: Path
    line: int | None
    holds_token: bool


def known() -> tuple[Harness, ...]:
    """All that the data names."""
    data = json.loads((assets.templates() / "harnesses.json").read_bytes())
    return tuple(Harness(**one) for one in data["harnesses"])


def seen(world: World) -> Iterator[Seen]:
    """Those that are here: each login that one holds, or for want of one the place of a router or sharer."""
    for harness in known():
        logins = list(_logins(world, harness))
        yield from logins
        if not logins and harness.kind != "harness":
            place = _installed(world, harness)
            if place is not None:
                yield Seen(harness, place, None, holds_token=False)


def _logins(world: World, harness: Harness) -> Iterator[Seen]:
    for login in harness.logins:
        for path in bounded_text.places(world, login["file"]):
            text = bounded_text.read(path)
            if text is None:
                continue
            line = bounded_text.line_with(text, *login.get("words", (TOKEN_START,)))
            if line is None and "keys" in login:
                line = _line_of_value(world, path, login["keys"], login["value"])
            if line is not None:
                yield Seen(harness, path, line, holds_token=True)


def _line_of_value(world: World, path: Path, keys: Sequence[str], value: str) -> int | None:
    document = world.document(path)
    return (document.line_of(*keys) or 1) if document.at(*keys) == value else None


def _installed(world: World, harness: Harness) -> Path | None:
    search = world.environment.get("PATH", "")
    for name in harness.programs:
        if program := which(name, search):
            return Path(program)
    for name, parts in (harness.packages or {}).items():
        program = which(name, search)
        if program and any(part in str(Path(program).resolve()) for part in parts):
            return Path(program)
    for folder in harness.folders:
        for place in bounded_text.places(world, folder):
            return place
    return None
