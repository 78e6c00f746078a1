"""Ollama's own API: its OpenAI-compatible one ignores the context size, and then cuts prompts silently."""

from typing import Any

from supervisor_mcp.backends import places
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

# Few sizes, because Ollama loads a model anew for each other size that is asked of it.
CONTEXT_SIZES = (8192, 16_384, 32_768, 65_536, 131_072, 262_144)
FEWEST_BYTES_PER_TOKEN = 3  # of UTF-8, to size the context: prose has 4 and more, so it is never too small
OVERHEAD_TOKENS = 200  # the chat template's


class Ollama(Backend):
    """An Ollama server."""

    def answer(self, prompt: Prompt, call: Call) -> Answer:
        size = self._context_size(prompt, call)
        answer = self._answer(prompt, size, call)
        self._check_all_was_read(prompt, answer.prompt_tokens, size, call)
        return answer

    def answer_though_cut(self, prompt: Prompt, call: Call) -> Answer:
        return self._answer(prompt, self._context_size(prompt, call), call)

    def model_names(self, call: Call) -> list[str]:
        return self._names("/api/tags", call)

    def loaded_names(self, call: Call) -> list[str]:
        return self._names("/api/ps", call)

    def look_up(self, model: str, call: Call) -> ModelInfo:
        shown = self._shown(model, call)
        loaded = self.kept.get("loaded", lambda: self.loaded_names(call))
        place = places.farthest([places.of_ollama(model, shown.get("remote_host")), self.own_place()])
        if not shown and place.local:
            place = places.Place(local=None, why=f"{self.settings.name} does not tell where it runs")
        return ModelInfo(
            name=model,
            local=place.local,
            why=place.why,
            context_tokens=_context_length(shown),
            loaded=model in loaded or f"{model}:latest" in loaded,
        )

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

    def _answer(self, prompt: Prompt, size: int, call: Call) -> Answer:
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        options: dict[str, Any] = {"num_ctx": size, "num_predict": prompt.max_tokens}
        if prompt.temperature is not None:
            options["temperature"] = prompt.temperature
        if prompt.frequency_penalty is not None:
            options["frequency_penalty"] = prompt.frequency_penalty
        body = {
            "model": prompt.model,
            "messages": [*messages, {"role": "user", "content": prompt.user}],
            "options": options,
            "stream": True,
            # An error instead of a prompt without its beginning, at the start and while it answers; older
            # servers ignore both.
            "truncate": False,
            "shift": False,
        }
        if prompt.schema is not None:
            body["format"] = prompt.schema
        reader = _AnswerReader(self)
        self.stream("/api/chat", body, call, reader)
        return Answer.of(reader)

    def _names(self, path: str, call: Call) -> list[str]:
        data = self.request(path, None, call)
        models = data.get("models")
        if not isinstance(models, list):
            raise BackendError(Kind.BROKEN, f"answered {path} without a list of models", self.url_hint())
        return [str(model["name"]) for model in models if isinstance(model, dict) and model.get("name")]

    def _context_size(self, prompt: Prompt, call: Call) -> int:
        text_bytes = len((prompt.system + prompt.user).encode("utf-8", errors="replace"))
        needed = text_bytes // FEWEST_BYTES_PER_TOKEN + OVERHEAD_TOKENS + prompt.max_tokens
        size = next((size for size in CONTEXT_SIZES if size >= needed), CONTEXT_SIZES[-1])
        limit = _context_length(self._shown(prompt.model, call))
        if limit is None:
            return size
        fewest = _fewest_tokens(prompt)
        if fewest > limit:
            text = f"the prompt (at least {fewest} tokens) exceeds the model's context of {limit} tokens"
            raise BackendError(Kind.CONTEXT, text, CONTEXT_HINT, context_tokens=limit)
        return min(size, limit)

    def _check_all_was_read(self, prompt: Prompt, read: int | None, size: int, call: Call) -> None:
        """Raise unless the model has read the whole prompt, as far as that can be told.

        A server that cuts prompts gives the model as many tokens as its context has. It may have less than
        was asked for; then fewer were read than the prompt has words.
        """
        if read is None:
            return
        cut = read >= size or (read < _fewest_tokens(prompt) and self._counts_whole_prompts(call))
        if cut:
            limit = min(read, size)
            text = f"the prompt exceeds the model's context of {limit} tokens, so its beginning was not read"
            raise BackendError(Kind.CONTEXT, text, CONTEXT_HINT, context_tokens=limit)

    def _counts_whole_prompts(self, call: Call) -> bool:
        """Whether the server counts what it had read before and kept; those before 0.2 left that out."""
        try:
            data = self.request("/api/version", None, call)
        except BackendError:
            return False
        major, _, rest = str(data.get("version")).partition(".")
        minor = rest.partition(".")[0]
        return (major.isdigit() and int(major) > 0) or (minor.isdigit() and int(minor) >= 2)

    def _shown(self, model: str, call: Call) -> "dict[str, Any]":
        """What the server tells of a model; empty when it tells nothing."""
        return self.kept.get(("show", model), lambda: self._show(model, call))

    def _show(self, model: str, call: Call) -> "dict[str, Any]":
        try:
            return self.request("/api/show", {"model": model}, call)
        except BackendError as error:
            if error.failure.kind is Kind.MODEL:
                raise self.unknown_model(model, error, call) from error
            if error.failure.kind is not Kind.BROKEN:
                raise
            return {}


class _AnswerReader(Reader):
    """Reads an answer in lines of JSON, the last of which says that it is done."""

    def __init__(self, backend: Ollama) -> None:
        super().__init__()
        self._backend = backend
        self._has_message = False

    def end(self) -> None:
        if not self.ended:
            raise self._backend.broke_off()

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        reply = Reply(status=500, body=line)
        data = self._backend.json_object(reply)
        if "error" in data:
            raise self._backend.refusal(reply, key_sent=True)
        message = data.get("message")
        if isinstance(message, dict) and isinstance(message.get("content"), str):
            self._has_message = True
            thought = message.get("thinking")
            self._add(message["content"], thought if isinstance(thought, str) else "")
        if data.get("done"):
            self._finish(data)

    def _finish(self, data: "dict[str, Any]") -> None:
        if not self._has_message:
            raise self._backend.no_message()
        self.ended = True
        self.finish = data.get("done_reason")
        self.prompt_tokens = count(data.get("prompt_eval_count"))
        self.answer_tokens = count(data.get("eval_count"))


def _fewest_tokens(prompt: Prompt) -> int:
    """How many tokens a prompt has at least.

    Tokens do not reach over the blank between two words, but for a few vocabularies that save a third so.
    """
    return (len(prompt.system.split()) + len(prompt.user.split())) * 3 // 4


def _context_length(shown: "dict[str, Any]") -> int | None:
    info = shown.get("model_info")
    lengths = [
        value
        for name, value in (info.items() if isinstance(info, dict) else ())
        if name.endswith(".context_length") and isinstance(value, int) and value > 0
    ]
    return lengths[0] if lengths else None
