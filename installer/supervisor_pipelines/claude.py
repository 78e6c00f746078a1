"""Claude over the API: one request, asked once, and what its answer or its error means.

The SDK's own retries are off: whoever pays must know of each attempt, since one whose answer was lost on the
way may have been billed. `paying` tries again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from supervisor_mcp.answers import well_formed
from supervisor_pipelines import heavy
from supervisor_pipelines.definition import Ask, Digest
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.tariff import Usage
from supervisor_setup.errors import UsageError, UserError

if TYPE_CHECKING:
    from anthropic import Anthropic, APIError, APIStatusError, Timeout
    from anthropic.types import ErrorObject, Message

Answer = TypeVar("Answer", bound=BaseModel)

KEY_VARIABLE = "SUPERVISOR_ANTHROPIC_API_KEY"
URL_VARIABLE = "SUPERVISOR_ANTHROPIC_BASE_URL"
DEFAULT_URL = "https://api.anthropic.com"
CONNECT_SECONDS = 10.0
_LEAST_TIMEOUT = 600.0
_SECONDS_A_TOKEN = 3600 / 128_000  # as the SDK reckons
_STOPPED_SAYS = {
    "max_tokens": "the answer exceeds max_tokens",
    "model_context_window_exceeded": "the prompt and its answer exceed the model's context",
    "refusal": "the model refused to answer",
}


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """All that an answer depends on, and nothing else: equal requests have equal keys."""

    model: str
    system: str
    prompt: str
    schema: Mapping[str, Any]
    max_tokens: int

    @classmethod
    def of(cls, step: Ask[Any, Any] | Digest[Any, Any], prompt: str) -> Self:
        """What `step` asks with this prompt."""
        form: type[BaseModel] = step.answer
        return cls(step.model, step.system, well_formed(prompt), _schema(form), step.max_tokens)

    @property
    def params(self) -> dict[str, Any]:
        """The body of the request."""
        # The system prompt is the same for all documents, so it is what the prompt cache can serve.
        system = {"type": "text", "text": self.system, "cache_control": {"type": "ephemeral"}}
        return {
            "model": self.model,
            "max_tokens": self.max_tokens,
            **({"system": [system]} if self.system else {}),
            "messages": [{"role": "user", "content": self.prompt}],
            "output_config": {"format": {"type": "json_schema", "schema": dict(self.schema)}},
        }

    @property
    def body(self) -> bytes:
        """The request as bytes, the same for the same request."""
        return json.dumps(self.params, sort_keys=True, ensure_ascii=False).encode()

    @property
    def key(self) -> str:
        """By which its answer is found again."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What Claude said, and why it stopped."""

    text: str
    stop_reason: str
    usage: Usage

    @classmethod
    def of(cls, message: Message) -> Self:
        """The part of the API's message that matters."""
        usage = message.usage
        return cls(
            text="".join(block.text for block in message.content if block.type == "text"),
            stop_reason=message.stop_reason or "",
            usage=Usage(
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_creation_input_tokens or 0,
                usage.cache_read_input_tokens or 0,
            ),
        )

    def dump(self) -> str:
        """As text, for a database."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` wrote."""
        data = json.loads(text)
        return cls(data["text"], data["stop_reason"], Usage(**data["usage"]))


class Why(StrEnum):
    """Why the API gave no answer, as far as it decides what follows."""

    BUSY = "busy"
    """It has too much to do."""
    FAULT = "fault"
    """It has failed; nothing is billed."""
    UNREACHABLE = "unreachable"
    """The request never left."""
    LOST = "lost"
    """The request had left, and its answer was lost on the way; it may be billed."""


# A gateway says most of these, when it has passed the request on and has waited for the answer in vain.
_MEANS = {
    **dict.fromkeys((408, 502, 504, 520, 521, 522, 523, 524), Why.LOST),
    **dict.fromkeys((429, 503, 529), Why.BUSY),
}


# The API says so in the error that it else gives for a request that it does not like.
_NO_MONEY = ("credit balance is too low", "API usage limits")
# What it says with HTTP 401, 402 and 403.
_OF_THE_KEY = ("authentication_error", "billing_error", "permission_error")


class Unanswered(Exception):
    """The API gave no answer to this attempt, and another may fare better, after `wait_seconds` if told."""

    def __init__(self, reason: str, why: Why, *, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.why = why
        self.wait_seconds = wait_seconds


class Claude:
    """The API at `url`; from several threads at once. Nothing of the environment has an effect on it."""

    def __init__(self, key: str, url: str = DEFAULT_URL) -> None:
        self.url = url
        self._key = key
        self._lock = threading.Lock()
        self._client: Anthropic | None = None

    @property
    def client(self) -> Anthropic:
        """The SDK's client, made with the first call: a run with nothing to pay for need not import it."""
        with self._lock:
            if self._client is None:
                with heavy.imports():
                    from anthropic import Anthropic  # 2 s

                with _without("ANTHROPIC_CUSTOM_HEADERS"):
                    self._client = Anthropic(
                        api_key=self._key,
                        base_url=self.url,
                        max_retries=0,
                        timeout=_timeout(_LEAST_TIMEOUT),
                        open_telemetry=False,
                    )
            return self._client

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """With the key and the address that the user has set for pipelines.

        Raises:
            UserError: there is no key, or it cannot be one.
            UsageError: the address is none.
        """
        key = environment.get(KEY_VARIABLE, "").strip()
        if not key:
            why = "ANTHROPIC_API_KEY is not read: Claude Code would see it too, and bill a subscriber for it"
            raise UserError(f"{KEY_VARIABLE}: is not set; {why}", hint=f"export {KEY_VARIABLE}=sk-ant-…")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise UserError(
                f"{KEY_VARIABLE}: holds characters that no key has", hint=f"export {KEY_VARIABLE}=sk-ant-…"
            )
        url = environment.get(URL_VARIABLE, "").strip() or DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{URL_VARIABLE}={url}: is not an http(s) URL", hint=f"unset {URL_VARIABLE}")
        return cls(key, url)

    def send(self, request: PaidRequest) -> Reply:
        """Ask once.

        Raises:
            StepFailure: the API does not take this request.
            RunStopped: it would take none: the key or the model is wrong.
            Unanswered: anything else.
        """
        seconds = max(_LEAST_TIMEOUT, request.max_tokens * _SECONDS_A_TOKEN)
        with self.explained(request.model):
            message = self.client.messages.create(**request.params, timeout=_timeout(seconds))
        try:
            return Reply.of(message)
        except (AttributeError, TypeError) as error:  # the SDK gives whatever came, such as a page of HTML
            # Something has answered in the API's place, and may have passed the request on.
            raise Unanswered(f"{self.url}: answered with something that is no message", Why.LOST) from error

    def count_tokens(self, request: PaidRequest) -> int:
        """The tokens of the prompt; costs nothing.

        Raises:
            StepFailure, RunStopped, Unanswered: as `send`.
        """
        params = {name: value for name, value in request.params.items() if name != "max_tokens"}
        with self.explained(request.model):
            return self.client.messages.count_tokens(**params).input_tokens

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()

    @contextmanager
    def explained(self, model: str = "") -> Iterator[None]:
        """Turns the SDK's errors into ours."""
        from anthropic import APIError

        try:
            yield
        except APIError as error:
            raise self._explained(error, model) from error

    def _explained(self, error: APIError, model: str) -> Exception:
        import httpx2
        from anthropic import APIStatusError

        if isinstance(error, APIStatusError):
            return self._refused(error, model)
        cause = error.__cause__ or error
        said = str(cause).strip() or type(cause).__name__
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Unanswered(f"{self.url}: cannot be reached ({said})", Why.UNREACHABLE)
        return Unanswered(f"{self.url}: broke off its answer ({said})", Why.LOST)

    def _refused(self, error: APIStatusError, model: str) -> Exception:
        status = error.status_code
        said = " ".join((error.api_message or error.message).split()).rstrip(".")
        if status in (401, 402, 403):
            what = "refuses the key" if status == 401 else "does not allow it"
            return _wrong_key(f"{self.url}: {what} (HTTP {status}: {said})")
        if status == 404 and model:
            return RunStopped(
                f"{self.url}: has no model {model} (HTTP 404: {said})", hint="--model claude-sonnet-5-5"
            )
        if status in (408, 409, 429) or status >= 500:
            wait = _seconds(error.response.headers.get("retry-after"))
            reason = f"{self.url}: failed with HTTP {status}: {said}"
            return Unanswered(reason, _MEANS.get(status, Why.FAULT), wait_seconds=wait)
        if status == 404:
            return RunStopped(f"{self.url}: HTTP 404: {said}", hint=f"unset {URL_VARIABLE}")
        if status == 400 and _is_about_money(said):
            return _no_money(f"{self.url}: HTTP 400: {said}")
        return StepFailure(f"the API does not take it (HTTP {status}: {said})")


def of_the_account(error: ErrorObject) -> RunStopped | None:
    """What ends the run, where an error within the results of a batch is about more than its one request."""
    reason = f"the API: {error.message}"
    if _is_about_money(error.message):
        return _no_money(reason)
    return _wrong_key(reason) if error.type in _OF_THE_KEY else None


def _wrong_key(reason: str) -> RunStopped:
    hint = f"export {KEY_VARIABLE}=…  # a key of https://platform.claude.com/settings/keys"
    return RunStopped(reason, hint=hint)


def _is_about_money(said: str) -> bool:
    return any(words in said for words in _NO_MONEY)


def _no_money(reason: str) -> RunStopped:
    return RunStopped(reason, hint="look at https://platform.claude.com/settings/billing")


@cache
def _schema(form: type[BaseModel]) -> Mapping[str, Any]:
    """The form's schema, without the keywords that the API does not take."""
    with heavy.imports():
        from anthropic import transform_schema

    return transform_schema(form)


def answer_of(reply: Reply, form: type[Answer]) -> Answer:
    """The reply in the form that was asked for.

    Raises:
        StepFailure: it is unfinished, a refusal, or does not fit.
    """
    if reply.stop_reason in _STOPPED_SAYS:
        raise StepFailure(_STOPPED_SAYS[reply.stop_reason])
    try:
        return form.model_validate_json(reply.text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(map(str, first["loc"])) or "the top"
        raise StepFailure(f"Claude's answer does not fit the form at {where}: {first['msg']}") from None


def is_usable(reply: Reply, form: type[BaseModel]) -> bool:
    """Whether `answer_of` has one."""
    try:
        answer_of(reply, form)
    except StepFailure:
        return False
    return True


def _timeout(seconds: float) -> Timeout:
    from anthropic import Timeout

    return Timeout(seconds, connect=CONNECT_SECONDS)


def _seconds(given: str | None) -> float | None:
    try:
        return max(0.0, float(given)) if given is not None else None
    except ValueError:  # a date, which this API does not send
        return None


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Hide a variable from the SDK, which has no option to leave it alone."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value
