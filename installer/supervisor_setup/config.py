"""config.yaml to a frozen, checked Config."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from supervisor_setup import assets, files
from supervisor_setup.errors import ConfigError
from supervisor_setup.values import dataclass

MCP_PATH = "/mcp"
DEFAULT_TIERS: Mapping[str, str] = {"fast": "haiku", "balanced": "sonnet", "deep": "opus"}


@dataclass(frozen=True, slots=True)
class PipelineChoices:
    """The pipelines' part: whether the skill is installed, and what a run may cost and asks.

    `budget_usd` bounds each run that the skill starts. `local_model` is the name in LiteLLM of the model that
    reads, `model` the Claude model of scripts that are made from now on.
    """

    skill: bool = True
    budget_usd: float = 5.0
    local_model: str = "local-llama"
    model: str = "claude-sonnet-5-5"


@dataclass(frozen=True, slots=True)
class Config:
    """What the user wants installed.

    `tiers` maps a tier to the model that the client runs; `agent_tiers` moves single agents to another tier.
    `server` is the MCP server's part, complete with its defaults, as plain data.
    """

    path: Path
    tiers: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TIERS))
    agent_tiers: Mapping[str, str] = field(default_factory=dict)
    exclude: frozenset[str] = frozenset()
    replace_explore: bool = False
    server: Mapping[str, Any] = field(default_factory=dict)
    pipeline: PipelineChoices = field(default_factory=PipelineChoices)

    @property
    def server_name(self) -> str:
        """The MCP server's name in the client."""
        return str(self.server["server"]["name"])

    @property
    def always_load(self) -> bool:
        """Whether the client shows the tools' descriptions from the first request on."""
        return bool(self.server["server"]["always_load"])

    @property
    def server_url(self) -> str | None:
        """Where the MCP server is that runs elsewhere; None where the client starts one itself."""
        url = self.server["server"].get("url")
        if url is None:
            return None
        given = str(url).rstrip("/")
        return given if "/" in given.partition("://")[2] else given + MCP_PATH

    @property
    def server_token_env(self) -> str:
        """The environment variable with the token for `server_url`."""
        return str(self.server["server"]["token_env"])

    @property
    def backends(self) -> Sequence[Mapping[str, Any]]:
        """Where models are served, in order of preference."""
        return tuple(self.server["backends"])

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The MCP tools that are switched on."""
        tools: Mapping[str, Mapping[str, Any]] = self.server["tools"]
        return tuple(name for name, tool in tools.items() if tool.get("enabled", True))


def load(path: Path) -> Config:
    """Read and check config.yaml; the defaults where there is none.

    Raises:
        ConfigError: it is not valid YAML, or says something that the schema does not allow.
        TargetError: it cannot be read.
    """
    data = files.read(path).data
    return parse(path, b"" if data is None else data)


def parse(path: Path, data: bytes) -> Config:
    """Check the bytes of a config.yaml.

    Raises:
        ConfigError: as `load`.
    """
    from supervisor_mcp import settings  # only the commands that read the config need it

    body = _body(path, data)
    agents = body.get("agents") or {}
    try:
        server = settings.merge(body)
        settings.from_mapping(server)
    except settings.SettingsError as error:
        raise ConfigError(f"{_where(path, data, error.key_path)}: {error}", hint=_edit_hint(path)) from error
    config = Config(
        path=path,
        tiers={**DEFAULT_TIERS, **(body.get("tiers") or {})},
        agent_tiers=agents.get("tiers", {}),
        exclude=frozenset(agents.get("exclude", ())),
        replace_explore=agents.get("replace_explore", False),
        server=server,
        pipeline=PipelineChoices(**(body.get("pipeline") or {})),
    )
    for agent, tier in config.agent_tiers.items():
        if tier not in config.tiers:
            raise ConfigError(
                f"{_where(path, data, ('agents', 'tiers', agent))}: there is no tier {tier!r}, only "
                f"{', '.join(config.tiers)}",
                hint=f"supervisor-setup config set tiers.{tier} haiku",
            )
    return config


def _body(path: Path, data: bytes) -> dict[str, Any]:
    from supervisor_setup.edit import (
        EditError,
        yaml_entries,
    )

    try:
        body = yaml_entries.load(data)
    except EditError as error:
        raise ConfigError(
            f"{path}:{error.line}:{error.column}: {error.what}", hint=_edit_hint(path)
        ) from error
    if body is None:
        return {}
    _check(path, data, body)
    assert isinstance(body, dict)
    # A key without a value (`tiers:` alone) is how YAML says "nothing here yet".
    return {key: value for key, value in body.items() if value is not None}


def _check(path: Path, data: bytes, body: Any) -> None:
    import jsonschema  # 40 ms

    schema = json.loads((assets.templates() / "config.schema.json").read_bytes())
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if value is not None}
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(body))
    if error is None:
        return
    place = tuple(error.absolute_path)
    name = _dotted(place)
    said = error.message
    if error.validator == "pattern" and "description" in error.schema:
        said = f"{error.instance!r} is not possible here. {error.schema['description']}"
    what = f"`{name}`: {said}" if name else said
    raise ConfigError(f"{_where(path, data, place)}: {what}", hint=_edit_hint(path))


def _dotted(place: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _where(path: Path, data: bytes, place: Sequence[str | int]) -> str:
    from supervisor_setup.edit import yaml_entries

    line = yaml_entries.line_of(data, tuple(place))
    return f"{path}:{line}" if line else str(path)


def _edit_hint(path: Path) -> str:
    return f"mend {path.name} with an editor; one to compare with: supervisor-setup --config NEW config init"
