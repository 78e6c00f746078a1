"""MCP servers on the real client: what it does with a faulty one, and that doctor finds the fault."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor_setup.checks import project_key

from . import odd_mcp_server as odd
from . import tiny_mcp_server as tiny
from .claude import Claude
from .desk import Desk, desk_at, write
from .facts import ClientFacts
from .messages_api import at_once, text, tool_use

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
OURS = "local-models"


def server(name: str, *options: str, **fields: Any) -> dict[str, Any]:
    """An entry that starts tiny_mcp_server.py."""
    return {"command": sys.executable, "args": [tiny.__file__, name, *options], **fields}


def odd_server(*options: str, **fields: Any) -> dict[str, Any]:
    """An entry that starts odd_mcp_server.py, which misbehaves as it is told."""
    return {"command": sys.executable, "args": [odd.__file__, *options], **fields}


def doctor(desk: Desk, *options: str) -> list[dict[str, Any]]:
    """What doctor finds in the desk's home."""
    ran = desk.command(PROGRAM, "--json", "doctor", *options)
    assert ran.code in (0, 2), ran.output
    found = json.loads(ran.stdout)["findings"]
    return [one for one in found if one["status"] not in ("ok", "skipped")]


def about(findings: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """The findings about one server, by their ids."""
    return {one["id"]: one for one in findings if one["message"].startswith(f"mcpServers.{name}:")}


def statuses(desk: Desk, **env: str) -> dict[str, str]:
    """What `claude mcp list` says of each server."""
    lines = [line for line in desk.mcp_list(**env).splitlines() if " - " in line and ": " in line]
    return {line.partition(": ")[0]: line.partition(" - ")[2] for line in lines}


SKIPPED: Mapping[str, Any] = {
    "empty": {},
    "string": "x",
    "numeric-command": {"command": 5},
    "empty-command": {"command": ""},
    "args-string": {"command": "x", "args": "y"},
    "args-number": {"command": "x", "args": [5]},
    "env-number": {"command": "x", "env": {"A": 1}},
    "env-string": {"command": "x", "env": "A"},
    "unknown-type": {"type": "banana", "command": "x"},
    "capital-type": {"type": "HTTP", "url": "http://127.0.0.1:9"},
    "sdk": {"type": "sdk", "name": "x", "command": "x"},
    "no-type": {"url": "http://127.0.0.1:9"},
    "no-url": {"type": "http"},
    "header-number": {"type": "http", "url": "http://127.0.0.1:9", "headers": {"A": 1}},
    "timeout-string": {"command": "x", "timeout": "60"},
    "timeout-zero": {"command": "x", "timeout": 0},
    "timeout-fraction": {"command": "x", "timeout": 1.5},
    "load-string": {"command": "x", "alwaysLoad": "true"},
}
TAKEN: Mapping[str, Any] = {
    "plain": server("plain"),
    "unknown-key": server("unknown-key", noSuchKey=1),
    "timeout-small": server("timeout-small", timeout=5),
    "timeout-float": server("timeout-float", timeout=60000.0),
    "disabled-key": server("disabled-key", disabled=True),
    "streamable": {"type": "streamable-http", "url": "http://127.0.0.1:9"},
    "sse": {"type": "sse", "url": "http://127.0.0.1:9"},
}
MISBEHAVING: Mapping[str, Any] = {
    "dying": server("dying", "--die"),
    "absent": {"command": "no-such-program"},
    "noisy": odd_server("noise"),
    "old": odd_server("version=2024-01-01"),
    "future": odd_server("version=2026-07-28"),
    "refusing": odd_server("refuse"),
    "listless": odd_server("refuse-list"),
    "shapeless": odd_server("no-schema"),
    "closed": {"type": "http", "url": "http://127.0.0.1:9/mcp"},
    "no-variable": {"command": "${NO_SUCH_VARIABLE}"},
}


@pytest.fixture(scope="module")
def faulty(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home with every kind of entry."""
    with desk_at(client, tmp_path_factory.mktemp("faulty")) as desk:
        write(desk.home.client_json, {"mcpServers": {**SKIPPED, **TAKEN, **MISBEHAVING}})
        yield desk


@pytest.fixture(scope="module")
def said(faulty: Desk) -> dict[str, str]:
    """What the client says of its servers."""
    return statuses(faulty)


@pytest.fixture(scope="module")
def found(faulty: Desk) -> list[dict[str, Any]]:
    """What doctor says of them."""
    return doctor(faulty, "--check", "server")


@pytest.mark.parametrize("name", SKIPPED)
def test_a_skipped_entry_is_found(said: dict[str, str], found: list[dict[str, Any]], name: str) -> None:
    assert name not in said
    assert about(found, name)["server.entry"]["status"] == "error"


@pytest.mark.parametrize("name", TAKEN)
def test_an_entry_that_the_client_takes_is_not(
    said: dict[str, str], found: list[dict[str, Any]], name: str
) -> None:
    assert name in said
    assert "server.entry" not in about(found, name)


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("dying", "server.command", "exit code 1): the reason that nobody sees"),
        ("absent", "server.command", "'no-such-program' is not found"),
        ("closed", "server.command", "nothing answers at http://127.0.0.1:9"),
        ("no-variable", "server.env", "NO_SUCH_VARIABLE: not set here"),
        ("old", "server.handshake", "protocol version 2024-01-01"),
        ("future", "server.handshake", "protocol version 2026-07-28"),
        ("refusing", "server.handshake", "no licence"),
        ("listless", "server.handshake", "answers `tools/list` with an error"),
        ("shapeless", "server.handshake", "no `inputSchema`"),
    ],
)
def test_what_the_client_cannot_use_doctor_explains(
    said: dict[str, str], found: list[dict[str, Any]], name: str, check: str, words: str
) -> None:
    assert "Failed to connect" in said[name] or "tools fetch failed" in said[name]
    assert "the reason that nobody sees" not in said[name]
    assert words in about(found, name)[check]["message"]
    assert about(found, name)[check]["status"] == "error"


def test_noise_does_not_keep_the_client_from_connecting(
    said: dict[str, str], found: list[dict[str, Any]]
) -> None:
    assert said["noisy"].endswith("Connected")
    assert about(found, "noisy")["server.command"]["status"] == "info"


def test_healthy_servers_have_no_finding(said: dict[str, str], found: list[dict[str, Any]]) -> None:
    for name in ("plain", "unknown-key", "timeout-float", "disabled-key"):
        assert said[name].endswith("Connected")
        # tiny_mcp_server.py has a tool with a description that is longer than any client passes on.
        assert set(about(found, name)) == {"server.description-length"}


def used(desk: Desk, name: str) -> str:
    """Which of several entries of a name the client uses: the word that its command line ends with."""
    (line,) = [line for line in desk.mcp_list().splitlines() if line.startswith(f"{name}: ")]
    return line.partition(" - ")[0].split()[-1]


def in_every_scope(desk: Desk, state: Mapping[str, Any], *project_names: str) -> None:
    """An entry `same` of the user's, of the project's, and of the folder's where `state` has it."""
    users = {"same": server("user")}
    write(desk.home.client_json, {"mcpServers": users, "projects": {str(desk.home.project): state}})
    names = ("same", *project_names)
    write(desk.home.project / ".mcp.json", {"mcpServers": {name: server("project") for name in names}})


def test_the_strongest_scope_wins_and_doctor_names_the_losers(desk: Desk) -> None:
    write(desk.home.settings, {"enableAllProjectMcpServers": True})
    in_every_scope(desk, {"mcpServers": {"same": server("local")}})
    assert used(desk, "same") == "local"
    found = doctor(desk, "--check", "server.shadowed")
    losers = {str(desk.home.client_json), str(desk.home.project / ".mcp.json")}
    assert {one["path"] for one in found} == losers
    assert all("(local scope), which wins" in one["message"] for one in found)
    in_every_scope(desk, {})
    assert used(desk, "same") == "project"
    (one,) = doctor(desk, "--check", "server.shadowed")
    assert one["path"] == str(desk.home.client_json)


def test_a_waiting_server_is_not_started_and_hides_no_other(desk: Desk) -> None:
    in_every_scope(desk, {}, "waiting")
    assert used(desk, "same") == "user"
    assert "Pending approval" in statuses(desk)["waiting"]
    found = doctor(desk, "--check", "server.shadowed")
    assert [one["status"] for one in found] == ["info", "info"]
    assert all("waits for your approval" in one["message"] for one in found)


def test_print_mode_starts_a_waiting_server(desk: Desk) -> None:
    in_every_scope(desk, {}, "waiting")
    desk.api.script("main", [text("done")])
    servers = {one["name"]: one["status"] for one in desk.ask().init["mcp_servers"]}
    assert servers["waiting"] in ("connected", "pending")


@pytest.mark.parametrize(
    ("case", "trusted", "approved"),
    [("user", False, True), ("project", False, False), ("project", True, True), ("local", True, True)],
)
def test_approval_counts_where_doctor_says_so(desk: Desk, case: str, trusted: bool, approved: bool) -> None:
    subprocess.run(["git", "init", "-q", str(desk.home.project)], check=True)
    in_every_scope(desk, {"hasTrustDialogAccepted": trusted}, "waiting")
    place = {
        "user": desk.home.settings,
        "project": desk.home.project / ".claude" / "settings.json",
        "local": desk.home.project / ".claude" / "settings.local.json",
    }[case]
    write(place, {"enabledMcpjsonServers": ["waiting"]})
    said = statuses(desk)["waiting"]
    assert ("Connected" in said, "Pending approval" in said) == (approved, not approved)
    waiting = about(doctor(desk, "--check", "server.shadowed"), "waiting")
    assert bool(waiting) == (not approved)


def words(listing: str, status: str) -> set[str]:
    """The last words of the command lines of servers with this status."""
    return {line.partition(" - ")[0].split()[-1] for line in listing.splitlines() if status in line}


def test_servers_of_every_folder_above_are_read(desk: Desk) -> None:
    inner = desk.home.project / "inner"
    write(inner / ".mcp.json", {"mcpServers": {"x": server("near")}})
    write(desk.home.project / ".mcp.json", {"mcpServers": {"x": server("far"), "y": server("far-too")}})
    assert words(desk.mcp_list(cwd=inner), "Pending approval") == {"near", "far-too"}


def test_a_linked_work_tree_has_the_servers_of_the_main_one(desk: Desk) -> None:
    main, linked = desk.home.project, desk.home.root / "linked"
    who = ("-c", "user.email=a@example.com", "-c", "user.name=a")
    for command in (
        ("init", "-q"),
        ("commit", "-q", "--allow-empty", "-m", "x"),
        ("worktree", "add", "-q", str(linked)),
    ):
        subprocess.run(["git", *who, "-C", str(main), *command], check=True)
    state = {str(place): {"mcpServers": {"x": server(place.name)}} for place in (main, linked)}
    write(desk.home.client_json, {"projects": state})
    assert words(desk.mcp_list(cwd=linked), "Connected") == {main.name}
    assert project_key.of(linked) == main


ALLOWED = {"a": "mcp__a", "b": "mcp__b__*", "c c": "mcp__c_c", "d": "mcp__d__plain", "e": "mcp__e__pl*"}
NOT_ALLOWED = {"f": "mcp__*", "g": "*", "h": "mcp__h*", "i": "mcp__i()", "j j": "mcp__j j", "k": "mcp__k__"}
DENIED = {"l": "mcp__l", "m": "mcp__m__*"}
ASKED = {"n": "mcp__n", "o": "mcp__o__plain"}


def calls(desk: Desk, case: str, *servers: str, **env: str) -> dict[str, str]:
    """What the model reads when it calls the tool of each server in turn."""
    tools = [tool_use(f"mcp__{name.replace(' ', '_')}__plain") for name in servers]
    desk.api.script(case, [*tools, text("done")])
    desk.ask(case, **env)
    return dict(zip(servers, desk.api.last(case).tool_results, strict=True))


def test_only_some_rules_let_a_tool_through(desk: Desk) -> None:
    both = [*DENIED, *ASKED]
    names = [*ALLOWED, *NOT_ALLOWED, *both]
    write(desk.home.client_json, {"mcpServers": {name: odd_server() for name in names}})
    allow = [*ALLOWED.values(), *NOT_ALLOWED.values(), *(f"mcp__{name}" for name in both)]
    rules = {"allow": allow, "deny": [*DENIED.values()], "ask": [*ASKED.values()]}
    write(desk.home.settings, {"permissions": rules})
    said = calls(desk, "main", *names)
    assert [name for name in names if said[name] == "x"] == [*ALLOWED]
    assert all("haven't granted it" in said[name] for name in (*NOT_ALLOWED, *ASKED))
    assert all("No such tool available" in said[name] for name in DENIED)


@pytest.mark.parametrize("rule", ["mcp__*", "*"])
def test_a_pattern_may_deny_everything(desk: Desk, rule: str) -> None:
    write(desk.home.client_json, {"mcpServers": {"x": odd_server()}})
    write(desk.home.settings, {"permissions": {"allow": ["mcp__x"], "deny": [rule]}})
    assert "No such tool available" in calls(desk, "main", "x")["x"]


def test_time_limits_count_in_milliseconds(desk: Desk) -> None:
    slow = odd_server("start=0.4", "sleep=1.3")
    limits = {"own": {**slow, "timeout": 1200}, "ignored": {**slow, "timeout": 999}, "none": slow}
    write(desk.home.client_json, {"mcpServers": limits})
    write(desk.home.settings, {"permissions": {"allow": [f"mcp__{name}" for name in limits]}})
    all_of_them = at_once(*(tool_use(f"mcp__{name}__plain") for name in limits))
    for limit, cut in (("abc", ["own"]), ("60s", ["ignored", "none", "own"])):
        desk.api.script(limit, [all_of_them, text("done")])
        desk.ask(limit, MCP_TOOL_TIMEOUT=limit)
        said = "\n".join(desk.api.last(limit).tool_results)
        assert sorted(re.findall(r'server "(\w+)" tool "plain" timed out after 1s', said)) == cut
    assert "Failed to connect" in statuses(desk, MCP_TIMEOUT="30s")["none"]


def test_an_output_limit_counts_about_four_characters_a_token(desk: Desk) -> None:
    sizes = {"short": odd_server("size=18000"), "long": odd_server("size=50100")}
    write(desk.home.client_json, {"mcpServers": sizes})
    write(desk.home.settings, {"permissions": {"allow": ["mcp__short", "mcp__long"]}})
    said = calls(desk, "enough", *sizes, MAX_MCP_OUTPUT_TOKENS="5000")
    assert len(said["short"]) == 18_000
    assert "exceeds maximum allowed tokens" in said["long"]
    said = calls(desk, "little", *sizes, MAX_MCP_OUTPUT_TOKENS="25k")
    assert "exceeds maximum allowed tokens" in said["short"]
    said = calls(desk, "by default", *sizes)
    assert len(said["short"]) == 18_000
    assert "Full output saved" in said["long"]


def test_references_are_expanded_as_doctor_thinks(desk: Desk) -> None:
    env = {"TINY_SET": "${EMPTY:-d}|${MINE}", "TINY_UNSET": "${NO:-a:-b}|$HOME|${ MINE}|${SHARED:-no}|${NO}"}
    write(desk.home.client_json, {"mcpServers": {"my server": server("x", env=env)}})
    write(desk.home.project / ".claude" / "settings.json", {"env": {"SHARED": "yes"}})
    write(desk.home.settings, {"env": {"MINE": "mine"}, "permissions": {"allow": ["mcp__my_server"]}})
    desk.api.script("main", [tool_use("mcp__my_server__surroundings"), text("done")])
    desk.ask(EMPTY="")
    seen = json.loads(desk.api.last("main").tool_results[-1])
    assert seen["set"] == "|mine"
    assert seen["unset"] == "a:-b|$HOME|${ MINE}|no|${NO}"


@pytest.fixture(scope="module")
def installed(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home into which the product was installed."""
    with desk_at(client, tmp_path_factory.mktemp("installed")) as desk:
        assert desk.command(PROGRAM, "install", "--yes").code == 0
        yield desk


def test_a_healthy_installation_has_no_finding(installed: Desk) -> None:
    assert doctor(installed, "--check", "server") == []


def test_a_deferred_server_is_found_where_this_client_defers(installed: Desk, facts: ClientFacts) -> None:
    before = installed.home.client_json.read_bytes()
    state = json.loads(before)
    del state["mcpServers"][OURS]["alwaysLoad"]
    write(installed.home.client_json, state)
    try:
        installed.api.script("deferred", [text("done")])
        installed.ask("deferred")
        missing = f"mcp__{OURS}__ask_local_llama" not in installed.api.first("deferred").tools
        assert missing == facts.tool_search_by_default
        installed.home.env["ANTHROPIC_BASE_URL"] = installed.api.url
        assert bool(doctor(installed, "--check", "server.deferred")) == missing
    finally:
        installed.home.env.pop("ANTHROPIC_BASE_URL", None)
        write(installed.home.client_json, before)
