"""What the models answer when they are asked one question, as the tools would ask it."""

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from supervisor_setup.checks import backend_config
from supervisor_setup.checks.backend_config import finding, set_command
from supervisor_setup.checks.backend_models import Offer, offer
from supervisor_setup.checks.backend_probe import Probe, healthy
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_mcp.backends.failures import Failure
    from supervisor_mcp.settings import Tool

ANSWER_SECONDS = 140.0
"""The longest that a backend is asked for all its models, which it may have to load one after the other."""

_QUESTION = "What is the capital of France? Answer in one sentence."
_FEW_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """A model of a backend that was asked, and how it failed, if it did."""

    probe: Probe
    model: str
    tool: "Tool"
    failure: "Failure | None"

    @property
    def name(self) -> str:
        """What the model is called on this backend."""
        return self.probe.settings.model_name(self.model)

    @property
    def title(self) -> str:
        """How a message names it."""
        return f"{self.name} on {self.probe.title}"

    @property
    def undecided(self) -> bool:
        """Whether the tools would have waited longer than doctor did."""
        from supervisor_mcp.backends.failures import Kind

        late = self.failure is not None and self.failure.kind is Kind.TIMEOUT
        return late and self.probe.settings.timeout > ANSWER_SECONDS

    @property
    def place(self) -> tuple[str | int, ...]:
        """Where it stands in config.yaml."""
        return ("backends", self.probe.number, "models", self.model)


def answer(world: World) -> Iterator[Finding]:
    """A model that a tool asks for is listed, and gives no answer when it is asked.

    The tool's calls fail, or wait and fail: the server behind a proxy is gone, a model cannot be loaded in
    time, or a thinking model spends all its tokens before it says anything.

    Mend: look into the backend's log; give a slow model a longer `timeout`, and a thinking one more
    `max_output_tokens`, in config.yaml.
    """
    from supervisor_mcp.backends.failures import Kind

    asked = answers(world)
    answered = {one.model for one in asked if one.failure is None}
    for one in asked:
        if one.failure is not None:
            mild = one.model in answered or one.undecided
            status = Status.WARNING if mild else Status.ERROR
            link = ": " if one.failure.kind is Kind.EMPTY else " "
            message = f"{one.title}{link}{one.failure.text}"
            yield finding(
                world, "backend.answer", status, message, _answer_hint(world, one, one.failure), *one.place
            )


def answers(world: World) -> list[Asked]:
    """Every model of every backend, asked once in a run."""
    return world.memo.get("backend answers", lambda: list(_ask_all(world)))


def _ask_all(world: World) -> Iterator[Asked]:
    """Each backend for itself asks one model after the other: several at once would fight for its memory."""
    from supervisor_setup.deadlines import all_at_once

    works = [partial(_ask_models, world, probe) for probe in healthy(world)]
    nothing: list[Asked] = []
    for found in all_at_once(works, ANSWER_SECONDS + 5, late=nothing):
        yield from found


def _ask_models(world: World, probe: Probe) -> list[Asked]:
    deadline = time.monotonic() + ANSWER_SECONDS
    return [
        Asked(probe, model, tools[0], _ask(world, probe, tools[0], deadline))
        for model, tools in backend_config.models(world).items()
        if offer(probe, model) is not Offer.NO
    ]


def _ask(world: World, probe: Probe, tool: "Tool", deadline: float) -> "Failure | None":
    """How the tool's model fails to answer; asked for few tokens first, since most models need no more."""
    from supervisor_mcp.backends.failures import Failure, Kind

    failure: Failure | None = None
    for tokens in dict.fromkeys((min(_FEW_TOKENS, tool.max_output_tokens), tool.max_output_tokens)):
        seconds = min(probe.settings.timeout, seconds_left(deadline))
        if seconds <= 0:
            return Failure(kind=Kind.TIMEOUT, text="was not asked: the models before it took all the time")
        failure = _asked_once(world, probe, tool, tokens, seconds)
        if failure is None or failure.kind is not Kind.EMPTY:
            return failure
    return failure


def seconds_left(deadline: float) -> float:
    """The time until then, in whole seconds while there are any, to be spoken of in messages."""
    left = deadline - time.monotonic()
    return int(left) if left > 1 else left


def _asked_once(world: World, probe: Probe, tool: "Tool", tokens: int, seconds: float) -> "Failure | None":
    from supervisor_mcp.calls import Call
    from supervisor_mcp.delegation import AllFailed, Delegation, Task

    delegation = Delegation(())
    delegation.backends = [backend_config.client_of(world, probe.settings, timeout=seconds)]
    try:
        delegation.ask(Task.of(tool, _QUESTION).but(max_tokens=tokens), Call())
    except AllFailed as error:
        return error.attempts[0].failure
    return None


def _answer_hint(world: World, asked: Asked, failure: "Failure") -> str:
    from supervisor_mcp.backends.failures import Kind

    number = asked.probe.number
    if "health check" in failure.text:
        return "raise healthCheckTimeout in llama-swap's config above the time that the model takes to load"
    if failure.kind is Kind.TIMEOUT:
        command = set_command(world, "backends", number, "timeout")
        return f"if its model loads that slowly: {command} SECONDS; else look into its log"
    if failure.kind is Kind.EMPTY:
        command = set_command(world, "tools", asked.tool.name, "max_output_tokens")
        return f"{command} NUMBER, above {asked.tool.max_output_tokens}, or a model that thinks less"
    if failure.kind is Kind.MODEL:
        return f"{set_command(world, *asked.place)} NAME"
    return failure.hint or f"look into the log of {asked.probe.settings.name}"
