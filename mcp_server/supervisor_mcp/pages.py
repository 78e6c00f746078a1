"""Long results in pages, so that no result floods the client's context.

A page ends with how to get the next: the same tool, with `next-page:TOKEN` as each of its arguments. A
special value instead of a special argument keeps tools/list, which every conversation pays for, as it is.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping

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
        end = text.rfind("\n", limit // 2, limit) + 1 or limit
        token = PREFIX + secrets.token_hex(4)
        self._keep(token, text[end:])
        again = ", ".join(f'{name}="{token}"' for name in tool.arguments)
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


def requested(arguments: Mapping[str, object]) -> str | None:
    """The token, if the arguments ask for a next page."""
    for value in arguments.values():
        if isinstance(value, str) and value.startswith(PREFIX) and len(value) < 40:
            return value.strip()
    return None
