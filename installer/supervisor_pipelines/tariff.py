"""What Claude's models cost, in millionths of a dollar: dollars per million tokens are these per token."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from supervisor_setup import assets

MICROS = 1_000_000
"""Millionths in a dollar."""
OVERHEAD_TOKENS = 1_000
"""More than what the API adds to a prompt by itself: roles, and the words that bind the answer's form."""
_DATED = re.compile(r"-\d{8}$")


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call: read in full, written to the prompt cache, read from it, and answered."""

    input: int
    output: int
    cache_write: int = 0
    cache_read: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that were read."""
        return self.input + self.cache_write + self.cache_read


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price table; `batch_factor` is what a call in a batch costs of one by itself."""

    models: Mapping[str, Mapping[str, Any]]
    batch_factor: Decimal
    bytes_per_token: Decimal
    least_bytes_per_token: Decimal
    date: str
    source: str

    @classmethod
    def load(cls) -> Tariff:
        """The table that comes with this release."""
        data = json.loads((assets.templates() / "prices.json").read_bytes(), parse_float=Decimal)
        return cls(
            models={model["id"]: model for model in data["models"]},
            batch_factor=Decimal(data["batch"]["factor"]),
            bytes_per_token=Decimal(data["bytes_per_token"]),
            least_bytes_per_token=Decimal(data["least_bytes_per_token"]),
            date=data["date"],
            source=data["source"],
        )

    def knows(self, model: str) -> bool:
        """Whether it has the model's price."""
        return self._prices(model) is not None

    def cost(self, model: str, usage: Usage, *, batch: bool = False) -> int | None:
        """What a call cost, rounded up; None for a model that is not in the table."""
        prices = self._prices(model)
        if prices is None:
            return None
        cost: Decimal = (
            usage.input * prices["input"]
            + usage.output * prices["output"]
            + usage.cache_write * prices["cache_write"]
            + usage.cache_read * prices["cache_read"]
        )
        long = prices.get("long_prompt")
        if long is not None and usage.prompt > long["above_tokens"]:
            cost *= long["factor"]
        return math.ceil(cost * (self.batch_factor if batch else 1))

    def most(self, model: str, prompt_bytes: int, max_tokens: int, *, batch: bool = False) -> int | None:
        """What a call can cost at the most; None for a model that is not in the table.

        No token is shorter than a byte, all of the prompt may be written to the cache, and an answer ends at
        `max_tokens`.
        """
        return self.cost(model, Usage(0, max_tokens, cache_write=prompt_bytes + OVERHEAD_TOKENS), batch=batch)

    def _prices(self, model: str) -> Mapping[str, Any] | None:
        return self.models.get(model) or self.models.get(_DATED.sub("", model))


def dollars(micros: int) -> str:
    """An amount for people, to the hundredth of a cent where it is small."""
    amount = Decimal(micros) / MICROS
    return f"${amount:,.2f}" if amount >= 1 or not micros else f"${amount:.4f}"
