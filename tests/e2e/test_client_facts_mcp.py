"""What the product takes for granted about Claude Code and MCP servers, held against the real client."""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from . import tiny_mcp_server as tiny
from .claude import Claude
from .desk import Desk, desk_at, write
from .facts import ClientFacts
from .messages_api import Turn, at_once, text, tool_use
from .wire import MessagesRequest

pytestmark = pytest.mark.e2e

LAZY_DESCRIPTION = "Description of plain on lazy."


def server(name: str, *options: str, **fields: Any) -> dict[str, Any]:
    """A server's entry that starts tiny_mcp_server.py."""
    return {"type": "stdio", "command": sys.executable, "args": [tiny.__file__, name, *options], **fields}


def call(tool: str, on: str = "eager") -> Turn:
    """The model calls `tool` of the server `on`."""
    return tool_use(f"mcp__{on}__{tool}")


@pytest.fixture(scope="module")
def listing(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`claude mcp list` with servers of every kind."""
    users = {
        "good": server("good"),
        "needs": server("needs", env={"TINY_UNSET": "${NO_SUCH_VARIABLE}"}),
        "defaulted": server("defaulted", env={"TINY_UNSET": "${OTHER_VARIABLE:-}"}),
        "dying": server("dying", "--die"),
        "absent": {"type": "stdio", "command": "no-such-program"},
    }
    with desk_at(client, tmp_path_factory.mktemp("listing")) as desk:
        write(desk.home.client_json, {"mcpServers": users})
        write(desk.home.project / ".mcp.json", {"mcpServers": {"projects": server("projects")}})
        yield desk.mcp_list()


def line_of(listing: str, name: str) -> str:
    """The line that `claude mcp list` gives to one server."""
    (line,) = [line for line in listing.splitlines() if line.startswith(f"{name}: ")]
    return line


def test_servers_in_settings_json_are_ignored(desk: Desk) -> None:
    write(desk.home.settings, {"mcpServers": {"unseen": server("unseen")}})
    listing = desk.mcp_list()
    assert "No MCP servers configured" in listing
    assert "unseen" not in listing


def test_servers_in_the_clients_own_file_are_started(listing: str) -> None:
    assert line_of(listing, "good").endswith("Connected")


def test_a_project_server_waits_for_approval(listing: str) -> None:
    assert "Pending approval" in line_of(listing, "projects")


def test_an_unset_variable_warns(listing: str) -> None:
    assert "[needs] mcpServers.needs: Missing environment variables: NO_SUCH_VARIABLE" in listing


def test_an_unset_variable_with_an_empty_default_does_not_warn(listing: str) -> None:
    assert "OTHER_VARIABLE" not in listing
    assert line_of(listing, "defaulted").endswith("Connected")


@pytest.mark.parametrize("name", ["dying", "absent"])
def test_a_server_that_does_not_start_hides_its_own_words(
    listing: str, facts: ClientFacts, name: str
) -> None:
    status = line_of(listing, name).partition("Failed to connect")
    assert status[1]
    assert bool(status[2]) == facts.failed_server_says_why
    assert "the reason that nobody sees" not in listing


def test_the_config_dir_variable_moves_the_servers(desk: Desk) -> None:
    moved = desk.home.root / "moved"
    write(moved / ".claude.json", {"mcpServers": {"there": server("there")}})
    write(desk.home.client_json, {"mcpServers": {"here": server("here")}})
    listing = desk.mcp_list(CLAUDE_CONFIG_DIR=str(moved))
    assert line_of(listing, "there").endswith("Connected")
    assert "here: " not in listing.replace("there: ", "")


_CALLS: dict[str, Turn] = {
    "plain": call("plain"),
    "structured": call("structured"),
    "big": call("big"),
    "surroundings": call("surroundings"),
    "unallowed": call("plain", on="lazy"),
}


def two_servers(desk: Desk) -> None:
    """An always loaded server whose tools are allowed, and one with neither."""
    env = {"TINY_SET": "${NO_SUCH_VARIABLE:-}", "TINY_UNSET": "${NO_SUCH_VARIABLE:-the default}"}
    eager, lazy = server("eager", alwaysLoad=True, env=env), server("lazy")
    write(desk.home.client_json, {"mcpServers": {"eager": eager, "lazy": lazy}})
    write(desk.home.settings, {"permissions": {"allow": ["mcp__eager"]}})


@pytest.fixture(scope="module")
def searching(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A run with tool search on that makes every call of `_CALLS`, then pairs of naps."""
    naps = [at_once(call(tool), call(tool)) for tool in ("nap_reading", "nap_writing")]
    with desk_at(client, tmp_path_factory.mktemp("searching")) as desk:
        two_servers(desk)
        desk.api.script("main", [*_CALLS.values(), *naps, text("done")])
        assert desk.ask("main", ENABLE_TOOL_SEARCH="true").answer == "done"
        yield desk


@pytest.fixture(scope="module")
def first(searching: Desk) -> MessagesRequest:
    """The first request of that run."""
    return searching.api.first("main")


@pytest.fixture(scope="module")
def results(searching: Desk) -> list[str]:
    """What the calls of that run gave back, in order."""
    return searching.api.last("main").tool_results


def result_of(results: list[str], name: str) -> str:
    """What the call `name` of `_CALLS` gave back."""
    return results[list(_CALLS).index(name)]


def test_always_load_puts_descriptions_into_the_first_request(first: MessagesRequest) -> None:
    assert first.tools["mcp__eager__plain"]["description"] == "Description of plain on eager."


def test_without_always_load_no_description_is_in_the_first_request(first: MessagesRequest) -> None:
    assert not any(name.startswith("mcp__lazy__") for name in first.tools)
    assert LAZY_DESCRIPTION not in first.words


def test_without_always_load_the_first_request_names_tools_or_not_by_version(
    first: MessagesRequest, facts: ClientFacts
) -> None:
    assert ("mcp__lazy__plain" in first.words) == facts.deferred_tools_are_named


def test_tool_search_is_on_or_off_by_version(desk: Desk, facts: ClientFacts) -> None:
    two_servers(desk)
    desk.api.script("main", [call("plain"), text("done")])
    desk.ask("main")
    deferred = "mcp__lazy__plain" not in desk.api.last("main").tools
    assert deferred == facts.tool_search_by_default


def test_the_instructions_of_a_server_reach_the_model(first: MessagesRequest) -> None:
    assert "Instructions of eager." in first.words


def test_long_descriptions_and_instructions_are_cut_at_the_versions_limit(
    first: MessagesRequest, facts: ClientFacts
) -> None:
    description = first.tools["mcp__eager__long"]["description"]
    assert description == "d" * facts.text_limit + "… [truncated]"
    assert f"{tiny.LONG_INSTRUCTIONS[: facts.text_limit]}… [truncated]" in first.words


def test_plain_text_is_read_as_it_is(results: list[str]) -> None:
    assert result_of(results, "plain") == tiny.LINES


def test_structured_content_replaces_the_text_by_escaped_json(results: list[str]) -> None:
    assert result_of(results, "structured") == json.dumps({"result": tiny.LINES}, separators=(",", ":"))


def test_a_big_result_is_replaced_by_the_name_of_a_file(results: list[str]) -> None:
    said = result_of(results, "big")
    assert len(said) < 2000
    assert "exceeds maximum allowed tokens. Output has been saved to " in said


def test_a_call_needs_a_permission_rule(searching: Desk, results: list[str]) -> None:
    assert "haven't granted it yet" in result_of(results, "unallowed")
    errors = searching.api.last("main").tool_errors[: len(_CALLS)]
    assert errors == [name == "unallowed" for name in _CALLS]


def test_a_server_sees_the_project_and_the_clients_environment(searching: Desk, results: list[str]) -> None:
    project = str(searching.home.project)
    assert json.loads(result_of(results, "surroundings")) == {
        "cwd": project,
        "project": project,
        "key": "dummy-key",
        "set": "",
        "unset": "the default",
    }


def test_calls_run_side_by_side_only_with_the_read_only_hint(results: list[str]) -> None:
    naps = [json.loads(result) for result in results[len(_CALLS) :]]
    reading, writing = naps[:2], naps[2:]
    assert overlap(reading)
    assert not overlap(writing)


def overlap(naps: list[list[float]]) -> bool:
    """Whether a nap began before the one before it had ended."""
    return any(later[0] < earlier[1] for earlier, later in pairwise(sorted(naps)))
