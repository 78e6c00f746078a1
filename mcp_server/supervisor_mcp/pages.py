"""Long results in pages, so that no result floods the client's context.

A page ends with how to get the next: the same tool, with `next-page:TOKEN` as each argument that is needed. A
special value instead of a special argument keeps tools/list, which every conversation pays for, as it is.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping

from supervisor_mcp import arguments
from supervisor_mcp.settings_types import Tool

MAX_KEPT_CHARS = 4_000_000
PREFIX = "next-page:"


class Pages:
    """The rests of long results, the newest MAX_KEPT_CHARS characters of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rests: OrderedDict[str, str] = OrderedDict()

    def first(self, tool: Tool, text: str) -> str:
        """`text`, or its first page and how to get the next."""
        limit = tool.max_output_chars
        if len(text) <= limit:
            return text
        # A line is a whole record of JSON where the tool extracts, and is cut in no case.
        least = 0 if tool.kind == "extract" else limit // 2
        end = text.rfind("\n", least, limit) + 1 or limit
        token = PREFIX + secrets.token_hex(4)
        self._keep(token, text[end:])
        again = arguments.example(tool, token)
        rest = f"[{len(text) - end} characters follow. For them call {tool.name}({again}).]"
        return f"{text[:end].rstrip()}\n\n{rest}"

    def next(self, tool: Tool, token: str) -> str | None:
        """The page behind `token`, which may be asked for again; None when it is no longer kept."""
        with self._lock:
            rest = self._rests.get(token)
        return None if rest is None else self.first(tool, rest)

    def _keep(self, token: str, rest: str) -> None:
        with self._lock:
            self._rests[token] = rest
            while len(self._rests) > 1 and sum(map(len, self._rests.values())) > MAX_KEPT_CHARS:
                self._rests.popitem(last=False)


def requested(given: Mapping[str, object]) -> str | None:
    """The token, if the arguments that were given ask for a next page."""
    for argument in given.values():
        value = argument[0] if isinstance(argument, list) and len(argument) == 1 else argument
        if isinstance(value, str) and value.startswith(PREFIX) and len(value) < 40:
            return value.strip()
    return None
