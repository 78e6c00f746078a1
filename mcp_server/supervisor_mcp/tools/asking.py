"""Asks a model about chunks of files: within its context, remembered, and bounded in every direction."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from supervisor_mcp import cache
from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.delegation import AllFailed, Delegated, Task
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Backend
from supervisor_mcp.tools import chunks, fences
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.ports import Bench

PROMPT_VERSION = "1"
"""Part of what answers are remembered under: another wording gives other answers."""
DEFAULT_CONTEXT_TOKENS = 8192
MOST_CONTEXT_TOKENS = 16_384
"""More is not used: small models lose the thread in long texts, and a larger context takes memory."""
BYTES_PER_TOKEN = 3
"""Prose has 4 and more, code 3; what has fewer is halved when the server says that it is too long."""
NUMBERED_SHARE = 0.6
"""Of the room for lines with numbers, what the lines take; each digit may be a token."""
TEMPLATE_TOKENS = 200
MAX_THREADS = 16

Value = TypeVar("Value")


class Form(Record):
    """What is asked about every chunk.

    `task` comes after the chunk, `max_tokens` bounds the answer, `schema` its form; `numbered` shows the
    model the numbers of the lines; with `beginning` it sees no more than the beginning of a long text.
    `unit` is what the texts are called.
    """

    task: str
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    numbered: bool = False
    beginning: bool = False
    unit: str = "files"


class Said(Record):
    """A model's answer; `cut` when it did not come to its end."""

    text: str
    cut: bool


Accept = Callable[[Said, Chunk], Value]


class Asker:
    """Asks the tool's model; from several threads."""

    def __init__(self, bench: Bench) -> None:
        """Find out what the model can hold; whether it can be asked at all shows with the first question."""
        self._bench = bench
        self._fence = fences.new()
        self._lock = threading.Lock()
        self._who: dict[str, None] = {}
        self._tokens: dict[str, int | None] = {"in": None, "out": None}
        self._recalled = self._asked = 0
        self._shrunk: int | None = None
        self._thinks = False
        self._fallbacks: dict[str, None] = {}
        info = bench.delegation.model_info(bench.tool.model, bench.call, private=True)
        known = info.context_tokens if info is not None else None
        self.context_tokens = min(known or DEFAULT_CONTEXT_TOKENS, MOST_CONTEXT_TOKENS)
        self._backends: list[Backend] = [one.settings for one in bench.delegation.backends]
        self.threads = min(max(backend.parallel for backend in self._backends), MAX_THREADS)

    def room(self, form: Form) -> int:
        """Bytes of text that one prompt of this form has room for."""
        around = len((self._bench.tool.system + form.task).encode("utf-8", "replace")) // BYTES_PER_TOKEN
        tokens = self.context_tokens - TEMPLATE_TOKENS - around - self._max_tokens(form)
        text_bytes = tokens * BYTES_PER_TOKEN * (NUMBERED_SHARE if form.numbered else 1)
        room = max(int(text_bytes), chunks.MIN_BYTES)
        return room if self._shrunk is None else min(room, self._shrunk)

    def ask(self, chunk: Chunk, form: Form, accept: Accept[Value]) -> list[Value]:
        """What the model says of the chunk, in several parts where it is more than the model holds.

        Raises:
            AllFailed: No backend answered.
            Unusable: `accept` did.
            CallCancelled: The client cancelled.
        """
        parts = self.parts(chunk, form)
        if parts != [chunk]:
            return [value for part in parts for value in self.ask(part, form, accept)]
        tokens = self._max_tokens(form)
        try:
            return [self._one(chunk, form, accept)]
        except AllFailed as error:
            last = error.attempts[-1].failure if error.attempts else None
            again = chunks.halves(chunk)
            if last is not None and last.kind is Kind.EMPTY and self._let_think(form) > tokens:
                again = [chunk]
            elif last is None or last.kind is not Kind.CONTEXT or len(again) < 2:
                raise
            else:
                self._shrink(max(part.size for part in again), last.context_tokens)
        asked = again[:1] if form.beginning else again
        return [value for part in asked for value in self.ask(part, form, accept)]

    def parts(self, chunk: Chunk, form: Form) -> list[Chunk]:
        """The chunk in parts that the model can hold, those that are asked about."""
        parts = chunks.split(chunk, self.room(form))
        return parts[:1] if form.beginning else parts

    def footing(self) -> tuple[str, int | None, int | None, tuple[str, ...]]:
        """Who answered, the tokens in and out where they are known, and why others did not."""
        with self._lock:
            who = " and ".join(self._who)
            if self._recalled:
                total = self._recalled + self._asked
                who += f" · {self._recalled} of {total} answers from the cache"
            return who, self._tokens["in"], self._tokens["out"], tuple(self._fallbacks)

    def _max_tokens(self, form: Form) -> int:
        if not self._thinks:
            return form.max_tokens
        return max(form.max_tokens, min(self._bench.tool.max_output_tokens, self.context_tokens // 2))

    def _let_think(self, form: Form) -> int:
        """Give answers from now on the room for thinking that the model needs; tokens of this form's."""
        with self._lock:
            self._thinks = True
        return self._max_tokens(form)

    def _shrink(self, size: int, context_tokens: int | None) -> None:
        """Make chunks smaller from now on: as the server says what it holds, else at most `size` bytes."""
        with self._lock:
            if context_tokens is not None and context_tokens < self.context_tokens:
                self.context_tokens = context_tokens
            else:
                self._shrunk = min(self._shrunk or size, size)

    def _one(self, chunk: Chunk, form: Form, accept: Accept[Value]) -> Value:
        bench = self._bench
        for backend in self._backends:
            said = bench.memory.recall(self._key(chunk, form, backend))
            if said is not None:
                value = accept(Said(text=said, cut=False), chunk)
                self._note_recalled(backend)
                return value
        delegated = bench.delegation.ask(self._task(chunk, form), bench.call)
        self._note(delegated)
        answer = delegated.answer
        cut = answer.cut_off or answer.runaway
        value = accept(Said(text=answer.text, cut=cut), chunk)
        if not cut:
            bench.memory.remember(self._key(chunk, form, delegated.backend), answer.text)
        return value

    def _task(self, chunk: Chunk, form: Form) -> Task:
        tool = self._bench.tool
        text = chunk.numbered() if form.numbered else chunk.text
        lines = f", lines {chunk.first} to {chunk.last}" if chunk.last > chunk.first else ""
        title = f"{chunk.path}{lines}" if chunk.path else ""
        return Task(
            model=tool.model,
            system=tool.system,
            user="\n\n".join(
                [fences.fenced(text, self._fence, title=title), fences.harmless(form.task, self._fence)]
            ),
            max_tokens=self._max_tokens(form),
            temperature=tool.temperature,
            schema=form.schema,
            private=True,
        )

    def _key(self, chunk: Chunk, form: Form, backend: Backend) -> bytes:
        tool = self._bench.tool
        return cache.key(
            hashlib.sha256(chunk.text.encode("utf-8", "replace")).hexdigest(),
            model=backend.model_name(tool.model),
            backend=f"{backend.name} {backend.kind} {backend.url}",
            prompt="\n".join([PROMPT_VERSION, tool.system, form.task]),
            parameters={
                "path": chunk.path,
                "first": chunk.first,
                "last": chunk.last,
                "numbered": form.numbered,
                "max_tokens": form.max_tokens,
                "temperature": tool.temperature,
                "schema": form.schema,
            },
        )

    def _note_recalled(self, backend: Backend) -> None:
        name = backend.model_name(self._bench.tool.model)
        self._bench.accounts.recalled(model=name, backend=backend.name)
        with self._lock:
            self._recalled += 1
            self._who[backend.who(name)] = None

    def _note(self, delegated: Delegated) -> None:
        answer, backend = delegated.answer, delegated.backend
        self._bench.accounts.answered(answer, model=delegated.model, backend=backend.name)
        with self._lock:
            self._asked += 1
            self._who[backend.who(delegated.model)] = None
            for way, count in (("in", answer.prompt_tokens), ("out", answer.answer_tokens)):
                if count is not None:
                    self._tokens[way] = (self._tokens[way] or 0) + count
            for attempt in delegated.failed:
                self._fallbacks[f"{attempt.backend.name} {attempt.failure.text}"] = None
