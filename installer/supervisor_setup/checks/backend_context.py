"""Whether a long prompt reaches a model whole, told by a number in its first line and by the tokens read."""

import re
import secrets
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from supervisor_setup.checks import backend_config
from supervisor_setup.checks.backend_answers import ANSWER_SECONDS, Asked, answers, seconds_left
from supervisor_setup.checks.backend_config import finding, set_command
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_mcp.backends import Backend

_LONG_TOKENS = 6000
_SHORT_CHARS, _LONG_CHARS = 1600, 24_000
_LEAST_SHARE = 0.8
# Of a proxy, whose own patience ends first.
_GAVE_UP = re.compile(r"HTTP (408|5\d\d)")
_LINE = "Line {:04}: the grey boats of the harbour wait for the morning tide.\n"


@dataclass(frozen=True, slots=True)
class _Reading:
    """A prompt of `chars` characters: whether its first line came back, and the tokens read of it."""

    chars: int
    found: bool
    tokens: int | None


def context(world: World) -> Iterator[Finding]:
    """A backend cuts a long prompt without a word, so that the model never sees its beginning.

    Answers about long texts are then made from their last part, and look like any other. Ollama does so
    beyond 4,096 tokens unless it is asked for more, which LiteLLM does only with `num_ctx`.

    Mend: give the model `num_ctx` in LiteLLM's config (`supervisor-setup litellm` prints it), or use the
    kind `ollama` for an Ollama server.
    """
    from supervisor_setup.deadlines import all_at_once

    by_backend: dict[int, list[Asked]] = {}
    for one in answers(world):
        if one.failure is None:
            by_backend.setdefault(one.probe.number, []).append(one)
    works = [partial(_contexts, world, asked) for asked in by_backend.values()]
    nothing: list[Finding] = []
    for found in all_at_once(works, ANSWER_SECONDS + 5, late=nothing):
        yield from found


def _contexts(world: World, asked: list[Asked]) -> list[Finding]:
    deadline = time.monotonic() + ANSWER_SECONDS
    return [found for one in asked for found in _context(world, one, deadline)]


def _context(world: World, asked: Asked, deadline: float) -> Iterator[Finding]:
    from supervisor_mcp.backends.failures import BackendError, Kind

    try:
        short = _read(world, asked, _SHORT_CHARS, deadline)
        long = _read(world, asked, _long_chars(short), deadline)
    except BackendError as error:
        # To refuse a long prompt is as it should be, in whatever words.
        if error.failure.kind is Kind.TIMEOUT or _GAVE_UP.search(error.failure.text):
            yield finding(
                world,
                "backend.context",
                Status.INFO,
                f"{asked.title} did not get through a prompt of some {_LONG_TOKENS:,} tokens "
                f"({error.failure.text}), so whether it is cut is not known",
                f"nothing to do, if your prompts are short; else see the log of {asked.probe.settings.name}",
                *asked.place,
            )
        return
    cut = _cut(short, long)
    if cut is not None:
        status, what = cut
        yield finding(
            world,
            "backend.context",
            status,
            f"{asked.title} {what}, without an error",
            _context_hint(world, asked),
            *asked.place,
        )


def _long_chars(short: _Reading) -> int:
    return int(_LONG_TOKENS * short.chars / short.tokens) if short.tokens else _LONG_CHARS


def _cut(short: _Reading, long: _Reading) -> tuple[Status, str] | None:
    """What became of the long prompt, measured against the short one; None when it was read whole."""
    if long.found:
        return None
    if short.tokens and long.tokens:
        expected = short.tokens * long.chars / short.chars
        if long.tokens >= _LEAST_SHARE * expected:
            return None
        return (
            Status.ERROR,
            f"read {long.tokens:,} of some {round(expected, -2):,.0f} tokens of a long prompt",
        )
    # Without a count only a model that found the number in the short prompt says anything by missing it.
    if short.found:
        return Status.WARNING, "did not see the beginning of a long prompt"
    return None


def _read(world: World, asked: Asked, chars: int, deadline: float) -> _Reading:
    from supervisor_mcp.backends.failures import BackendError, Kind

    number = str(secrets.randbelow(900_000) + 100_000)
    lines = "".join(_LINE.format(line) for line in range(chars // len(_LINE)))
    text = (
        f"The secret number is {number}. Remember it.\n{lines}"
        "What is the secret number? Answer with the number alone."
    )
    seconds = min(asked.probe.settings.timeout, seconds_left(deadline))
    if seconds <= 0:
        raise BackendError(Kind.TIMEOUT, "no time is left")
    client = backend_config.client_of(world, asked.probe.settings, timeout=seconds)
    said, tokens = _said(client, asked.name, text)
    digits = "".join(letter for letter in said if letter.isdigit())
    return _Reading(len(text), number in digits, tokens)


def _said(client: "Backend", model: str, text: str) -> tuple[str, int | None]:
    """The answer, and how much of the prompt the server says that it read."""
    from supervisor_mcp.backends import Prompt
    from supervisor_mcp.calls import Call

    prompt = Prompt(model=model, system="", user=text, max_tokens=16, temperature=0)
    answer = client.answer_though_cut(prompt, Call())
    return answer.text, answer.prompt_tokens


def _context_hint(world: World, asked: Asked) -> str:
    kind = asked.probe.settings.kind
    if kind == "litellm":
        return (
            f"give the model num_ctx in LiteLLM's config.yaml, as {world.layout.command} litellm prints it, "
            "and restart LiteLLM"
        )
    if kind == "openai":
        command = set_command(world, "backends", asked.probe.number, "kind")
        return f"if it is an Ollama: {command} ollama; else load its model with a larger context"
    return "update Ollama, or raise OLLAMA_CONTEXT_LENGTH where it runs"
