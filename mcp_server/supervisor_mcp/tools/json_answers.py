"""JSON in what a model says, also where a server did not hold it to the schema."""

import json
from typing import Any

from supervisor_mcp.tools.asking import Said
from supervisor_mcp.tools.jobs import Unusable

_ENDINGS = ("", '"}', "}", "]}", '"]}')


def parsed(said: Said, *, mend: bool = False) -> Any:
    """The value; with `mend` also of an answer that was cut off, as far as it came.

    Raises:
        Unusable: It is no JSON.
    """
    text = said.text.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    for ending in _ENDINGS if mend and said.cut else _ENDINGS[:1]:
        try:
            return json.loads(text + ending, parse_constant=_refuse)
        except (ValueError, RecursionError):
            continue
    if said.cut:
        raise Unusable("the model's answer was cut off: it is too long for `max_output_tokens`")
    raise Unusable("the model's answer is no JSON")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
