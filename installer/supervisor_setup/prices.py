"""An estimate of what Claude would have paid to read what the local models kept out of its context."""

import json
from typing import Any

from supervisor_setup import assets

BASIS = (
    "An estimate: the kept-out text read once at the list price for input, and again from the prompt cache "
    "in each later turn. What Claude paid for the calls and their answers is not taken off."
)


def estimate(kept_out_bytes: int) -> dict[str, Any]:
    """What so many bytes would have cost with each of Claude's models, and all that the figure rests on."""
    prices = json.loads((assets.templates() / "prices.json").read_bytes())
    tokens = kept_out_bytes / prices["bytes_per_token"]
    return {
        "basis": BASIS,
        "bytes_per_token": prices["bytes_per_token"],
        "bytes_per_token_note": prices["bytes_per_token_note"],
        "tokens": round(tokens),
        "currency": prices["currency"],
        "prices_date": prices["date"],
        "prices_source": prices["source"],
        "models": [
            {
                "id": model["id"],
                "name": model["name"],
                "input_price": model["input"],
                "read_once": round(tokens * model["input"] / 1e6, 4),
                "each_later_turn": round(tokens * model["cache_read"] / 1e6, 4),
                "note": model.get("note"),
            }
            for model in prices["models"]
        ],
    }
