"""The official SDK as judge: its client drives our server, and its server is the measure of our answers."""

import threading
import time
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from fake_backend import HANG_SECONDS, Handler, hang, litellm
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from sdk_reference import Reference
from server_process import COMMAND, MODERN_META, ServerProcess, initialize_params, write_config

from supervisor_mcp import protocol

COMPLETION = {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}


@pytest.fixture
def parameters(tmp_path, backend) -> StdioServerParameters:
    config = write_config(tmp_path, {"backends": [litellm(backend, local=True)]})
    (tmp_path / "work" / "notes.txt").write_text("Paris.\n")  # where the server is started
    return StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "--config", str(config)])


CALLS: dict[str, dict[str, Any]] = {
    "ask_local_llama": {"prompt": "What is the capital of France?"},
    "ask_coding_model": {"code": "x", "question": "What is the capital of France?"},
    "summarize_files": {"paths": ["notes.txt"], "words": 50},
    "ask_about_files": {"paths": ["notes.txt"], "question": "What is the capital of France?"},
    "classify": {"items": ["Paris"], "labels": ["The capital of France is Paris", "other"]},
    "extract": {"paths": ["notes.txt"], "schema": {"type": "object"}},
    "list_available_local_models": {},
}


async def handshake(session: ClientSession, version: str) -> None:
    """Say hello in `version`, which must be agreed on."""
    request = types.InitializeRequest(
        params=types.InitializeRequestParams(
            protocol_version=version,
            capabilities=types.ClientCapabilities(),
            client_info=types.Implementation(name="test", version="1"),
        )
    )
    result = await session.send_request(request, types.InitializeResult)
    assert result.protocol_version == version
    session.adopt(result)
    await session.send_notification(types.InitializedNotification())


@asynccontextmanager
async def session_at(parameters: StdioServerParameters, version: str):
    """A session of the SDK's client that asked for `version` in its handshake."""
    async with stdio_client(parameters) as (reader, writer), ClientSession(reader, writer) as session:
        await handshake(session, version)
        yield session


async def exercise(session: Any) -> None:
    """List the tools and call each; the SDK's client validates every answer against its version's schema."""
    tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == list(CALLS)
    for tool in tools:
        result = await session.call_tool(tool.name, CALLS[tool.name])
        assert result.is_error is (tool.name == "extract")  # the fake model always says the same, never JSON
        assert result.structured_content is None
        assert isinstance(result.content[0], types.TextContent)
    assert (await session.call_tool("ask_local_llama", {})).is_error


def test_our_versions_are_the_ones_that_the_sdk_knows():
    assert protocol.HANDSHAKE_VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS
    assert protocol.MODERN_VERSIONS == MODERN_PROTOCOL_VERSIONS


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_the_sdks_client_lists_and_calls_in_every_version_with_a_handshake(parameters, version):
    async def main() -> None:
        async with session_at(parameters, version) as session:
            await exercise(session)
            await session.send_request(types.PingRequest(), types.EmptyResult)

    anyio.run(main)


@pytest.mark.parametrize("mode", ["legacy", "auto", *MODERN_PROTOCOL_VERSIONS])
def test_the_sdks_client_connects_in_every_way_it_has(parameters, mode):
    async def main() -> None:
        async with Client(stdio_client(parameters), mode=mode) as client:
            expected = HANDSHAKE_PROTOCOL_VERSIONS[-1] if mode == "legacy" else MODERN_PROTOCOL_VERSIONS[-1]
            assert client.protocol_version == expected
            if mode != MODERN_PROTOCOL_VERSIONS[-1]:  # a pinned client asks for no description
                assert client.server_info.name == "supervisor-mcp"
                assert client.instructions.startswith("These tools hand work")
            await exercise(client)

    anyio.run(main)


def test_the_sdks_client_sees_progress(parameters, backend):
    told = threading.Event()

    def answer_when_told(handler: Handler) -> None:
        told.wait(HANG_SECONDS)
        handler.send_completion(stream=True)

    backend.fault = answer_when_told
    seen = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))
        told.set()

    async def main() -> None:
        async with Client(stdio_client(parameters)) as client:
            await client.call_tool("ask_local_llama", {"prompt": "x"}, progress_callback=on_progress)

    anyio.run(main)
    assert [message for _, _, message in seen] == [
        "waiting for local-llama on litellm (loading or reading the prompt), 3 s"
    ]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdks_client_giving_up_closes_the_backends_request_and_ends_in_time(parameters, backend, mode):
    backend.fault = hang

    async def main() -> None:
        async with Client(stdio_client(parameters), mode=mode) as client:
            async with anyio.create_task_group() as calls:
                calls.start_soon(client.call_tool, "ask_local_llama", {"prompt": "x"})
                assert await anyio.to_thread.run_sync(backend.reached.wait, 20)
                calls.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(backend.disconnected.wait, 3)

    began = time.monotonic()
    anyio.run(main)
    assert time.monotonic() - began < 6


def requests_for(version: str) -> list[dict[str, Any]]:
    """A conversation with right and wrong requests, each with an id of its own."""
    modern = version in MODERN_PROTOCOL_VERSIONS
    other_era = {} if modern else {"_meta": MODERN_META}
    opening = (
        [("server/discover", {})] if modern else [("ping", {}), ("initialize", initialize_params(version))]
    )
    plain = [
        *opening,
        ("tools/list", {}),
        ("tools/list", None),
        ("tools/list", {"cursor": "x"}),
        (
            "tools/call",
            {"name": "ask_local_llama", "arguments": {"prompt": "What is the capital of France?"}},
        ),
        ("tools/call", {"name": "nope", "arguments": {}}),
        ("tools/call", {"arguments": {}}),
        ("tools/call", {"name": 5}),
        ("tools/call", {"name": "ask_local_llama", "arguments": [1]}),
        ("ping", {}),
        ("nope", {}),
        ("resources/list", {}),
        ("prompts/list", {}),
        ("logging/setLevel", {"level": "info"}),
        ("completion/complete", COMPLETION),
        ("subscriptions/listen", {"notifications": {}}),
        ("initialize", initialize_params(version)),
        ("initialize", {}),
        ("server/discover", {}),
    ]
    enveloped = [
        (method, {**(params or {}), "_meta": MODERN_META} if modern else params) for method, params in plain
    ]
    unsupported = {**MODERN_META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    incomplete = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    odd = [
        ("tools/list", other_era),
        ("tools/list", {"_meta": unsupported}),
        ("tools/list", {"_meta": incomplete}),
    ]
    return [
        {
            "jsonrpc": "2.0",
            "id": f"{number}",
            "method": method,
            **({} if params is None else {"params": params}),
        }
        for number, (method, params) in enumerate([*enveloped, *odd])
    ]


def conversation(server: ServerProcess | Reference, requests: list[dict[str, Any]]) -> list[Any]:
    """The server's answers to the requests, one after the other; it ends."""
    try:
        answers = []
        for request in requests:
            server.send(request)
            answers.append(server.receive())
        return answers
    finally:
        server.end()


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what may differ: who the server is, the wording of errors, what follows an answer."""
    if "error" in answer:
        error = {"code": answer["error"]["code"]}
        if error["code"] in (-32601, -32022):
            error["data"] = answer["error"]["data"]
        return {**answer, "error": error}
    own = ("serverInfo", "instructions", "_meta")
    result = {key: "…" if key in own else value for key, value in answer["result"].items()}
    if "content" in result:
        result["content"] = [{**part, "text": part["text"].partition("\n")[0]} for part in result["content"]]
    return {**answer, "result": result}


@pytest.mark.parametrize("version", [*KNOWN_PROTOCOL_VERSIONS, "1999-01-01"])
def test_every_answer_is_the_sdks_servers_but_for_wording(parameters, version):
    """Known differences are left out of the conversation. The SDK keeps silent about lines that are no valid
    message, and has no batches (test_server_protocol.py has our answers). It refuses an initialize whose
    clientInfo has no name. It checks the parameters of methods that it knows even when nothing serves them.
    """
    requests = requests_for(version)
    answers = conversation(ServerProcess([parameters.command, *parameters.args]), requests)
    tools = answers[2]["result"]["tools"]
    reference = conversation(Reference(tools), requests)
    assert [comparable(answer) for answer in answers] == [comparable(answer) for answer in reference]
