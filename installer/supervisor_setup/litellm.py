"""What LiteLLM's own config.yaml needs so that it serves every model that a tool names.

LiteLLM picks a fallback by the first key of an item of `fallbacks`, and knows a backend by the prefix of
`model`; both read in the source of 1.106 and held against the real program in tests/e2e.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor_mcp import settings
from supervisor_mcp.settings import Backend
from supervisor_setup.artefacts import Artefact, Group, yaml_item_artefact
from supervisor_setup.config import Config
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

_SOURCE_KINDS = ("ollama", "openai")


@dataclass(frozen=True, slots=True)
class Additions:
    """Items of LiteLLM's `model_list` and `litellm_settings.fallbacks`.

    `notes` say what LiteLLM will not do although config.yaml asks for it, or only with the user's help.
    """

    models: tuple[Mapping[str, Any], ...]
    fallbacks: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The smallest config.yaml that has them."""
        document: dict[str, Any] = {"model_list": list(self.models)}
        if self.fallbacks:
            document["litellm_settings"] = {"fallbacks": list(self.fallbacks)}
        return document

    def artefacts(self, path: Path) -> tuple[Artefact, ...]:
        """The items as what should stand in the file at `path`."""
        place = ("litellm_settings", "fallbacks")
        return (
            *(
                yaml_item_artefact(Group.LITELLM, path, ("model_list",), "model_name", one)
                for one in self.models
            ),
            *(yaml_item_artefact(Group.LITELLM, path, place, "", one) for one in self.fallbacks),
        )


def additions(config: Config) -> Additions:
    """Work them out: the first backend that offers a model serves it, the others stand in for it.

    A backend offers the models that its `models` maps, or any where it maps none.

    Raises:
        UserError: no backend offers any model that a tool asks for.
    """
    found = settings.from_mapping(config.server)
    sources = [backend for backend in found.backends if backend.enabled and backend.kind in _SOURCE_KINDS]
    wanted = dict.fromkeys(tool.model for tool in found.tools if tool.enabled and tool.model)
    offers = {
        model: [source for source in sources if not source.models or model in source.models]
        for model in wanted
    }
    used = {source.name: source for offering in offers.values() for source in offering}
    if not used:
        raise _nothing_offered(config, sources, list(wanted))
    return Additions(
        models=tuple(
            {"model_name": name, "litellm_params": _params(source, model)}
            for model, offering in offers.items()
            for name, source in zip(_names(model, offering), offering, strict=True)
        ),
        fallbacks=tuple(
            {model: _names(model, offering)[1:]} for model, offering in offers.items() if len(offering) > 1
        ),
        notes=tuple(_notes(offers, list(used.values()))),
    )


def _names(model: str, offering: Sequence[Backend]) -> list[str]:
    return [f"{model}@{source.name}" if number else model for number, source in enumerate(offering)]


def _params(source: Backend, model: str) -> dict[str, Any]:
    native, key = source.model_name(model), _key_reference(source)
    timeout = {"timeout": int(source.timeout) if source.timeout.is_integer() else source.timeout}
    if source.kind == "openai":
        address = {"model": f"openai/{native}", "api_base": f"{source.url}/v1"}
        # LiteLLM looks for OpenAI's own key where none is given.
        return {**address, "api_key": key or "none", **timeout}
    # Without num_ctx Ollama takes its own default of 4,096 tokens and cuts longer prompts without a word.
    address = {"model": f"ollama_chat/{native}", "api_base": source.url}
    return {**address, **({"api_key": key} if key else {}), "num_ctx": source.context_tokens, **timeout}


def _key_reference(source: Backend) -> str | None:
    variable = source.key_env or (_key_variable(source) if source.key_file else None)
    return f"os.environ/{variable}" if variable else None


def _key_variable(source: Backend) -> str:
    """The variable for a key that config.yaml keeps in a file, which LiteLLM cannot read."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in source.name)
    return f"{name.upper()}_API_KEY"


def _notes(offers: Mapping[str, Sequence[Backend]], used: Sequence[Backend]) -> list[str]:
    unserved = [model for model, offering in offers.items() if not offering]
    by_file = [source for source in used if source.key_file]
    return [
        *(
            f"{model}: no backend of kind ollama or openai maps it, so LiteLLM will not serve it"
            for model in unserved
        ),
        *(
            f"{source.name}: LiteLLM reads keys from its environment alone; start it with "
            f"{_key_variable(source)} set to what {source.key_file} holds"
            for source in by_file
        ),
    ]


def _nothing_offered(config: Config, sources: Sequence[Backend], wanted: Sequence[str]) -> UserError:
    if not wanted:
        return UserError(
            f"{config.path}: no enabled tool asks for a model, so LiteLLM needs none",
            hint="supervisor-setup config show",
        )
    if not sources:
        return UserError(
            f"{config.path}: no enabled backend of kind ollama or openai, from which LiteLLM could serve "
            f"{', '.join(wanted)}",
            hint="add one under `backends`; for their shape: supervisor-setup config show",
        )
    names = ", ".join(source.name for source in sources)
    return UserError(
        f"{config.path}: none of {', '.join(wanted)}, which the tools ask for, is offered by {names}",
        hint=f"name it under `models` of {sources[0].name}, or leave `models` out there",
    )
