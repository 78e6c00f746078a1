"""The real client with a server that runs elsewhere: registered by its address, asked, and refused."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import HttpServer
from server_process import write_config

from .claude import Claude
from .desk import Desk, desk_at
from .facts import ClientFacts
from .messages_api import text, tool_use
from .stack import CAPITAL_QUESTION, Stack

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
ASK = "mcp__local-models__ask_local_llama"


@pytest.fixture(scope="module")
def server(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """The server on the machine with the models; the key for LiteLLM is there and nowhere else."""
    folder = tmp_path_factory.mktemp("gpu-host")
    key = folder / "key"
    key.write_text(stack.key, encoding="utf-8")
    key.chmod(0o600)
    backend = {"name": "litellm", "kind": "litellm", "url": stack.litellm_url, "api_key": {"file": str(key)}}
    config = write_config(folder, {"backends": [backend]})
    running = HttpServer(folder / "served", "--config", str(config))
    yield running
    code, _ = running.end()
    assert (code, len(running.said)) == (0, 1), running.said


@pytest.fixture(scope="module")
def installed(client: Claude, server: HttpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home whose client was told of that server."""
    with desk_at(client, tmp_path_factory.mktemp("client")) as desk:
        url = f"http://127.0.0.1:{server.port}"
        ran = desk.command(PROGRAM, "install", "--yes", "--server-url", url)
        assert ran.code == 0, ran.output
        assert "SUPERVISOR_MCP_TOKEN, which is not set here" in ran.output
        desk.home.env["SUPERVISOR_MCP_TOKEN"] = server.token
        yield desk


def line_of(listing: str) -> str:
    """What `claude mcp list` says of our server."""
    return next(line for line in listing.splitlines() if line.startswith("local-models"))


def test_claude_mcp_list_shows_the_server_connected(installed: Desk) -> None:
    assert "Connected" in line_of(installed.mcp_list())


def test_a_question_is_answered_by_the_real_model_in_plain_text(installed: Desk) -> None:
    installed.api.script("asking", [tool_use(ASK, prompt=CAPITAL_QUESTION), text("asked")])
    assert installed.ask("asking", ENABLE_TOOL_SEARCH="true").answer == "asked"
    request = installed.api.last("asking")
    assert request.tool_errors == [False]
    assert "Paris" in request.tool_results[0]
    assert not request.tool_results[0].lstrip().startswith("{")


def test_the_tools_stand_with_their_descriptions_in_the_first_request(installed: Desk) -> None:
    installed.api.script("looking", [text("seen")])
    installed.ask("looking", ENABLE_TOOL_SEARCH="true")
    assert len(installed.api.first("looking").tools[ASK]["description"]) > 80


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("not-the-token-of-this-server", "this is not the token of this server"),
        ("", "a token is needed"),
    ],
)
def test_a_wrong_token_and_a_missing_one_are_seen_as_what_they_are(
    installed: Desk, facts: ClientFacts, token: str, said: str
) -> None:
    line = line_of(installed.mcp_list(SUPERVISOR_MCP_TOKEN=token))
    assert "Failed to connect" in line
    assert ("HTTP 401" in line and said in line) == facts.failed_server_says_why


def test_the_token_is_in_no_file_of_the_home(installed: Desk, server: HttpServer) -> None:
    installed.mcp_list()
    files = [path for path in installed.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 10
    assert not [path for path in files if server.token.encode() in path.read_bytes()]


def test_the_entry_goes_with_uninstall(desk: Desk, server: HttpServer) -> None:
    url = f"http://127.0.0.1:{server.port}"
    assert desk.command(PROGRAM, "install", "--yes", "--server-url", url).code == 0
    desk.home.env["SUPERVISOR_MCP_TOKEN"] = server.token
    assert "local-models" in desk.mcp_list()
    assert desk.command(PROGRAM, "uninstall", "--yes").code == 0
    assert "local-models" not in desk.mcp_list()
