"""The interface of a backend, and what is the same for all kinds."""

import difflib
import json
import os
from collections.abc import Mapping
from typing import Any

from supervisor_mcp import keys
from supervisor_mcp.backends import exchange
from supervisor_mcp.backends.exchange import Reply, Request
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.records import Record
from supervisor_mcp.settings_types import Backend as BackendSettings

PROBE_SECONDS = 5.0
QUOTED_CHARS = 300
CONTEXT_HINT = "raise the context size of the model's server, or name a model with a larger one"
_NAMES_SHOWN = 20


class Prompt(Record):
    """What a model is asked. `max_tokens` bounds the answer."""

    model: str
    system: str
    user: str
    max_tokens: int
    temperature: float | None


class Answer(Record):
    """What a model said; `cut_off` when it stopped at `max_tokens` and not because it was done.

    `prompt_tokens` is how much of the prompt the model read, where the server tells.
    """

    text: str
    cut_off: bool
    prompt_tokens: int | None = None


class Backend:
    """A server of models. Methods raise BackendError for every failure, and CallCancelled."""

    environment: Mapping[str, str] = os.environ
    """Where a key's variable is looked up; doctor puts the environment here that the server will have."""

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings

    def ask(self, prompt: Prompt, call: Call) -> Answer:
        """The model's answer to `prompt`, whose model goes by its name on this backend."""
        raise NotImplementedError

    def model_names(self, call: Call) -> list[str]:
        """The models that are served now."""
        raise NotImplementedError

    def loaded_names(self, call: Call) -> list[str]:  # noqa: ARG002 # only some kinds can tell
        """Those of the models that answer without loading first; empty when the server cannot tell."""
        return []

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        """What an HTTP error means here."""
        raise NotImplementedError

    def request(
        self, path: str, body: "dict[str, Any] | None", call: Call, *, seconds: float, doing: str
    ) -> "dict[str, Any]":
        """Send `body` (a GET without one) and return the JSON object that came back.

        `seconds` bound the whole exchange; `doing` tells the client what is being waited for.
        """
        return self.json_object(self.fetch(path, body, call, seconds=seconds, doing=doing))

    def fetch(
        self, path: str, body: "dict[str, Any] | None", call: Call, *, seconds: float, doing: str
    ) -> Reply:
        """As `request`, with what came back as it is."""
        key = keys.read(self.settings, self.environment)
        request = Request(
            url=self.settings.url + path,
            body=None if body is None else json.dumps(body).encode("ascii"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            connect_seconds=self.settings.connect_timeout,
            seconds=seconds,
        )
        reply = exchange.send(request, call, doing)
        if key:  # servers like to quote it in their errors
            reply = Reply(status=reply.status, body=keys.redact(reply.body, key))
        if reply.status != 200:
            raise self.refusal(reply, key_sent=bool(key))
        return reply

    def json_object(self, reply: Reply) -> "dict[str, Any]":
        """The reply's body, which must be a JSON object."""
        data = reply.json()
        if not isinstance(data, dict):
            raise BackendError(Kind.BROKEN, "answered with something that is not JSON", self.url_hint())
        return data

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
