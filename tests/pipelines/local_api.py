"""A stand-in for LiteLLM with a local model behind it, whose answers fit the schema that was asked for.

    with local_api() as local:
        options = ["--litellm-url", local.url]  # LITELLM_API_KEY is local.key
        …
        assert len(asked(local)) == 50

What it says of its models, how it fails and what it records is FakeBackend's: set `fault` to have every
request answered otherwise, `deployments` to have a model served from elsewhere.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fake_backend import FakeBackend, FakeServer, Handler, Seen, deployment, event
from filled import filled_json

KEY = "sk-litellm-key-of-the-tests"
MODEL = "local-llama"
CONTEXT_TOKENS = 8192


@contextmanager
def local_api(*, latency: float = 0.0, context_tokens: int = CONTEXT_TOKENS) -> Iterator[FakeBackend]:
    """A running stand-in; `latency` is the seconds that an answer takes."""
    backend = FakeBackend(key=KEY, models=[MODEL, "local-coder"])
    backend.deployments = [
        deployment(name, "http://127.0.0.1:8080/v1", max_input_tokens=context_tokens)
        for name in backend.models
    ]
    backend.fault = answering(latency)
    server = FakeServer(backend)
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()


def answering(latency: float = 0.0, *, gate: threading.Event | None = None) -> Callable[[Handler], None]:
    """Answers each request with what fits its schema, made of its prompt, once `gate` is set."""

    def answer(handler: Handler) -> None:
        if gate is not None:
            gate.wait()
        time.sleep(latency)
        answer_with(handler, filled_json(schema_of(handler.body), prompt_of(handler.body)))

    return answer


def answer_with(handler: Handler, text: str) -> None:
    """Answer this one request with `text`."""
    body = handler.body
    given = handler.headers.get("Authorization")
    if given != f"Bearer {handler.backend.key}":
        error = {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}
        handler.send_json(400, {"error": error})
        return
    usage = {"prompt_tokens": len(prompt_of(body)) // 4, "completion_tokens": len(text) // 4}
    if not body.get("stream"):
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        handler.send_json(200, {"choices": [choice], "usage": usage})
        return
    choices: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", "content": text}, "finish_reason": None},
        {"delta": {}, "finish_reason": "stop"},
    ]
    events = [*({"choices": [choice]} for choice in choices), {"choices": [], "usage": usage}]
    handler.send_bytes(200, b"".join(map(event, events)) + b"data: [DONE]\n\n")


def asked(backend: FakeBackend) -> list[Seen]:
    """The requests for an answer that came."""
    return backend.asked("/v1/chat/completions")


def prompt_of(body: dict[str, Any]) -> str:
    """The text of the last message of a request."""
    return str(body["messages"][-1]["content"])


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    """The schema that the answer to a request must fit."""
    schema: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
    return schema
