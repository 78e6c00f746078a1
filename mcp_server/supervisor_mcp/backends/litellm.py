"""The LiteLLM proxy, which hides a missing or wrong key behind other errors."""

from supervisor_mcp.backends.base import quoted
from supervisor_mcp.backends.exchange import Reply
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.backends.openai import OpenAI


class LiteLLM(OpenAI):
    """A LiteLLM proxy; seen on 1.106.2 without a database."""

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
