"""The interface of a backend, and what is the same for all kinds."""

import difflib
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from supervisor_mcp import keys
from supervisor_mcp.backends import exchange, places, retries
from supervisor_mcp.backends.breaker import Breaker
from supervisor_mcp.backends.exchange import Reply, Request
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.kept import Kept
from supervisor_mcp.backends.places import Place
from supervisor_mcp.backends.pool import Pool
from supervisor_mcp.backends.reader import Reader
from supervisor_mcp.backends.values import Answer, ModelInfo, Prompt
from supervisor_mcp.calls import Call
from supervisor_mcp.settings_types import Backend as BackendSettings

__all__ = ["Answer", "Backend", "ModelInfo", "Prompt", "listed", "quoted"]

PROBE_SECONDS = 5.0
QUOTED_CHARS = 300
CONTEXT_HINT = "raise the context size of the model's server, or name a model with a larger one"
_NAMES_SHOWN = 20
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})


class Backend:
    """A server of models. Methods raise BackendError for every failure, and CallCancelled."""

    last_resort = False
    """Whether it is asked only when no other can be reached."""

    environment: Mapping[str, str] = os.environ
    """Where a key's variable is looked up; doctor puts the environment here that the server will have."""

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.breaker = Breaker()
        self.kept = Kept()
        self._pool = Pool()
        self._context_limits: dict[str, int] = {}  # as the errors of the server told them

    def ask(self, prompt: Prompt, call: Call) -> Answer:
        """The model's answer to `prompt`, whose model goes by its name on this backend."""
        try:
            return self.answer(prompt, call)
        except BackendError as error:
            failure = error.failure
            if failure.kind is Kind.MODEL:
                raise self.unknown_model(prompt.model, error, call) from error
            if failure.kind is Kind.CONTEXT and failure.context_tokens is not None:
                self._context_limits[prompt.model] = failure.context_tokens
                self.kept.forget(("info", prompt.model))
            raise

    def answer(self, prompt: Prompt, call: Call) -> Answer:
        """As `ask`, with errors as they are."""
        raise NotImplementedError

    def answer_though_cut(self, prompt: Prompt, call: Call) -> Answer:
        """As `answer`, also where the server may have cut the prompt, with its count of what was read.

        For doctor, which tells servers that cut prompts by that.
        """
        raise NotImplementedError

    def model_names(self, call: Call) -> list[str]:
        """The models that are served now."""
        raise NotImplementedError

    def loaded_names(self, call: Call) -> list[str]:  # noqa: ARG002 # only some kinds can tell
        """Those of the models that answer without loading first; empty when the server cannot tell."""
        return []

    def model_info(self, model: str, call: Call) -> ModelInfo:
        """What is known of a model, by its name on this backend; asked again after a while."""
        return self.kept.get(("info", model), lambda: self._info(model, call))

    def look_up(self, model: str, call: Call) -> ModelInfo:
        """As `model_info`, from the server and without what config.yaml says."""
        raise NotImplementedError

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        """What an HTTP error means here."""
        raise NotImplementedError

    def key(self) -> str | None:
        """The API key; None when there is none."""
        return keys.read(self.settings, self.environment)

    def own_place(self) -> Place:
        """Where the server itself stands."""
        return places.of_url(self.settings.url)

    def request(self, path: str, body: "dict[str, Any] | None", call: Call) -> "dict[str, Any]":
        """Send `body` (a GET without one) and return the JSON object that came back, soon or not at all."""
        key = self.key()
        request = self._request(path, body, key).but(seconds=PROBE_SECONDS)
        return self.json_object(self._attempt(request, call, key, None))

    def stream(self, path: str, body: "dict[str, Any]", call: Call, reader: Reader) -> None:
        """Ask a model: send `body`, and have `reader` take the lines that come back.

        What may be over in a moment is tried again.
        """
        key = reader.key = self.key()
        request = self._request(path, body, key).but(doing=f"{body['model']} on {self.settings.name}")

        def attempt() -> Reply:
            return self._attempt(request, call, key, reader)

        if self.breaker.calm:
            retries.retried(attempt, call, until=request.started + request.seconds)
        else:
            attempt()

    def _request(self, path: str, body: "dict[str, Any] | None", key: str | None) -> Request:
        settings = self.settings
        return Request(
            url=settings.url + path,
            body=None if body is None else json.dumps(body).encode("ascii"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            connect_seconds=settings.connect_timeout,
            seconds=settings.timeout,
            idle_seconds=settings.idle_timeout,
            started=time.monotonic(),
            doing=settings.name,
        )

    def _attempt(self, request: Request, call: Call, key: str | None, reader: Reader | None) -> Reply:
        self.breaker.enter()
        began = time.monotonic()
        try:
            reply = exchange.send(request, call, self._pool, self.breaker.succeeded, reader)
        except BackendError as error:
            self.breaker.failed(error.failure, time.monotonic() - began)
            raise
        except BaseException:  # a cancelled call shows nothing, and a bug must not leave the breaker waiting
            self.breaker.left()
            raise
        if key:  # servers like to quote it in their errors
            reply = reply.but(body=keys.redact(reply.body, key))
        if reply.status == 200:
            return reply
        refusal = self.refusal(reply, key_sent=bool(key))
        if reply.status in _PASSING_STATUSES and refusal.failure.kind in (Kind.BUSY, Kind.BROKEN):
            refusal.soon_over(_retry_after(reply))
        raise refusal

    def _info(self, model: str, call: Call) -> ModelInfo:
        info = self.look_up(model, call)
        limit = self._context_limits.get(model)
        if limit is not None:
            info = info.but(context_tokens=limit)
        if self.settings.local is not None:
            info = info.but(local=self.settings.local, why=f"`local` of {self.settings.name} in config.yaml")
        return info

    def json_object(self, reply: Reply) -> "dict[str, Any]":
        """The reply's body, which must be a JSON object."""
        data = reply.json()
        if not isinstance(data, dict):
            raise BackendError(Kind.BROKEN, "answered with something that is not JSON", self.url_hint())
        return data

    def broke_off(self) -> BackendError:
        """The error of an answer without an end."""
        return BackendError(Kind.BROKEN, "broke off its answer", f"look into the log of {self.settings.name}")

    def no_message(self) -> BackendError:
        """The error of an answer that is none."""
        return BackendError(Kind.BROKEN, "answered without a message", self.url_hint())

    def key_hint(self) -> str:
        """How the user gives the key."""
        settings = self.settings
        if settings.key_env:
            return f"set {settings.key_env} to the key of {settings.name} in the environment of Claude Code"
        if settings.key_file:
            return f"put the right key of {settings.name} into {settings.key_file}"
        return f"name the key's place with `api_key` of the backend {settings.name} in config.yaml"

    def url_hint(self) -> str:
        """How the user corrects the address."""
        return (
            f"check that {self.settings.url} is a {self.settings.kind} server: `url` of {self.settings.name}"
        )

    def unknown_model(self, model: str, refusal: BackendError, call: Call) -> BackendError:
        """`refusal` of a model, with the names that are served."""
        try:
            names = self.model_names(call)
        except BackendError:
            names = []
        if model in names:  # a proxy lists what the server behind it has lost
            text = f"lists the model {model} but cannot run it: {refusal.failure.text}"
            return BackendError(Kind.MODEL, text, f"look into the log of {self.settings.name}")
        near = difflib.get_close_matches(model, names, n=1)
        text = f"does not serve the model {model}"
        text += f"; the nearest name there is {near[0]}" if near else ""
        text += f"; it serves {listed(sorted(names))}" if names else ""
        return BackendError(
            Kind.MODEL, text, f"change the tool's `model`, or `models` of {self.settings.name}"
        )


def listed(names: list[str]) -> str:
    """The names in one line, the first of many only."""
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def quoted(reply: Reply) -> str:
    """What an HTTP error says, in one short line."""
    data = reply.json()
    message: object = data
    while isinstance(message, dict):
        message = message.get("error") or message.get("message") or message.get("detail")
    text = message if isinstance(message, str) else reply.text()
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= QUOTED_CHARS else line[:QUOTED_CHARS] + "…"


def _retry_after(reply: Reply) -> float | None:
    """The seconds that the server asks to wait; None when it does not, or names a date."""
    given = reply.headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else None
