"""What goes to a backend and what comes back, whatever its kind."""

from collections.abc import Mapping
from typing import Any

from supervisor_mcp.backends.reader import Reader
from supervisor_mcp.records import Record


class Prompt(Record):
    """What a model is asked. `max_tokens` bounds the answer; a JSON Schema in `schema` binds its form.

    `private` forbids a proxy to hand the prompt to another model than the one that is named.
    """

    model: str
    system: str
    user: str
    max_tokens: int
    temperature: float | None
    schema: Mapping[str, Any] | None = None
    frequency_penalty: float | None = None
    private: bool = False


class Answer(Record):
    """What a model said; `cut_off` when it stopped at `max_tokens` and not because it was done.

    The tokens are as the server counted them, None where it does not tell; `pieces` is how many it sent the
    answer in, in `seconds` from the first to the last. `thought` when the model thought aloud, which the text
    is without; `runaway` when it was stopped because it went on repeating itself.
    """

    text: str
    cut_off: bool
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    pieces: int = 0
    seconds: float = 0.0
    thought: bool = False
    runaway: bool = False

    @classmethod
    def of(cls, reader: Reader) -> "Answer":
        """What `reader` has read."""
        return cls(
            text=reader.text,
            cut_off=reader.finish == "length",
            prompt_tokens=reader.prompt_tokens,
            answer_tokens=reader.answer_tokens,
            pieces=reader.pieces,
            seconds=(reader.last_piece_at or 0.0) - (reader.first_piece_at or 0.0),
            thought=reader.thought,
            runaway=reader.runaway,
        )


class ModelInfo(Record):
    """What a backend tells of one of its models; None where it does not.

    `local` is whether it runs on the user's own machines, and `why` how that is known.
    """

    name: str
    local: bool | None = None
    why: str = ""
    context_tokens: int | None = None
    loaded: bool | None = None
