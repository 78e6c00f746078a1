"""OpenAI-compatible servers: llama-swap, vLLM, llama.cpp's own."""

import re
from collections.abc import Iterator
from typing import Any

from supervisor_mcp.backends.base import CONTEXT_HINT, PROBE_SECONDS, Answer, Backend, Prompt, quoted
from supervisor_mcp.backends.exchange import Reply
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.calls import Call

_UNKNOWN_MODEL = re.compile(
    r"invalid model name|model.*(not found|does ?n.t exist|does not exist|not exist|unknown)"
    r"|(unknown|no such|could not find|no router for).*model",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context (size|length|window)|ContextWindowExceeded|maximum context", re.IGNORECASE)
_CONTEXT_LIMIT = re.compile(r"(?:context (?:size|length|window)[^0-9]{0,20})(\d+)", re.IGNORECASE)


class OpenAI(Backend):
    """A server with /v1/chat/completions and /v1/models."""

    def ask(self, prompt: Prompt, call: Call) -> Answer:
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        body: dict[str, Any] = {
            "model": prompt.model,
            "messages": [*messages, {"role": "user", "content": prompt.user}],
            "max_tokens": prompt.max_tokens,
            "stream": True,  # a proxy notices that we hung up, and stops the model, only while it streams
        }
        if prompt.temperature is not None:
            body["temperature"] = prompt.temperature
        doing = f"{prompt.model} on {self.settings.name}"
        try:
            seconds = self.settings.timeout
            return self._read_answer(
                self.fetch("/v1/chat/completions", body, call, seconds=seconds, doing=doing)
            )
        except BackendError as error:
            if error.failure.kind is Kind.MODEL:
                raise self.unknown_model(prompt.model, error, call) from error
            raise

    def model_names(self, call: Call) -> list[str]:
        data = self.request("/v1/models", None, call, seconds=PROBE_SECONDS, doing=self.settings.name)
        models = data.get("data")
        if not isinstance(models, list):
            raise BackendError(Kind.BROKEN, "answered /v1/models without a list of models", self.url_hint())
        return [str(model["id"]) for model in models if isinstance(model, dict) and model.get("id")]

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        said = quoted(reply)
        if reply.status in (401, 403):
            what = "refused the API key" if key_sent else "wants an API key and none is set"
            return BackendError(Kind.KEY, what, self.key_hint())
        if reply.status in (400, 404, 500) and _UNKNOWN_MODEL.search(said):
            return BackendError(Kind.MODEL, said)
        if _CONTEXT.search(said):
            limit = _CONTEXT_LIMIT.search(said)
            size = f" of {limit[1]} tokens" if limit else f": {said}"
            return BackendError(Kind.CONTEXT, f"the prompt exceeds the model's context{size}", CONTEXT_HINT)
        if reply.status == 429:
            return BackendError(Kind.BUSY, f"is busy (HTTP 429): {said}")
        if reply.status in (301, 302, 307, 308, 404, 405):
            return BackendError(
                Kind.BROKEN, f"has no such address (HTTP {reply.status}): {said}", self.url_hint()
            )
        hint = f"look into the log of {self.settings.name}"
        return BackendError(Kind.BROKEN, f"failed with HTTP {reply.status}: {said}", hint)

    def _read_answer(self, reply: Reply) -> Answer:
        streamed = reply.body.lstrip().startswith((b"data:", b"event:", b":"))
        chunks = self._chunks(reply) if streamed else [self.json_object(reply)]
        text, finish = "", None
        try:
            for choice in (chunk["choices"][0] for chunk in chunks if chunk["choices"] or not streamed):
                text += choice["delta" if streamed else "message"].get("content") or ""
                finish = choice.get("finish_reason") or finish
        except (LookupError, TypeError, AttributeError) as error:
            raise BackendError(Kind.BROKEN, "answered without a message", self.url_hint()) from error
        return Answer(text=text, cut_off=finish == "length")

    def _chunks(self, reply: Reply) -> "Iterator[dict[str, Any]]":
        """The events of a streamed reply, to its end.

        Raises:
            BackendError: One of them is an error, or the end is missing.
        """
        for line in reply.body.splitlines():
            name, _, data = line.partition(b":")
            if name != b"data":
                continue
            if data.strip() == b"[DONE]":
                return
            event = Reply(status=500, body=data)
            chunk = self.json_object(event)
            if "error" in chunk:
                raise self.refusal(event, key_sent=True)
            yield chunk
        raise BackendError(Kind.BROKEN, "broke off its answer", f"look into the log of {self.settings.name}")
