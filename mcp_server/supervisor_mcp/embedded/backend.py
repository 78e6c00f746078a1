"""The embedded model as a backend: the last one, asked when no other can be reached."""

from collections.abc import Sequence

from supervisor_mcp.backends.base import Answer, Backend, ModelInfo, Prompt
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.openai import OpenAI
from supervisor_mcp.calls import Call
from supervisor_mcp.embedded import parts, words
from supervisor_mcp.embedded.engine import Engine
from supervisor_mcp.embedded.process import Plan, Process
from supervisor_mcp.embedded.run import Way
from supervisor_mcp.settings_types import Backend as BackendSettings
from supervisor_mcp.settings_types import Embedded

NAME = "embedded"
_NOTE = "a small model; for better answers start or add a backend, or set `embedded.model`"
_DYING_SECONDS = 1.0
_SEEN_AT_A_TIME = 1
"""Prompts at once: one takes all the cores, and every place more takes memory for a context of its own."""


class EmbeddedBackend(Backend):
    """A llama.cpp of this server's own behind the interface of a backend."""

    last_resort = True

    def __init__(self, config: Embedded, models: Sequence[str]) -> None:
        """Serve `models`, the names that the tools use, all by the one model that the config names."""
        self.model = parts.MODEL_NAME if config.model is None else _stem(config.model)
        super().__init__(
            BackendSettings(
                name=NAME,
                kind="llama.cpp",
                url=config.model or "bundled model",
                models=dict.fromkeys(models, self.model),
                context_tokens=config.context_tokens,
                parallel=_SEEN_AT_A_TIME,
                local=True,
                note=_NOTE if config.model is None else "",
            )
        )
        self._config = config
        way = Way(self._plan, self._is_ready, start_seconds=self.settings.timeout)
        self._engine = Engine(way, self.breaker, config.idle_seconds)
        self._client: tuple[Process, _Client] | None = None

    def ask(self, prompt: Prompt, call: Call) -> Answer:
        try:
            return self._ask(prompt, call)
        except _GoneBefore:
            return self._ask(prompt, call)

    def model_names(self, call: Call) -> list[str]:  # noqa: ARG002 - known without asking
        self._plan()
        return [self.model]

    def look_up(self, model: str, call: Call) -> ModelInfo:
        """What is known without starting it, and more while it runs."""
        process = self._engine.current()
        info = ModelInfo(name=model, local=True, context_tokens=self._config.context_tokens, loaded=False)
        if process is None:
            return info
        try:
            seen = self._client_of(process).model_info(model, call)
        except BackendError:  # it has just ended
            return info
        return info.but(context_tokens=seen.context_tokens or info.context_tokens, loaded=True)

    def close(self) -> None:
        """Have the process end; does not wait."""
        self._engine.close()

    def _plan(self) -> Plan:
        return Plan(
            program=parts.program(self._config),
            model=parts.model(self._config),
            context_tokens=self._config.context_tokens,
            parallel=_SEEN_AT_A_TIME,
        )

    def _client_of(self, process: Process) -> "_Client":
        """The client of that process, with connections to no other."""
        known = self._client
        if known is None or known[0] is not process:
            self.kept.clear()
            known = self._client = (process, _Client(self.settings, process))
        return known[1]

    def _is_ready(self, process: Process) -> bool:
        try:
            self._client_of(process).request("/health", None, Call())
        except BackendError:
            return False
        return True

    def _ask(self, prompt: Prompt, call: Call) -> Answer:
        with self._engine.running(call, f"{self.model} on {NAME}") as process:
            try:
                return self._client_of(process).ask(prompt, call)
            except BackendError as error:
                kind = error.failure.kind
                # The connection breaks a moment before the process has ended.
                if kind in (Kind.UNREACHABLE, Kind.BROKEN) and process.ended.wait(_DYING_SECONDS):
                    raise _crashed(process, before=kind is Kind.UNREACHABLE) from error
                raise


class _GoneBefore(BackendError):
    """The process had ended before it was asked."""


def _crashed(process: Process, *, before: bool) -> BackendError:
    how, hint = words.in_the_middle(process.plan, process.exit_code or 0, process.lines())
    error = _GoneBefore if before else BackendError
    return error(Kind.BROKEN, f"crashed in the middle of its work: it {how}", hint)


class _Client(OpenAI):
    """Talks to one process, in which one model answers to every name."""

    def __init__(self, settings: BackendSettings, process: Process) -> None:
        super().__init__(settings.but(url=f"http://127.0.0.1:{process.port}"))
        self._key = process.key

    def key(self) -> str | None:
        return self._key


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".gguf") or path
