"""Both transports say the same in every version of the protocol, and the SDK's client speaks to both."""

import threading
import time
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fake_backend import HANG_SECONDS, Handler, hang, litellm
from http_server import HttpServer
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from server_process import COMMAND, ServerProcess, write_config
from test_server_sdk import comparable, conversation, exercise, handshake, requests_for

HEADER_MISMATCH = -32020
METHOD_NOT_FOUND = -32601
# Over HTTP the header says which era a request is of, over stdin and stdout the first request of the
# connection does. Hence these differences, as the SDK has them: in which era, for which request, what HTTP
# answers (an error's code, or what the plain request is answered).
PLAIN = "as without it"
DIFFERENCES = (
    ("handshake", "an envelope of the other era", PLAIN),
    ("modern", "initialize", METHOD_NOT_FOUND),
    ("modern", "a name that no header can say", HEADER_MISMATCH),
    ("modern", "a version other than the header's", HEADER_MISMATCH),
)


@pytest.fixture
def backend(shared_server):
    """The LiteLLM behind the server that tests share."""
    return shared_server.new_backend()


@pytest.fixture
def server(shared_server, backend):
    """That server."""
    return shared_server.http


@asynccontextmanager
async def transport(server: HttpServer):
    """The SDK's own client transport, with the token."""
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        create_mcp_http_client(headers=headers) as http,
        streamable_http_client(f"http://127.0.0.1:{server.port}/mcp", http_client=http) as streams,
    ):
        yield streams


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_the_sdks_client_lists_and_calls_in_every_version_with_a_handshake(server, version):
    async def main() -> None:
        async with transport(server) as (reader, writer), ClientSession(reader, writer) as session:
            await handshake(session, version)
            await exercise(session)

    anyio.run(main)


@pytest.mark.parametrize("mode", ["legacy", "auto", *MODERN_PROTOCOL_VERSIONS])
def test_the_sdks_client_connects_in_every_way_it_has(server, mode):
    async def main() -> None:
        async with Client(transport(server), mode=mode) as client:
            expected = HANDSHAKE_PROTOCOL_VERSIONS[-1] if mode == "legacy" else MODERN_PROTOCOL_VERSIONS[-1]
            assert client.protocol_version == expected
            await exercise(client)

    anyio.run(main)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdks_client_sees_progress(server, backend, mode):
    told = threading.Event()

    def answer_when_told(handler: Handler) -> None:
        told.wait(HANG_SECONDS)
        handler.send_completion(stream=True)

    backend.fault = answer_when_told
    seen = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)
        told.set()

    async def main() -> None:
        async with Client(transport(server), mode=mode) as client:
            await client.call_tool("ask_local_llama", {"prompt": "x"}, progress_callback=on_progress)

    anyio.run(main)
    assert len(seen) == 1
    assert seen[0].startswith("waiting for local-llama on litellm")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdks_client_giving_up_closes_the_backends_request(server, backend, mode):
    backend.fault = hang

    async def main() -> None:
        async with Client(transport(server), mode=mode) as client:
            async with anyio.create_task_group() as calls:
                calls.start_soon(client.call_tool, "ask_local_llama", {"prompt": "x"})
                assert await anyio.to_thread.run_sync(backend.reached.wait, 20)
                calls.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(backend.disconnected.wait, 10)

    began = time.monotonic()
    anyio.run(main)
    assert time.monotonic() - began < 20


def posted(server: HttpServer, version: str, request: dict[str, Any]) -> Any:
    """The answer to one request of a conversation in `version`, sent as a client of that version does."""
    name = request.get("params", {}).get("name")
    headers: dict[str, str] = {}
    if version in KNOWN_PROTOCOL_VERSIONS and request["method"] != "initialize":
        headers["MCP-Protocol-Version"] = version
    if version in MODERN_PROTOCOL_VERSIONS:
        headers |= {"MCP-Protocol-Version": version, "Mcp-Method": request["method"]}
        headers |= {"Mcp-Name": str(name)} if name is not None else {}
    return server.request(request, headers).messages[-1]


def oddities(version: str, request: dict[str, Any]) -> set[tuple[str, str]]:
    """What is odd about a request, as the era and the words of DIFFERENCES."""
    params = request.get("params", {})
    envelope = params.get("_meta", {})
    if version not in MODERN_PROTOCOL_VERSIONS:
        return {("handshake", "an envelope of the other era")} if envelope else set()
    found = set()
    if request["method"] == "initialize":
        found.add(("modern", "initialize"))
    if not isinstance(params.get("name", ""), str):
        found.add(("modern", "a name that no header can say"))
    if envelope.get("io.modelcontextprotocol/protocolVersion", version) != version:
        found.add(("modern", "a version other than the header's"))
    return found


@pytest.mark.parametrize("version", [*KNOWN_PROTOCOL_VERSIONS, "1999-01-01"])
def test_both_transports_give_the_same_answers(server, backend, tmp_path, version):
    config = write_config(tmp_path, {"backends": [litellm(backend)]})
    requests = requests_for(version)
    over_stdio = conversation(ServerProcess([*COMMAND, "--config", str(config)]), requests)
    over_http = [posted(server, version, request) for request in requests]
    plain = next(one for one in over_stdio if "tools" in one.get("result", {}))
    seen = set()
    for request, one, other in zip(requests, over_stdio, over_http, strict=True):
        odd = oddities(version, request)
        seen |= odd
        for era, what, answered in DIFFERENCES:
            if (era, what) not in odd:
                continue
            if answered == PLAIN:
                assert comparable(other) == {**comparable(plain), "id": request["id"]}
            else:
                assert (other["id"], other["error"]["code"]) == (request["id"], answered)
        if not odd:
            assert comparable(other) == comparable(one), request
    era = "modern" if version in MODERN_PROTOCOL_VERSIONS else "handshake"
    assert seen == {(of, what) for of, what, _ in DIFFERENCES if of == era}


@pytest.mark.parametrize("version", KNOWN_PROTOCOL_VERSIONS)
def test_both_transports_describe_themselves_alike(server, backend, tmp_path, version):
    config = write_config(tmp_path, {"backends": [litellm(backend)]})
    methods = ("initialize", "server/discover", "tools/list")
    requests = [one for one in requests_for(version) if one["method"] in methods][:3]
    over_stdio = conversation(ServerProcess([*COMMAND, "--config", str(config)]), requests)
    for request, one in zip(requests, over_stdio, strict=True):
        assert posted(server, version, request) == one
