"""How versions of the client differ: data of client-facts.json, held against the real client by tests.

The newest measured version that is not above the asked one decides; between two that differ, nobody knows,
except for the facts whose first version was looked for.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from supervisor_setup import assets
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What one version of the client does where versions differ.

    `models` gives the id on the wire behind each alias, `main_alias` and `explore_alias` what the main
    conversation and the built-in Explore agent run on; `forbidden_model_steps_down` tells that for an alias
    which availableModels forbids an allowed model of the same family is taken; `text_limit` is the number of
    characters after which a tool's description and a server's instructions are cut.

    `odd_agent_files_load` tells of agents with a colon or more than 256 characters in their names, and of
    hooks that cannot be loaded; `last_agent_of_a_name_wins` that of several files in a folder with one name
    the last by path is taken, and not one by chance.
    """

    models: Mapping[str, str]
    main_alias: str
    explore_alias: str
    subagent_variable_overrides_agents: bool
    subagent_model_can_be_forced: bool
    forbidden_model_steps_down: bool
    agent_file_with_bom_loads: bool
    odd_agent_files_load: bool
    agents_without_tools_start: bool
    last_agent_of_a_name_wins: bool
    built_in_agents: Sequence[str]
    subagents_wait_in_background: bool
    tool_search_by_default: bool
    deferred_tools_are_named: bool
    text_limit: int
    failed_server_says_why: bool
    repository_local_settings_apply: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The facts that apply to a version: one row when they are certain, else all that may, oldest first."""

    rows: tuple[ClientFacts, ...]

    def agree(self, name: str) -> Any:
        """The fact `name` where all rows agree on it; None where they do not, or nothing is known."""
        values = {json.dumps(getattr(row, name), sort_keys=True) for row in self.rows}
        return getattr(self.rows[-1], name) if len(values) == 1 else None

    def possible(self, name: str, value: object) -> bool:
        """Whether the fact `name` may have this value."""
        return any(getattr(row, name) == value for row in self.rows)


def measured() -> Mapping[str, ClientFacts]:
    """The facts of every measured version, oldest first."""
    return {version: ClientFacts(**row) for version, row in _data()["versions"].items()}


def known(version: str | None) -> Known:
    """What is known of `version`; of an unknown one, all that was ever measured."""
    found = _between(version)
    dated = _dated(version)
    return Known(tuple(replace(row, **dated) for row in found.rows))


def _between(version: str | None) -> Known:
    """The facts of the measured versions around `version`."""
    rows = measured()
    return Known(tuple(rows[one] for one in nearest(version)))


def nearest(version: str | None) -> tuple[str, ...]:
    """The measured versions of which one does as `version` does; all of them when it is unknown."""
    rows = tuple(measured())
    asked = parts(version) if version else None
    if asked is None:
        return rows
    below = [one for one in rows if (parts(one) or ()) <= asked]
    above = [one for one in rows if (parts(one) or ()) > asked]
    if not below:
        return tuple(above[:1])
    exact = version in rows or not above
    return (below[-1],) if exact else (below[-1], above[0])


def _dated(version: str | None) -> dict[str, Any]:
    """The facts of which it is known since when they hold, as they are in `version`."""
    asked = parts(version) if version else None
    oldest, first = next(iter(measured().items()))
    if asked is None or asked < (parts(oldest) or ()):
        return {}
    found = {}
    for name, changes in _data()["since"].items():
        past = [value for since, value in changes.items() if (parts(since) or ()) <= asked]
        found[name] = past[-1] if past else getattr(first, name)
    return found


@cache
def _data() -> Any:
    return json.loads((assets.templates() / "client-facts.json").read_bytes())


def parts(version: str) -> tuple[int, ...] | None:
    """The numbers of a version such as 2.1.330, to be compared; None for anything else."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else None
