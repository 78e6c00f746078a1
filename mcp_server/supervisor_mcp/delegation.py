"""Handing a prompt to the first backend that can answer it."""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from supervisor_mcp import answers, backends, repetition
from supervisor_mcp.backends import Answer, Backend, Prompt
from supervisor_mcp.backends.base import ModelInfo
from supervisor_mcp.backends.failures import BackendError, Failure, Kind
from supervisor_mcp.backends.speeds import Speeds
from supervisor_mcp.backends.turns import Turns
from supervisor_mcp.calls import Call
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Backend as BackendSettings
from supervisor_mcp.settings_types import Files, Tool

# What a second try changes after an answer that was no good: the same again would give the same again.
RETRY_TEMPERATURE = 0.5
RETRY_FREQUENCY_PENALTY = 0.5
_LEAST_KEPT_CHARS = 200


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
    """An answer, who gave it in how many seconds, and who was asked before in vain.

    An answer that is `runaway` was cut where it began to repeat itself, so it is incomplete.
    """

    answer: Answer
    model: str
    backend: BackendSettings
    failed: tuple[Attempt, ...]
    seconds: float = 0.0

    def footer(self) -> str:
        """The last line of a result that is this answer alone."""
        who = self.backend.who(self.model)
        return answers.footer(who, self.answer.prompt_tokens, self.answer.answer_tokens, self.seconds)


class AllFailed(Exception):
    """No backend answered; `attempts` are empty when none is configured."""

    def __init__(self, attempts: tuple[Attempt, ...]) -> None:
        super().__init__("no backend answered")
        self.attempts = attempts


class Delegation:
    """The backends in order of preference, and what was seen of them."""

    def __init__(
        self,
        settings: tuple[BackendSettings, ...],
        files: Files | None = None,
        last_resort: Backend | None = None,
    ) -> None:
        """Ask the enabled ones; `files` name the models that may see file contents wherever they run.

        `last_resort` is asked when no other can be reached.
        """
        self.backends = [backends.make(backend) for backend in settings if backend.enabled]
        if last_resort is not None:
            self.backends.append(last_resort)
        self.speeds = Speeds()
        self._cloud_models = frozenset((files or Files()).cloud_models)
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, str], Turns] = {}

    def ask(self, task: Task, call: Call) -> Delegated:
        """Ask the task's model, on one backend after the other while that makes sense.

        Raises:
            AllFailed: None gave an answer.
            CallCancelled: The client cancelled.
        """
        began = time.monotonic()
        failed: list[Attempt] = []
        for backend in self.backends:
            if backend.last_resort and not none_was_reached(attempt.failure for attempt in failed):
                break
            model = backend.settings.model_name(task.model)
            try:
                if task.private:
                    self._check_place(backend, task.model, call)
                answer = self._ask_one(backend, _prompt(task, model), call)
            except BackendError as error:
                failed.append(Attempt(backend=backend.settings, failure=error.failure))
                if not error.failure.falls_back:
                    break
            else:
                return Delegated(
                    answer=answer,
                    model=model,
                    backend=backend.settings,
                    failed=tuple(failed),
                    seconds=time.monotonic() - began,
                )
        raise AllFailed(tuple(failed))

    def model_info(self, model: str, call: Call, *, private: bool = False) -> ModelInfo | None:
        """What is known of a model on the first backend that would be asked for it; None when none would.

        Raises:
            CallCancelled: The client cancelled.
        """
        failed: list[Failure] = []
        for backend in self.backends:
            if backend.last_resort and not none_was_reached(failed):
                break
            try:
                if private:
                    self._check_place(backend, model, call)
                return backend.model_info(backend.settings.model_name(model), call)
            except BackendError as error:
                if not error.failure.falls_back:
                    return None
                failed.append(error.failure)
        return None

    def _check_place(self, backend: Backend, model: str, call: Call) -> None:
        """Raise unless file contents may go to a model on this backend."""
        settings = backend.settings
        name = settings.model_name(model)
        if {model, name} & self._cloud_models:
            return
        info = backend.model_info(name, call)
        if info.local:
            return
        text = f"is not given file contents, because {name} is not known to run on the user's own machines"
        text += f" ({info.why})" if info.why else ""
        hint = (
            f"to let {name} see file contents all the same, add {name} to `cloud_models` under `files` in "
            f"config.yaml; if all models of {settings.name} run on machines of yours, set `local: true` there"
        )
        raise BackendError(Kind.CLOUD, text, hint)

    def _ask_one(self, backend: Backend, prompt: Prompt, call: Call) -> Answer:
        answer = _judged(self._answer(backend, prompt, call))
        if answer.text and not answer.runaway:
            return answer
        if not answer.text and answer.cut_off:
            raise _no_good(answer)  # its tokens went into thinking, and would again
        again = prompt.but(temperature=max(prompt.temperature or 0.0, RETRY_TEMPERATURE))
        if answer.runaway:
            again = again.but(frequency_penalty=RETRY_FREQUENCY_PENALTY)
        second = _judged(self._answer(backend, again, call))
        if second.text and not second.runaway:
            return second
        best = max(answer, second, key=lambda one: len(one.text))
        if len(best.text) < _LEAST_KEPT_CHARS or prompt.schema is not None:
            raise _no_good(second)
        return best

    def _answer(self, backend: Backend, prompt: Prompt, call: Call) -> Answer:
        settings = backend.settings
        with self._lock:
            turns = self._turns.setdefault((settings.name, prompt.model), Turns(settings.parallel))
        with turns.turn(call, f"{prompt.model} on {settings.name}"):
            answer = backend.ask(prompt, call)
        self.speeds.saw(settings.name, prompt.model, answer.answer_tokens or answer.pieces, answer.seconds)
        return answer


def none_was_reached(failed: Iterable[Failure]) -> bool:
    """Whether the last resort is asked: another failure tells of something to mend, which it would hide."""
    return all(failure.kind is Kind.UNREACHABLE for failure in failed)


def _prompt(task: Task, model: str) -> Prompt:
    return Prompt(
        model=model,
        system=task.system,
        user=answers.well_formed(task.user),
        max_tokens=task.max_tokens,
        temperature=task.temperature,
        schema=task.schema,
        private=task.private,
    )


def _judged(answer: Answer) -> Answer:
    """The answer made fit to be read; a runaway one ends where it began to repeat itself."""
    cut = repetition.cut(answer.text)
    return answer.but(text=answers.cleaned(cut), runaway=answer.runaway or cut != answer.text)


def _no_good(answer: Answer) -> BackendError:
    if answer.runaway:
        text = (
            "the model's answer repeats itself without end" if answer.text else "the model thinks in circles"
        )
        return BackendError(Kind.REPEATS, f"{text} (asked twice)", "try another model for this tool")
    why = "the task may be too much for it"
    if answer.cut_off:
        why = "it spent `max_output_tokens` on thinking"
    elif answer.thought:
        why = "it only thought"
    return BackendError(Kind.EMPTY, f"the model's answer is empty ({why})", "try another model for this tool")
