"""The local step: a model on the user's own machines reads a document and fills in a form.

How servers are asked, how long texts are taken apart and how failures read is the MCP server's own code, so
both follow the same config and say the same.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from supervisor_mcp import settings
from supervisor_mcp.accounting import Account
from supervisor_mcp.backends.failures import Failure, Kind
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import AllFailed, Delegation
from supervisor_mcp.files.library import Library
from supervisor_mcp.settings_types import Backend, Files, Tool
from supervisor_mcp.tools import chunks, extract, json_answers
from supervisor_mcp.tools.asking import Asker, Said
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import HOPELESS, OF_THE_TEXT, Unusable
from supervisor_mcp.tools.ports import Bench
from supervisor_pipelines.books import NO_BOOKS, Books
from supervisor_pipelines.definition import Document, Extract
from supervisor_pipelines.failures import RunStopped, StepFailure, Streak
from supervisor_setup.config import Config
from supervisor_setup.errors import ConfigError

Facts = TypeVar("Facts", bound=BaseModel)

DEFAULT_MODEL = "local-llama"
PAUSES = (1.0, 4.0)
"""Seconds before a document is tried again with a server that failed, after the backend's own retries."""
PATIENCE_SECONDS = 60.0
"""How long a server that has answered before is waited for: a restart takes about that."""
_SECOND_TEMPERATURE = 0.5
_FILES = Files()


@dataclass(frozen=True)
class LocalAnswer(Generic[Facts]):
    """What was extracted, and what it took; tokens are None where the server does not tell."""

    facts: Facts
    prompts: int
    prompt_tokens: int | None
    answer_tokens: int | None
    seconds: float


class LocalModel:
    """One model on one server; from several threads at once."""

    def __init__(
        self,
        backend: Backend,
        model: str = DEFAULT_MODEL,
        *,
        files: Files = _FILES,
        environment: Mapping[str, str] = os.environ,
        books: Books = NO_BOOKS,
    ) -> None:
        """Ask `model` at `backend`, whose key is looked up in `environment`.

        `files` name the models that may see documents wherever they run. Each call is entered in `books`.
        """
        self.backend = backend
        self.model = model
        self._delegation = Delegation((backend,), files)
        for one in self._delegation.backends:
            one.environment = environment
        self._library = Library(files, None)
        self._books = books
        self._streak = Streak()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[Call] = set()

    @classmethod
    def from_config(
        cls,
        config: Config,
        *,
        url: str | None = None,
        model: str | None = None,
        environment: Mapping[str, str] = os.environ,
        books: Books = NO_BOOKS,
    ) -> LocalModel:
        """The model that config.yaml names, on its first LiteLLM; `url` and `model` go before it.

        Raises:
            ConfigError: no backend is configured and no `url` given.
        """
        server = settings.from_mapping(config.server)
        enabled = [one for one in server.backends if one.enabled]
        backend = next((one for one in enabled if one.kind == "litellm"), enabled[0] if enabled else None)
        if url is not None:
            if backend is None or backend.kind != "litellm":
                backend = Backend(name="litellm", kind="litellm", url=url, key_env="LITELLM_API_KEY")
            backend = backend.but(url=url.rstrip("/").removesuffix("/v1"))
        if backend is None:
            raise ConfigError(
                f"{config.path}: no backend with local models is enabled",
                hint="--litellm-url http://HOST:4000, or `backends` in config.yaml",
            )
        return cls(backend, model or DEFAULT_MODEL, files=server.files, environment=environment, books=books)

    def extract(self, document: Document, step: Extract[Facts]) -> LocalAnswer[Facts]:
        """What the document says in the form of `step`; read in pieces where it exceeds the model's context.

        Raises:
            StepFailure: this document came to nothing.
            RunStopped: none would come to anything: the server is gone, refuses the key, lacks the model.
            CallCancelled: `stop` was called.
        """
        with self._books.local(model=self.model, backend=self.backend.name) as account, self._call() as call:
            facts = self._patiently(lambda: self._facts(document, step, call, account))
        self._streak.succeeded()
        entry = account.entry()
        return LocalAnswer(facts, entry.prompts, entry.prompt_tokens, entry.answer_tokens, entry.seconds)

    def stop(self) -> None:
        """End what is in flight, at once; nothing can be asked any more."""
        self._stopped.set()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    @contextmanager
    def _call(self) -> Iterator[Call]:
        call = Call()
        with self._lock:
            self._calls.add(call)
        try:
            if self._stopped.is_set():
                raise CallCancelled
            yield call
        finally:
            with self._lock:
                self._calls.discard(call)

    def _patiently(self, work: Callable[[], Facts]) -> Facts:
        began = time.monotonic()
        pauses = list(PAUSES)
        while True:
            try:
                return work()
            except Unusable as error:
                raise StepFailure(str(error)) from error
            except AllFailed as error:
                failure = error.attempts[-1].failure
                gone = failure.kind is Kind.UNREACHABLE and self._streak.has_succeeded
                if gone and time.monotonic() - began < PATIENCE_SECONDS:
                    pause = PAUSES[0]
                elif failure.kind not in HOPELESS | OF_THE_TEXT | {Kind.TIMEOUT} and pauses:
                    pause = pauses.pop(0)
                else:
                    raise self._meaning(failure) from error
            self._stopped.wait(pause)

    def _meaning(self, failure: Failure) -> StepFailure | RunStopped:
        text = f"{self.backend.url}: {self.model} on {self.backend.name} {failure.text}"
        hint = failure.hint
        if failure.kind is Kind.KEY and self.backend.key_env:
            hint = f"export {self.backend.key_env}=…  # the key of {self.backend.name}"
        elif failure.kind is Kind.MODEL:
            hint = "--local-model NAME"
        if failure.kind in HOPELESS or (failure.kind not in OF_THE_TEXT and self._streak.failed()):
            return RunStopped(text, hint=hint or None)
        return StepFailure(f"{self.model} {failure.text}")

    def _facts(self, document: Document, step: Extract[Facts], call: Call, account: Account) -> Facts:
        tool = Tool(
            name="pipeline",
            kind="extract",
            description="",
            model=self.model,
            system=step.instructions,
            max_output_tokens=step.max_tokens,
            temperature=0.0,
        )
        bench = Bench(
            tool=tool, library=self._library, delegation=self._delegation, call=call, accounts=account
        )
        chunk = chunks.whole(os.path.basename(document.path), document.text)  # noqa: PTH119 - text, no path
        try:
            return self._once(bench, chunk, step)
        except Unusable:  # the same again would give the same again
            return self._once(bench.but(tool=tool.but(temperature=_SECOND_TEMPERATURE)), chunk, step)

    def _once(self, bench: Bench, chunk: Chunk, step: Extract[Facts]) -> Facts:
        def accepted(said: Said, _chunk: Chunk) -> Facts:
            return _valid(step.answer, json_answers.parsed(said))

        asker = Asker(bench)
        form = extract.form(_schema(step.answer), min(step.max_tokens, asker.context_tokens // 2))
        found = [facts for part in asker.parts(chunk, form) for facts in asker.ask(part, form, accepted)]
        if len(found) == 1:
            return found[0]
        return _merged(found, step)


@cache
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    return form.model_json_schema()


def _merged(found: Sequence[Facts], step: Extract[Facts]) -> Facts:
    """One answer of those of a document's pieces."""
    if step.merge is not None:
        return step.merge(found)
    return _valid(step.answer, reduce(extract.joined, [facts.model_dump(mode="json") for facts in found]))


def _valid(form: type[Facts], value: Any) -> Facts:
    try:
        # As JSON, since a strict model takes dates and the like as text from there alone.
        return form.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(map(str, first["loc"])) or "the top"
        raise Unusable(f"the model's answer does not fit the form at {where}: {first['msg']}") from None
