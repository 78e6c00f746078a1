"""A local model that answers at once, as long as a real one would: for weighing what goes over the wire."""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fake_backend import FakeBackend, FakeServer, Handler, deployment, event

CHARS_PER_TOKEN = 4
_WORDS = ("module", "reads", "options", "command", "line", "writes", "report", "parses", "values", "handles")


@contextmanager
def quick_model() -> Iterator[FakeBackend]:
    """A stand-in for LiteLLM with local models behind it, as slow as a loopback connection."""
    backend = FakeBackend(fault=as_asked, models=["local-llama", "local-coder"])
    backend.deployments = [deployment(name, "http://127.0.0.1:8080/v1") for name in backend.models]
    server = FakeServer(backend)
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()


def as_asked(handler: Handler) -> None:
    """A label where labels are asked for, else as many words as the prompt allows, each of 8 characters."""
    prompt = handler.body["messages"][-1]["content"]
    words = re.findall(r"at most (\d+) words", prompt)
    _answer(handler, 8 * int(words[-1]) if words else handler.body["max_tokens"] * CHARS_PER_TOKEN)


def as_long_as_allowed(handler: Handler) -> None:
    """As a model that heeds no number of words: it goes on until the limit of its tokens."""
    _answer(handler, handler.body["max_tokens"] * CHARS_PER_TOKEN)


def _answer(handler: Handler, chars: int) -> None:
    content = _content(handler.body, chars)
    usage = {"prompt_tokens": len(str(handler.body)) // 4, "completion_tokens": len(content) // 4}
    choices: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", "content": content}, "finish_reason": None},
        {"delta": {}, "finish_reason": "stop"},
    ]
    events = [*({"choices": [choice]} for choice in choices), {"choices": [], "usage": usage}]
    with suppress(ConnectionError):
        handler.send_bytes(200, b"".join(map(event, events)) + b"data: [DONE]\n\n")


def _content(body: dict[str, Any], chars: int) -> str:
    if "response_format" in body:
        labels = body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
        return json.dumps({"label": labels[len(str(body)) % len(labels)]})
    # The same words in no order that repeats itself, which would be taken for a model's running in circles.
    words = random.Random(str(body["messages"])).choices(_WORDS, k=chars)
    return " ".join(words)[:chars].strip()
