"""Serves calls: checks what is asked, has it answered, and puts the outcome into words for Claude."""

from collections.abc import Mapping
from typing import Any

from supervisor_mcp import arguments, overview, pages
from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.delegation import AllFailed, Attempt, Delegated, Delegation, Task
from supervisor_mcp.settings_types import Settings, Tool

_NEXT_STEP = {
    Kind.CONTEXT: "Split the material over several calls, or do the task yourself.",
    Kind.EMPTY: "Do the task yourself, or ask once more for something simpler.",
    Kind.BUSY: "Do the task yourself, or ask once more in a minute.",
}
_DO_IT_YOURSELF = "Do the task yourself; calling again now will fail the same way."
_NO_BACKEND = (
    "No local model can be asked: config.yaml has no enabled backend. Do the task yourself.\n"
    "For the user: add one under `backends` in config.yaml; `supervisor-setup doctor` checks it."
)


class Desk:
    """Serves calls of the tools; from several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._tools = settings.tools
        self._delegation = Delegation(settings.backends)
        self._pages = pages.Pages()

    def serve(self, tool: Tool, given: Mapping[str, Any], call: Call) -> tuple[str, bool]:
        """The text that answers a call of `tool`, and whether it is an error.

        Raises:
            CallCancelled: The client cancelled.
        """
        token = pages.requested(given)
        if token is not None:
            return self._next_page(tool, token)
        wrong = arguments.problem(tool, given)
        if wrong is not None:
            return wrong, True
        if not self._delegation.backends:
            return _NO_BACKEND, True
        if tool.kind == "models":
            return self._overview(tool, call)
        try:
            delegated = self._delegation.ask(Task.of(tool, arguments.message(tool, given)), call)
        except AllFailed as failure:
            return _failure_text(failure.attempts), True
        return self._pages.first(tool, _answer_text(delegated, tool)), False

    def _next_page(self, tool: Tool, token: str) -> tuple[str, bool]:
        page = self._pages.next(tool, token)
        if page is None:
            return f"{token} is no longer kept. Ask again, for a shorter answer.", True
        return page, False

    def _overview(self, tool: Tool, call: Call) -> tuple[str, bool]:
        probes = overview.probe_all(self._delegation, call)
        text = overview.text(probes, self._tools)
        if any(probe.failure is None for probe in probes):
            return self._pages.first(tool, text), False
        hints = _hints([probe.failure.hint for probe in probes if probe.failure is not None])
        return f"No local model is available now. Do the work yourself.\n{text}{hints}", True


def _answer_text(delegated: Delegated, tool: Tool) -> str:
    notes = []
    if delegated.answer.cut_off:
        notes.append(
            f"[Cut off at {tool.max_output_tokens} tokens, so incomplete: ask for less, or in parts.]"
        )
    if delegated.failed:
        reasons = "; ".join(f"{attempt.backend.name} {attempt.failure.text}" for attempt in delegated.failed)
        notes.append(f"[Answered by {delegated.model} on {delegated.backend.name}, because {reasons}.]")
    return "\n\n".join([delegated.answer.text, *notes])


def _failure_text(attempts: tuple[Attempt, ...]) -> str:
    reasons = "".join(
        f"\n- {attempt.backend.name} ({attempt.backend.url}) {attempt.failure.text}" for attempt in attempts
    )
    hints = _hints([attempt.failure.hint for attempt in attempts])
    next_step = _NEXT_STEP.get(attempts[-1].failure.kind, _DO_IT_YOURSELF)
    return f"No local model answered. {next_step}{reasons}{hints}"


def _hints(hints: list[str]) -> str:
    known = [hint for hint in dict.fromkeys(hints) if hint]
    return f"\nFor the user: {'; '.join(known)}." if known else ""
