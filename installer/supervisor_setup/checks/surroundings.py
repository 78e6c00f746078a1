"""What is known of the client and the machine that agent files are for; `validate` knows nothing of them."""

import json
import time
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Any

from supervisor_setup import assets, client_facts
from supervisor_setup.checks.vocabulary import Vocabulary
from supervisor_setup.client_facts import Known
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Retirement:
    """When a model stops answering, and what takes its place; dates as 2026-11-30.

    `resent` tells that the client sends its current model of `alias` instead, unless it is told not to.
    """

    retired: str
    replacement: str
    alias: str
    resent: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The client's words, and what is known of the place.

    `servers` are the names of the MCP servers that the client reads, as they stand in tools' names; None
    where that is unknown. `foreign_models` tells that requests go to something that may have models of its
    own. `resends` is false where the client is told to keep the ids of `Retirement.resent`.
    """

    vocabulary: Vocabulary
    retirements: Mapping[str, Retirement]
    facts: Known
    servers: frozenset[str] | None = None
    foreign_models: bool = False
    resends: bool = True
    today: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))


def anywhere() -> Surroundings:
    """The files may be for any client on any machine."""
    return Surroundings(vocabulary(), retirements(), client_facts.known(None))


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of an agent file's frontmatter."""
    found: dict[str, Any] = json.loads((assets.templates() / "agent-frontmatter.schema.json").read_bytes())
    return found


@cache
def vocabulary() -> Vocabulary:
    """The keys, values, models and tools of agent-frontmatter.schema.json."""
    return Vocabulary.from_schema(schema())


@cache
def retirements() -> Mapping[str, Retirement]:
    """The retired and deprecated models of models.json, by id."""
    data = json.loads((assets.templates() / "models.json").read_bytes())
    resent = set(data["resent"]["ids"])
    return {
        one: Retirement(model["retired"], model["replacement"], model["alias"], one in resent)
        for model in data["models"]
        for one in model["ids"]
    }
