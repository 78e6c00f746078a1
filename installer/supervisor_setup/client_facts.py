"""How versions of the client differ: data of client-facts.json, held against the real client by tests.

The newest measured version that is not above the asked one decides; between two that differ, nobody knows.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from supervisor_setup import assets


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What one version of the client does where versions differ.

    `models` gives the id on the wire behind each alias, `main_alias` and `explore_alias` what the main
    conversation and the built-in Explore agent run on; `text_limit` is the number of characters after which a
    tool's description and a server's instructions are cut.
    """

    models: Mapping[str, str]
    main_alias: str
    explore_alias: str
    subagent_variable_overrides_agents: bool
    agent_file_with_bom_loads: bool
    subagents_wait_in_background: bool
    tool_search_by_default: bool
    deferred_tools_are_named: bool
    text_limit: int
    failed_server_says_why: bool


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


@cache
def measured() -> Mapping[str, ClientFacts]:
    """The facts of every measured version, oldest first."""
    data = json.loads((assets.templates() / "client-facts.json").read_bytes())
    return {version: ClientFacts(**row) for version, row in data["versions"].items()}


def known(version: str | None) -> Known:
    """What is known of `version`; of an unknown one, all that was ever measured."""
    rows = measured()
    asked = parts(version) if version else None
    if asked is None:
        return Known(tuple(rows.values()))
    below = [row for measured_version, row in rows.items() if (parts(measured_version) or ()) <= asked]
    above = [row for measured_version, row in rows.items() if (parts(measured_version) or ()) > asked]
    if not below:
        return Known(tuple(above[:1]))
    exact = version in rows or not above
    return Known((below[-1],) if exact else (below[-1], above[0]))


def parts(version: str) -> tuple[int, ...] | None:
    """The numbers of a version such as 2.1.330, to be compared; None for anything else."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else None
