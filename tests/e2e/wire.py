"""What came over the wire: one recorded request of the client, and the questions that tests ask of it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

_MARKER = re.compile(r"\[conversation:([^\]]+)\]")
_DELEGATION_TOOLS = ("Agent", "Task")


def marker_of(conversation: str) -> str:
    """The words by which a request's conversation is known."""
    return f"[conversation:{conversation}]"


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """A request that was no Messages call: a probe, a token count, or a path that nothing serves."""

    method: str
    path: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """One POST to /v1/messages; `size` is the body's length in bytes."""

    headers: Mapping[str, str]
    body: Mapping[str, Any]
    size: int

    @classmethod
    def parse(cls, headers: Mapping[str, str], raw: bytes) -> Self:
        """Read the body as JSON; headers are known by their lower-case names."""
        return cls({name.lower(): value for name, value in headers.items()}, json.loads(raw), len(raw))

    @property
    def model(self) -> str:
        """The model's id as the API would see it."""
        return str(self.body["model"])

    @property
    def turn(self) -> int:
        """How often the model has spoken before: the number of assistant messages."""
        return sum(message["role"] == "assistant" for message in self.body["messages"])

    @property
    def conversation(self) -> str | None:
        """The name planted before the model first spoke; None for the client's own side requests."""
        for message in self.body["messages"]:
            if message["role"] == "assistant":
                return None
            for words in _texts(message["content"]):
                if found := _MARKER.search(words):
                    return found[1]
        return None

    @property
    def tools(self) -> dict[str, Mapping[str, Any]]:
        """Every tool that the request defines, by its name."""
        return {tool["name"]: tool for tool in self.body.get("tools", ())}

    @property
    def system(self) -> str:
        """The system prompt, its blocks joined."""
        return "\n".join(_texts(self.body.get("system", "")))

    @property
    def words(self) -> str:
        """All that the model reads outside the tools' definitions: system prompt and messages."""
        said = (words for message in self.body["messages"] for words in _texts(message["content"]))
        return "\n".join((self.system, *said))

    @property
    def tool_results(self) -> list[str]:
        """What each tool call gave back, as the model reads it, in order."""
        return ["\n".join(_texts(block.get("content", ""))) for block in self._tool_result_blocks()]

    @property
    def tool_errors(self) -> list[bool]:
        """For each tool result, whether it was marked as an error."""
        return [bool(block.get("is_error")) for block in self._tool_result_blocks()]

    def delegation_tool(self) -> str:
        """The name of the tool that starts a subagent; fails when the request has none."""
        for name in _DELEGATION_TOOLS:
            if name in self.tools:
                return name
        raise AssertionError(f"no tool starts subagents; there are {sorted(self.tools)}")

    def _tool_result_blocks(self) -> Iterator[Mapping[str, Any]]:
        for message in self.body["messages"]:
            if message["role"] == "user" and not isinstance(message["content"], str):
                yield from (block for block in message["content"] if block["type"] == "tool_result")


def _texts(content: Any) -> Iterator[str]:
    """The text in a content value: a string, or a list of blocks."""
    if isinstance(content, str):
        yield content
        return
    for block in content:
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result":
            yield from _texts(block.get("content", ""))
