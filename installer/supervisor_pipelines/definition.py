"""What a pipeline is: the part that the user's script says, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

Facts = TypeVar("Facts", bound=BaseModel)
Answer = TypeVar("Answer", bound=BaseModel)

# The generic ones have no slots: Python 3.11 cannot make `Extract[Facts](…)` of a frozen class with slots.


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was read: `sha256` of its bytes names it, whatever its path.

    `path` is where a run found it first: of copies, and of a file that has moved since, the prompt stays one.
    """

    path: str
    sha256: str
    text: str


@dataclass(frozen=True)
class Extract(Generic[Facts]):
    """The local step: a local model reads the document and fills `answer`, whose JSON Schema it cannot leave.

    `model` is the name in LiteLLM; None takes the one of config.yaml. A document longer than the model's
    context is read in pieces, and `merge` makes one answer of theirs (default: lists joined, the first
    non-empty value else).
    """

    answer: type[Facts]
    instructions: str
    model: str | None = None
    max_tokens: int = 1024
    merge: Callable[[Sequence[Facts]], Facts] | None = None


@dataclass(frozen=True)
class Ask(Generic[Facts, Answer]):
    """The paid step for each document: Claude answers `prompt` in the form of `answer`.

    `system` is the same for all documents, so that the prompt cache serves it. `when` says for which
    documents Claude is worth asking; the others end with their facts alone.
    """

    answer: type[Answer]
    system: str
    prompt: Callable[[Document, Facts], str]
    when: Callable[[Facts], bool] = lambda _facts: True
    model: str = "claude-sonnet-5-5"
    max_tokens: int = 2048


@dataclass(frozen=True)
class Digest(Generic[Facts, Answer]):
    """The paid step over all documents: Claude makes one `answer` of all facts.

    `line` is what of a document Claude sees. What does not fit into `prompt_tokens` is digested in parts,
    and the parts again.
    """

    answer: type[Answer]
    system: str
    line: Callable[[Document, Facts], str]
    model: str = "claude-sonnet-5-5"
    max_tokens: int = 4096
    prompt_tokens: int = 100_000


@dataclass(frozen=True)
class Pipeline(Generic[Facts, Answer]):
    """A local step for each document, then at most one paid step: for each (`ask`) or over all (`digest`).

    Raises:
        ValueError: both `ask` and `digest` are given, or the name is not one word.
    """

    name: str
    extract: Extract[Facts]
    ask: Ask[Facts, Answer] | None = None
    digest: Digest[Facts, Answer] | None = None

    def __post_init__(self) -> None:
        if self.ask is not None and self.digest is not None:
            raise ValueError(f"pipeline {self.name!r}: give `ask` or `digest`, not both")
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"pipeline {self.name!r}: the name must be one word of letters, digits, - and _")
