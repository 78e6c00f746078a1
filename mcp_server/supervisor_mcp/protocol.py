"""What MCP says on the wire: versions, envelopes, errors, results. Pure: messages in, messages out.

A connection has one of two eras, settled by its first request. The handshake era (to 2025-11-25) opens with
`initialize` and keeps the version. The modern era (2026-07-28) has no handshake: `server/discover` describes
the server, every request carries the version and the client's capabilities in `_meta`, and every result
says that it is complete. The official SDK's server behaves so; a differential test holds this one against it.
"""

from collections.abc import Mapping

from supervisor_mcp import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
BATCH_VERSIONS = ("2025-03-26",)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNSUPPORTED_VERSION = -32022

_META = "io.modelcontextprotocol/"
VERSION_KEY = _META + "protocolVersion"
CAPABILITIES_KEY = _META + "clientCapabilities"
SERVER_INFO_KEY = _META + "serverInfo"

SERVER_INFO = {"name": "supervisor-mcp", "title": "Local models", "version": __version__}
CAPABILITIES = {"tools": {"listChanged": False}}


class ProtocolError(Exception):
    """An answer that is a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error: dict[str, Any] = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


def is_request_id(value: object) -> bool:
    """Whether `value` can identify a request: MCP allows strings and whole numbers, not null."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def check_message(message: object) -> "dict[str, Any]":
    """The message, if it is a JSON-RPC request, notification or response.

    Raises:
        ProtocolError: It is none of them.
    """
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, 'Invalid request: not an object with "jsonrpc": "2.0"')
    if "method" not in message and ("result" in message or "error" in message):
        return message
    if not isinstance(message.get("method"), str):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: `method` must be a string")
    if "id" in message and not is_request_id(message["id"]):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: `id` must be a string or a whole number")
    if not isinstance(message.get("params", {}), dict):
        raise ProtocolError(INVALID_PARAMS, "Invalid params: `params` must be an object")
    return message


def meta(params: "Mapping[str, Any]") -> "Mapping[str, Any]":
    """The request's `_meta`, empty when there is none that can be read."""
    value = params.get("_meta")
    return value if isinstance(value, dict) else {}


def progress_token(params: "Mapping[str, Any]") -> object:
    """The token under which the client wants progress, or None."""
    token = meta(params).get("progressToken")
    return token if is_request_id(token) else None


def opens_modern_era(method: str, params: "Mapping[str, Any]") -> bool:
    """Whether a connection's first request makes it a modern one."""
    return method != "initialize" and VERSION_KEY in meta(params)


def negotiated_version(params: "Mapping[str, Any]") -> str:
    """The version that `initialize` settles: the client's if it is known, else the newest with a handshake.

    Raises:
        ProtocolError: The parameters are not those of `initialize`.
    """
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str) or not all(
        isinstance(params.get(key), dict) for key in ("capabilities", "clientInfo")
    ):
        needed = "`protocolVersion`, `capabilities` and `clientInfo`"
        raise ProtocolError(INVALID_PARAMS, f"Invalid params: initialize needs {needed}")
    return wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]


def check_modern_envelope(method: str, params: "Mapping[str, Any]") -> None:
    """Let a modern request pass that names a version served here and its client's capabilities.

    Raises:
        ProtocolError: It does not, or it is the handshake that the modern era has not.
    """
    if method == "initialize":
        wanted = params.get("protocolVersion")
        data = {
            "supported": list(MODERN_VERSIONS),
            **({"requested": wanted} if isinstance(wanted, str) else {}),
        }
        raise ProtocolError(UNSUPPORTED_VERSION, "This connection is modern: there is no initialize", data)
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta(params)]
    if missing:
        raise ProtocolError(INVALID_PARAMS, f"Invalid params: `_meta` lacks {', '.join(missing)}")
    version = meta(params)[VERSION_KEY]
    if not isinstance(version, str):
        raise ProtocolError(INVALID_PARAMS, "Invalid params: the protocol version must be a string")
    if version not in MODERN_VERSIONS:
        data = {"supported": list(MODERN_VERSIONS), "requested": version}
        raise ProtocolError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def initialize_result(version: str, instructions: str) -> "dict[str, Any]":
    """The answer to `initialize`."""
    return {
        "protocolVersion": version,
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER_INFO,
        "instructions": instructions,
    }


def discover_result(instructions: str) -> "dict[str, Any]":
    """The answer to `server/discover`."""
    return {
        "supportedVersions": list(MODERN_VERSIONS),
        "capabilities": CAPABILITIES,
        "instructions": instructions,
        **_NOT_CACHED,
    }


def tools_result(tools: "list[dict[str, Any]]", *, modern: bool) -> "dict[str, Any]":
    """The answer to `tools/list`."""
    return {"tools": tools, **(_NOT_CACHED if modern else {})}


def text_result(text: str, *, is_error: bool) -> "dict[str, Any]":
    """The answer to `tools/call`: plain text, which the model reads as it is."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def completed(result: "dict[str, Any]") -> "dict[str, Any]":
    """A result as the modern era wants it."""
    return {**result, "resultType": "complete", "_meta": {SERVER_INFO_KEY: SERVER_INFO}}


# The tools change with config.yaml, between two starts, so nothing may be kept.
_NOT_CACHED = {"ttlMs": 0, "cacheScope": "private"}
