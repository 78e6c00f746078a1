"""Ollama's own API: its OpenAI-compatible one ignores the context size, and then cuts prompts silently."""

from typing import Any

from supervisor_mcp.backends.base import CONTEXT_HINT, PROBE_SECONDS, Answer, Backend, Prompt, quoted
from supervisor_mcp.backends.exchange import Reply
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.calls import Call
from supervisor_mcp.settings_types import Backend as BackendSettings

# Few sizes, because Ollama loads a model anew for each other size that is asked of it.
CONTEXT_SIZES = (8192, 16_384, 32_768, 65_536, 131_072, 262_144)
FEWEST_BYTES_PER_TOKEN = 3  # of UTF-8, to size the context: prose has 4 and more, so it is never too small
MOST_BYTES_PER_TOKEN = 6  # to refuse only what cannot fit
OVERHEAD_TOKENS = 200  # the chat template's


class Ollama(Backend):
    """An Ollama server."""

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self._context_limits: dict[str, int | None] = {}

    def ask(self, prompt: Prompt, call: Call) -> Answer:
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        options: dict[str, Any] = {
            "num_ctx": self._context_size(prompt, call),
            "num_predict": prompt.max_tokens,
        }
        if prompt.temperature is not None:
            options["temperature"] = prompt.temperature
        body = {
            "model": prompt.model,
            "messages": [*messages, {"role": "user", "content": prompt.user}],
            "options": options,
            "stream": False,
            "truncate": False,  # an error instead of a prompt without its beginning; older servers ignore it
        }
        doing = f"{prompt.model} on {self.settings.name}"
        try:
            data = self.request("/api/chat", body, call, seconds=self.settings.timeout, doing=doing)
        except BackendError as error:
            if error.failure.kind is Kind.MODEL:
                raise self.unknown_model(prompt.model, error, call) from error
            raise
        message = data.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if not isinstance(text, str):
            raise BackendError(Kind.BROKEN, "answered without a message", self.url_hint())
        read = data.get("prompt_eval_count")
        return Answer(
            text=text,
            cut_off=data.get("done_reason") == "length",
            prompt_tokens=read if isinstance(read, int) else None,
        )

    def model_names(self, call: Call) -> list[str]:
        return self._names("/api/tags", call)

    def loaded_names(self, call: Call) -> list[str]:
        return self._names("/api/ps", call)

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        said = quoted(reply)
        if reply.status in (401, 403):
            what = "refused the API key" if key_sent else "wants an API key and none is set"
            return BackendError(Kind.KEY, what, self.key_hint())
        if reply.status == 404 and "model" in said:
            return BackendError(Kind.MODEL, said)
        if "context length" in said or "context size" in said:
            return BackendError(Kind.CONTEXT, f"the prompt exceeds the model's context: {said}", CONTEXT_HINT)
        if reply.status in (429, 503):
            return BackendError(Kind.BUSY, f"is busy (HTTP {reply.status}): {said}")
        if reply.status in (404, 405):
            return BackendError(
                Kind.BROKEN, f"has no such address (HTTP {reply.status}): {said}", self.url_hint()
            )
        hint = f"look into the log of {self.settings.name}"
        return BackendError(Kind.BROKEN, f"failed with HTTP {reply.status}: {said}", hint)

    def _names(self, path: str, call: Call) -> list[str]:
        data = self.request(path, None, call, seconds=PROBE_SECONDS, doing=self.settings.name)
        models = data.get("models")
        if not isinstance(models, list):
            raise BackendError(Kind.BROKEN, f"answered {path} without a list of models", self.url_hint())
        return [str(model["name"]) for model in models if isinstance(model, dict) and model.get("name")]

    def _context_size(self, prompt: Prompt, call: Call) -> int:
        text_bytes = len((prompt.system + prompt.user).encode("utf-8", errors="replace"))
        needed = text_bytes // FEWEST_BYTES_PER_TOKEN + OVERHEAD_TOKENS + prompt.max_tokens
        size = next((size for size in CONTEXT_SIZES if size >= needed), CONTEXT_SIZES[-1])
        limit = self._context_limit(prompt.model, call)
        if limit is None:
            return size
        fewest_tokens = text_bytes // MOST_BYTES_PER_TOKEN
        if fewest_tokens > limit:
            text = (
                f"the prompt (at least {fewest_tokens} tokens) exceeds the model's context of {limit} tokens"
            )
            raise BackendError(Kind.CONTEXT, text, CONTEXT_HINT)
        return min(size, limit)

    def _context_limit(self, model: str, call: Call) -> int | None:
        """How many tokens the model was made for, asked once; None when the server does not tell."""
        if model not in self._context_limits:
            try:
                data = self.request(
                    "/api/show", {"model": model}, call, seconds=PROBE_SECONDS, doing=self.settings.name
                )
            except BackendError as error:
                if error.failure.kind is Kind.MODEL:
                    raise self.unknown_model(model, error, call) from error
                if error.failure.kind is not Kind.BROKEN:
                    raise
                data = {}
            self._context_limits[model] = _context_length(data)
        return self._context_limits[model]


def _context_length(shown: "dict[str, Any]") -> int | None:
    info = shown.get("model_info")
    lengths = [
        value
        for name, value in (info.items() if isinstance(info, dict) else ())
        if name.endswith(".context_length") and isinstance(value, int) and value > 0
    ]
    return lengths[0] if lengths else None
