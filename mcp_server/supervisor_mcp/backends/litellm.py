"""The LiteLLM proxy, which hides a missing or wrong key behind other errors."""

from typing import Any

from supervisor_mcp.backends import places
from supervisor_mcp.backends.base import ModelInfo, Prompt, quoted
from supervisor_mcp.backends.exchange import Reply
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.openai import OpenAI
from supervisor_mcp.backends.reader import count
from supervisor_mcp.calls import Call


class LiteLLM(OpenAI):
    """A LiteLLM proxy; seen on 1.106.2 without a database."""

    def chat_body(self, prompt: Prompt) -> "dict[str, Any]":
        body = super().chat_body(prompt)
        if prompt.private:
            # Else a local model that fails may be stood in for by a cloud model, as LiteLLM's config says.
            body["disable_fallbacks"] = True
        return body

    def loaded_names(self, call: Call) -> list[str]:  # noqa: ARG002 # it does not tell
        return []

    def look_up(self, model: str, call: Call) -> ModelInfo:
        deployments = self.kept.get("deployments", lambda: self._deployments(call))
        mine = [one for one in deployments if one["model_name"] == model] or _matching(deployments, model)
        if not mine:
            return self._unlisted(model, call)
        # Any of them may get the prompt, so it must fit into the smallest.
        limits = [count(one["model_info"].get("max_input_tokens")) for one in mine]
        known = [limit for limit in limits if limit is not None]
        places_of_it = [places.of_litellm(one["litellm_params"]) for one in mine]
        place = places.farthest([*places_of_it, self.own_place()])
        context = min(known) if len(known) == len(limits) else None
        return ModelInfo(name=model, local=place.local, why=place.why, context_tokens=context)

    def refusal(self, reply: Reply, *, key_sent: bool) -> BackendError:
        said = quoted(reply)
        if not key_sent and reply.status == 500 and said == "Internal Server Error":
            return BackendError(Kind.KEY, "wants an API key and none is set", self.key_hint())
        if reply.status == 400 and "No connected db" in said:
            return BackendError(Kind.KEY, "refused the API key", self.key_hint())
        if "litellm.AuthenticationError" in said:  # of the server behind the proxy, not ours
            hint = "look into the model's key in LiteLLM's own config"
            return BackendError(Kind.BROKEN, f"failed with HTTP {reply.status}: {said}", hint)
        return super().refusal(reply, key_sent=key_sent)

    def _unlisted(self, model: str, call: Call) -> ModelInfo:
        """A model that /model/info does not show: an alias, one that this key may not look up, or none."""
        refusal = BackendError(Kind.MODEL, "it is not in /model/info")
        if model not in self.model_names(call):
            raise self.unknown_model(model, refusal, call)
        return ModelInfo(name=model, why=f"{self.settings.name} does not tell where it runs")

    def _deployments(self, call: Call) -> "list[dict[str, Any]]":
        """The models with the servers behind them; empty when LiteLLM does not show them to this key."""
        try:
            data = self.request("/model/info", None, call)
        except BackendError as error:
            if error.failure.kind in (Kind.UNREACHABLE, Kind.KEY):
                raise
            return []
        found = data.get("data")
        return [
            {
                "model_name": str(one["model_name"]),
                "litellm_params": _mapping(one.get("litellm_params")),
                "model_info": _mapping(one.get("model_info")),
            }
            for one in (found if isinstance(found, list) else [])
            if isinstance(one, dict) and one.get("model_name")
        ]


def _matching(deployments: "list[dict[str, Any]]", model: str) -> "list[dict[str, Any]]":
    """The deployments for any model of a pattern, such as `ollama/*`."""
    from fnmatch import fnmatchcase

    return [one for one in deployments if fnmatchcase(model, one["model_name"])]


def _mapping(value: object) -> "dict[str, Any]":
    return value if isinstance(value, dict) else {}
