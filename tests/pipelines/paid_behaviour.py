"""How the stand-in for the paid API answers one request, when not with a good message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One answer. A message is billed, an error is not; `cut` closes the connection in the answer's place.

    `text` is what the message says (None: what fits the request's schema).
    """

    status: int = 200
    error: str = ""
    message: str = ""
    retry_after: str | None = None
    text: str | None = None
    stop_reason: str = "end_turn"
    cut: bool = False

    @property
    def billed(self) -> bool:
        """Whether the API has done the work, whether or not its answer arrives."""
        return self.status == 200


GOOD = Behaviour()


def bad_request(message: str = "messages.0: text is too odd") -> Behaviour:
    """This document's request is not to the API's liking."""
    return Behaviour(400, "invalid_request_error", message)


def unauthorized() -> Behaviour:
    """The key is wrong."""
    return Behaviour(401, "authentication_error", "invalid x-api-key")


def forbidden() -> Behaviour:
    """The key may not do this."""
    return Behaviour(403, "permission_error", "Your API key does not have permission to use the model")


def unknown_model(name: str) -> Behaviour:
    """There is no such model."""
    return Behaviour(404, "not_found_error", f"model: {name}")


def rate_limited(retry_after: str | None = "0") -> Behaviour:
    """Too much was asked within a minute; `retry_after` is in seconds."""
    message = "This request would exceed your organization's rate limit"
    return Behaviour(429, "rate_limit_error", message, retry_after)


def server_error() -> Behaviour:
    """The API has failed."""
    return Behaviour(500, "api_error", "Internal server error")


def overloaded(retry_after: str | None = "0") -> Behaviour:
    """The API has too much to do."""
    return Behaviour(529, "overloaded_error", "Overloaded", retry_after)


def says(text: str, stop_reason: str = "end_turn") -> Behaviour:
    """A message with this text, whatever was asked for."""
    return Behaviour(text=text, stop_reason=stop_reason)


def refusal() -> Behaviour:
    """The model does not want to answer; billed."""
    return Behaviour(text="", stop_reason="refusal")


def cut_off(text: str = '{"verdict": "an answer that is not thro') -> Behaviour:
    """The answer has reached max_tokens in its midst; billed."""
    return Behaviour(text=text, stop_reason="max_tokens")


def lost_reply() -> Behaviour:
    """The work is done and billed, and its answer never arrives."""
    return Behaviour(cut=True)


def dropped() -> Behaviour:
    """The connection ends before anything was done."""
    return Behaviour(503, cut=True)
