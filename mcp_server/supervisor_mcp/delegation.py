"""Handing a prompt to the first backend that can answer it."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from supervisor_mcp import answers, backends
from supervisor_mcp.backends import Answer, Backend, Prompt
from supervisor_mcp.backends.failures import BackendError, Failure, Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Backend as BackendSettings
from supervisor_mcp.settings_types import Tool

REMEMBERED_SECONDS = 15.0
SLOW_FAILURE_SECONDS = 0.25


class Task(Record):
    """Something to ask of a model, which goes by the name that the tools use.

    `private` marks a text with file contents in it: only a model on the user's own machines may see it.
    """

    model: str
    system: str
    user: str
    max_tokens: int
    temperature: float | None = None
    schema: Mapping[str, Any] | None = None
    private: bool = False

    @classmethod
    def of(cls, tool: Tool, message: str) -> "Task":
        """What a tool's message asks of its model."""
        return cls(
            model=tool.model,
            system=tool.system,
            user=message,
            max_tokens=tool.max_output_tokens,
            temperature=tool.temperature,
        )


class Attempt(Record):
    """A backend that was asked and failed."""

    backend: BackendSettings
    failure: Failure


class Delegated(Record):
    """An answer, who gave it, and who was asked before in vain."""

    answer: Answer
    model: str
    backend: BackendSettings
    failed: tuple[Attempt, ...]


class AllFailed(Exception):
    """No backend answered; `attempts` are empty when none is configured."""

    def __init__(self, attempts: tuple[Attempt, ...]) -> None:
        super().__init__("no backend answered")
        self.attempts = attempts


class Delegation:
    """The backends in order of preference, and which of them are known to be down."""

    def __init__(self, settings: tuple[BackendSettings, ...]) -> None:
        self.backends = [backends.make(backend) for backend in settings if backend.enabled]
        self._lock = threading.Lock()
        self._down: dict[str, tuple[float, Failure]] = {}

    def ask(self, task: Task, call: Call) -> Delegated:
        """Ask the task's model, on one backend after the other while that makes sense.

        Raises:
            AllFailed: None gave an answer.
            CallCancelled: The client cancelled.
        """
        failed: list[Attempt] = []
        for backend in self.backends:
            prompt = Prompt(
                model=backend.settings.model_name(task.model),
                system=task.system,
                user=answers.well_formed(task.user),
                max_tokens=task.max_tokens,
                temperature=task.temperature,
                schema=task.schema,
            )
            try:
                answer = self._ask_one(backend, prompt, call)
            except BackendError as error:
                failed.append(Attempt(backend=backend.settings, failure=error.failure))
                if not error.failure.falls_back:
                    break
            else:
                model = prompt.model
                return Delegated(answer=answer, model=model, backend=backend.settings, failed=tuple(failed))
        raise AllFailed(tuple(failed))

    def remember(self, backend: Backend, failure: Failure | None, seconds: float) -> None:
        """Note how an attempt that took `seconds` ended.

        Only a slow failure to connect is remembered: one that comes at once costs nothing to try again, and
        then a server that was just started is seen at once.
        """
        with self._lock:
            if failure is None or failure.kind is not Kind.UNREACHABLE:
                self._down.pop(backend.settings.name, None)
            elif seconds >= SLOW_FAILURE_SECONDS:
                self._down[backend.settings.name] = (time.monotonic() + REMEMBERED_SECONDS, failure)

    def _ask_one(self, backend: Backend, prompt: Prompt, call: Call) -> Answer:
        self._raise_if_down(backend)
        started = time.monotonic()
        try:
            answer = backend.ask(prompt, call)
        except BackendError as error:
            self.remember(backend, error.failure, time.monotonic() - started)
            raise
        self.remember(backend, None, 0.0)
        return _checked(answer)

    def _raise_if_down(self, backend: Backend) -> None:
        with self._lock:
            until, failure = self._down.get(backend.settings.name, (0.0, None))
        wait = until - time.monotonic()
        if failure is not None and wait > 0:
            text = f"{failure.text} (not tried again for another {wait:.0f} s)"
            raise BackendError(failure.kind, text, failure.hint)


def _checked(answer: Answer) -> Answer:
    text = answers.cleaned(answer.text)
    if not text:
        why = (
            "it spent `max_output_tokens` on thinking"
            if answer.cut_off
            else "the task may be too much for it"
        )
        text = f"the model's answer is empty ({why})"
        raise BackendError(Kind.EMPTY, text, "try another model for this tool")
    return answer.but(text=text)
