"""Servers of models, each kind with its own ways, behind one interface."""

from supervisor_mcp.backends.base import Answer, Backend, Prompt
from supervisor_mcp.settings_types import Backend as BackendSettings

__all__ = ["Answer", "Backend", "Prompt", "make"]


def make(settings: BackendSettings) -> Backend:
    """The backend of the kind that `settings` name."""
    if settings.kind == "ollama":
        from supervisor_mcp.backends.ollama import Ollama

        return Ollama(settings)
    if settings.kind == "litellm":
        from supervisor_mcp.backends.litellm import LiteLLM

        return LiteLLM(settings)
    from supervisor_mcp.backends.openai import OpenAI

    return OpenAI(settings)
