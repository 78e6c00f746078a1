"""OpenAI-compatible servers: llama-swap, vLLM, llama.cpp's own."""

import re
from typing import Any
from urllib.parse import quote

from supervisor_mcp.backends.base import (
    CONTEXT_HINT,
    Answer,
    Backend,
    ModelInfo,
    Prompt,
    quoted,
)
from supervisor_mcp.backends.exchange import Reply
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.reader import Reader, count
from supervisor_mcp.calls import Call
from supervisor_mcp.settings_types import Backend as BackendSettings

_UNKNOWN_MODEL = re.compile(
    r"invalid model name|model.*(not found|does ?n.t exist|does not exist|not exist|unknown)"
    r"|(unknown|no such|could not find|no router for).*model",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context (size|length|window)|ContextWindowExceeded|maximum context", re.IGNORECASE)
_CONTEXT_LIMIT = re.compile(r"(?:context (?:size|length|window)[^0-9]{0,20})(\d+)", re.IGNORECASE)


class OpenAI(Backend):
    """A server with /v1/chat/completions and /v1/models."""

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self._counts_streams = True

    def answer(self, prompt: Prompt, call: Call) -> Answer:
        try:
            return self._answer(self.chat_body(prompt), call)
        except BackendError as error:
            if "stream_options" not in error.failure.text:
                raise
            self._counts_streams = False  # a server that is stricter than it is new
            return self._answer(self.chat_body(prompt), call)

    def answer_though_cut(self, prompt: Prompt, call: Call) -> Answer:
        # In one piece: older proxies count what they have sent, and not what was read, when they stream.
        body = {**self.chat_body(prompt), "stream": False}
        body.pop("stream_options", None)
        return self._answer(body, call)

    def chat_body(self, prompt: Prompt) -> "dict[str, Any]":
        """The request that asks `prompt`."""
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        body: dict[str, Any] = {
            "model": prompt.model,
            "messages": [*messages, {"role": "user", "content": prompt.user}],
            "max_tokens": prompt.max_tokens,
            "stream": True,  # a proxy notices that we hung up, and stops the model, only while it streams
        }
        if self._counts_streams:
            body["stream_options"] = {"include_usage": True}
        if prompt.temperature is not None:
            body["temperature"] = prompt.temperature
        if prompt.frequency_penalty is not None:
            body["frequency_penalty"] = prompt.frequency_penalty
        if prompt.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def model_names(self, call: Call) -> list[str]:
        return [model["id"] for model in self._models(call)]

    def loaded_names(self, call: Call) -> list[str]:
        running = self._running(call) or {}
        return [name for name, state in running.items() if state == "ready"]

    def look_up(self, model: str, call: Call) -> ModelInfo:
        models = self.kept.get("models", lambda: self._models(call))
        listed = next((one for one in models if one["id"] == model), None)
        if listed is None and len(models) == 1 and models[0].get("owned_by") == "llamacpp":
            listed = models[0]  # a llama.cpp with one model answers to any name
        if listed is None:
            return ModelInfo(name=model, why=f"{self.settings.name} does not list it")
        place = self.own_place()
        local, why = place.local, place.why
        if local and _is_of_peer(listed):
            local, why = None, f"{self.settings.name} hands it on to another server"
        loaded = self._is_loaded(listed, call)
        context = self._context_tokens(listed, call, loaded=loaded)
        return ModelInfo(name=model, local=local, why=why, context_tokens=context, loaded=loaded)

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        said = quoted(reply)
        if reply.status in (401, 403):
            what = "refused the API key" if key_sent else "wants an API key and none is set"
            return BackendError(Kind.KEY, what, self.key_hint())
        if reply.status in (400, 404, 500) and _UNKNOWN_MODEL.search(said):
            return BackendError(Kind.MODEL, said)
        if _CONTEXT.search(said):
            found = _CONTEXT_LIMIT.search(said)
            size, limit = (f" of {found[1]} tokens", int(found[1])) if found else (f": {said}", None)
            text = f"the prompt exceeds the model's context{size}"
            return BackendError(Kind.CONTEXT, text, CONTEXT_HINT, context_tokens=limit)
        if reply.status == 429:
            return BackendError(Kind.BUSY, f"is busy (HTTP 429): {said}")
        if reply.status in (301, 302, 307, 308, 404, 405):
            return BackendError(
                Kind.BROKEN, f"has no such address (HTTP {reply.status}): {said}", self.url_hint()
            )
        hint = f"look into the log of {self.settings.name}"
        return BackendError(Kind.BROKEN, f"failed with HTTP {reply.status}: {said}", hint)

    def _answer(self, body: "dict[str, Any]", call: Call) -> Answer:
        reader = _AnswerReader(self)
        self.stream("/v1/chat/completions", body, call, reader)
        return Answer.of(reader)

    def _models(self, call: Call) -> "list[dict[str, Any]]":
        data = self.request("/v1/models", None, call)
        models = data.get("data")
        if not isinstance(models, list):
            raise BackendError(Kind.BROKEN, "answered /v1/models without a list of models", self.url_hint())
        return [{**model, "id": str(model["id"])} for model in models if _has_text(model, "id")]

    def _running(self, call: Call) -> dict[str, str] | None:
        """llama-swap's models that run, with their state; None for other servers."""
        data = self._optional("/running", call)
        running = None if data is None else data.get("running")
        if not isinstance(running, list):
            return None
        return {str(one["model"]): str(one.get("state")) for one in running if _has_text(one, "model")}

    def _is_loaded(self, listed: "dict[str, Any]", call: Call) -> bool | None:
        if listed.get("owned_by") == "llamacpp":
            status = listed.get("status")  # of a llama.cpp that serves several models
            return status.get("value") == "loaded" if isinstance(status, dict) else True
        running = self.kept.get("running", lambda: self._running(call))
        return None if running is None else running.get(listed["id"]) == "ready"

    def _context_tokens(self, listed: "dict[str, Any]", call: Call, *, loaded: bool | None) -> int | None:
        meta = listed.get("meta")
        told = listed.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        if count(told) is not None:
            return count(told)
        if listed.get("owned_by") == "llamacpp":
            return _context_of_props(self._optional("/props", call))
        if listed.get("owned_by") == "llama-swap" and loaded:  # asking of another would load it
            return _context_of_props(self._optional(f"/upstream/{quote(listed['id'])}/props", call))
        return None

    def _optional(self, path: str, call: Call) -> "dict[str, Any] | None":
        """What a server says there; None when it is none of those that say something."""
        try:
            return self.request(path, None, call)
        except BackendError as error:
            if error.failure.kind is Kind.UNREACHABLE:
                raise
            return None


class _AnswerReader(Reader):
    """Reads a chat completion, in the events of a stream or in one piece."""

    def __init__(self, backend: OpenAI) -> None:
        super().__init__()
        self._backend = backend
        self._whole: bytes | None = None

    def end(self) -> None:
        if self._whole is not None:
            self._event(self._whole, "message")
            self.ended = True
        if not self.ended:
            raise self._backend.broke_off()

    def _take(self, line: bytes) -> None:
        if self._whole is not None:
            self._whole += line + b"\n"
            return
        name, _, data = line.strip().partition(b":")
        if name == b"data":
            if data.strip() == b"[DONE]":
                self.ended = True
            else:
                self._event(data, "delta")
        elif name not in (b"", b"event", b"id", b"retry"):
            self._whole = line + b"\n"

    def _event(self, data: bytes, part: str) -> None:
        event = Reply(status=500, body=data)
        chunk = self._backend.json_object(event)
        if "error" in chunk:
            raise self._backend.refusal(event, key_sent=True)
        self._count(chunk)
        try:
            choices = chunk["choices"]
            if not choices and part == "delta":
                return  # the numbers come so
            said = choices[0][part] if part == "message" else choices[0].get(part) or {}
            thought = said.get("reasoning_content") or said.get("reasoning") or ""
            self._add(said.get("content") or "", thought if isinstance(thought, str) else "")
            self.finish = choices[0].get("finish_reason") or self.finish
        except (LookupError, TypeError, AttributeError) as error:
            raise self._backend.no_message() from error

    def _count(self, chunk: "dict[str, Any]") -> None:
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = count(usage.get("prompt_tokens")) or self.prompt_tokens
            self.answer_tokens = count(usage.get("completion_tokens")) or self.answer_tokens
            return
        timings = chunk.get("timings")  # of a llama.cpp from before it told the usage of streams
        if isinstance(timings, dict):
            parts = (count(timings.get("cache_n")), count(timings.get("prompt_n")))
            self.prompt_tokens = sum(part or 0 for part in parts) or self.prompt_tokens
            self.answer_tokens = count(timings.get("predicted_n")) or self.answer_tokens


def _has_text(data: object, key: str) -> bool:
    return isinstance(data, dict) and bool(data.get(key))


def _is_of_peer(listed: "dict[str, Any]") -> bool:
    """Whether llama-swap has a model from another server, which may be a service."""
    meta = listed.get("meta")
    swap = meta.get("llamaswap") if isinstance(meta, dict) else None
    return _has_text(swap, "peerID")


def _context_of_props(props: "dict[str, Any] | None") -> int | None:
    settings = (props or {}).get("default_generation_settings")
    return count(settings.get("n_ctx")) if isinstance(settings, dict) else None
