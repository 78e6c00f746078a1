"""Faults in agent files: what the real client does with each, and that doctor finds it in that very home.

All faulty agents stand in one home and are delegated to at once (the newer client refuses more than twenty).
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .claude import Claude, Transcript, run_tied
from .desk import Desk, desk_at, write
from .facts import AGENT_WITH_BOM, DROPPED_AGENT_FILES, ClientFacts, agent_file
from .messages_api import TurnMaker, at_once, delegate, planted, text, tool_use

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
LONG = "Use it for " + "y" * 2_000
WRONG_MODEL = "There's an issue with the selected model"


def agent(name: str, *fields: str, says: str = "You help.") -> bytes:
    """An agent file with a name, a description and these fields."""
    return agent_file(f"name: {name}", "description: Use it when asked.", *fields, body=f"{says}\n").encode()


# Agents at work: id of the finding, status, and the fields that are at fault.
WORKING: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "cut": ("agents.parse", "error", ("color: a---b", "model: haiku", "tools: Read")),
    "mistyped": ("agents.unknown-key", "error", ("modle: haiku", "tools: Read")),
    "allowed": ("agents.unknown-key", "warning", ("allowed-tools: Read",)),
    "foreign": ("agents.model", "error", ("model: gpt-4", "tools: Read")),
    "retired": ("agents.model", "error", ("model: claude-3-5-haiku-20241022", "tools: Read")),
    "resent": ("agents.model", "warning", ("model: claude-opus-4-1-20250805", "tools: Read")),
    "number": ("agents.model", "error", ("model: 5", "tools: Read")),
    "endless": ("agents.ignored-value", "warning", ("maxTurns: lots", "tools: Read")),
    "unbounded": ("agents.unbounded-tools", "warning", ()),
    "gone": ("agents.unknown-tool", "warning", ("tools: Read, MultiEdit, LS, BashOutput, TeamCreate, grep",)),
    "toolless": ("agents.unknown-tool", "error", ("tools: codebase",)),
    "serverless": ("agents.unknown-tool", "warning", ("tools: Read, mcp__nowhere__ask",)),
    "raw": ("agents.unknown-tool", "warning", ("tools: Read, mcp__a.b__plain",)),
    "undenied": ("agents.unknown-tool", "warning", ("disallowedTools: write",)),
    "Plan": ("agents.duplicate", "info", ("tools: Read",)),
}
UNKNOWN_MODELS = {"gpt-4", "claude-3-5-haiku-20241022"}
HEALTHY = {"limited": ("maxTurns: 1", "tools: Read")}
# Files that one version loads and another does not.
ODD = {
    "my:colon": agent('"my:colon"', "tools: Read"),
    "hooked": agent("hooked", "hooks: x", "tools: Read"),
    "n" * 257: agent("n" * 257, "tools: Read"),
}


@dataclass(frozen=True)
class Seen:
    """A finished run, and what doctor says of the home in which it was."""

    desk: Desk
    transcript: Transcript
    findings: list[dict[str, Any]]

    def of(self, name: str, check: str) -> list[str]:
        """The statuses of what this check found in the file of this name."""
        return [
            one["status"] for one in self.findings if one["id"] == check and Path(one["path"]).stem == name
        ]


def doctor(desk: Desk, cwd: Path | None = None) -> list[dict[str, Any]]:
    """What `doctor --offline` finds in the agents, in a folder of the desk's."""
    command = (PROGRAM, "--json", "doctor", "--offline", "--check", "agents")
    ran = run_tied(command, env=desk.home.env, cwd=cwd or desk.home.project, timeout=60)
    assert ran.code in (0, 2), ran.output
    return [one for one in json.loads(ran.stdout)["findings"] if one["status"] not in ("ok", "skipped")]


def delegate_to(desk: Desk, *names: str, **scripts: list[TurnMaker]) -> Transcript:
    """One session in which all these agents work at once; each says one word, or follows its script."""
    for name in names:
        desk.api.script(name, scripts.get(name, [text("found")]))
    desk.api.script("main", [at_once(*(delegate(name, name) for name in names)), text("done")])
    return desk.ask("main")


@pytest.fixture(scope="module")
def seen(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A home with one agent for each fault, every one of them at work."""
    with desk_at(client, tmp_path_factory.mktemp("faults")) as desk:
        files = {name: agent(name, *fields) for name, (_, _, fields) in WORKING.items()}
        files |= {name: agent(name, *fields) for name, fields in HEALTHY.items()}
        files |= {f"odd-{number}": content for number, content in enumerate(ODD.values())}
        files |= DROPPED_AGENT_FILES
        files["has-bom"] = AGENT_WITH_BOM
        files["role"] = b"You are the one whose frontmatter was forgotten.\n"
        files["chatty"] = agent_file("name: chatty", f"description: {LONG}", "tools: Read").encode()
        files["silent"] = agent_file("name: silent", "description: Use it.", "tools: Read", body="").encode()
        files["twin"] = agent("twin", "tools: Read", says="You are the first twin.")
        files["zwin"] = agent("twin", "tools: Read", says="You are the last twin.")
        files["scoped"] = agent("scoped", "tools: Read", says="You are the user's.")
        for name, content in files.items():
            write(desk.home.agents / f"{name}.md", content)
        (desk.home.project / ".git").mkdir()
        projects = agent("scoped", "tools: Read", says="You are the project's.")
        write(desk.home.project / ".claude" / "agents" / "scoped.md", projects)
        desk.api.unknown_models.update(UNKNOWN_MODELS)
        look = [tool_use("Read", file_path="/nowhere"), text("found")]
        at_work = (*WORKING, *HEALTHY, "twin", "scoped", "silent")
        transcript = delegate_to(desk, *at_work, endless=look, limited=look)
        yield Seen(desk, transcript, doctor(desk))


@pytest.mark.parametrize("name", WORKING)
def test_doctor_finds_each_fault_in_its_file(seen: Seen, name: str) -> None:
    check, status, _ = WORKING[name]
    assert seen.of(name, check) == [status]


def test_doctor_finds_nothing_in_a_healthy_agent(seen: Seen) -> None:
    assert not [one for one in seen.findings if Path(one["path"]).stem in HEALTHY]


@pytest.mark.parametrize("name", [*DROPPED_AGENT_FILES, "role"])
def test_a_file_that_the_client_drops_is_an_error(seen: Seen, name: str) -> None:
    assert not {name, "4711"} & set(seen.transcript.agents)
    # The text of the one file does not hint at an agent: it may as well be documentation.
    expected = "info" if name == "no-frontmatter" else "error"
    assert seen.of(name, "agents.parse") + seen.of(name, "agents.required") == [expected]


def test_a_byte_order_mark_is_an_error_where_the_client_drops_the_file(
    seen: Seen, facts: ClientFacts
) -> None:
    loads = "has-bom" in seen.transcript.agents
    assert loads == facts.agent_file_with_bom_loads
    assert seen.of("has-bom", "agents.required") == ([] if loads else ["error"])


@pytest.mark.parametrize(("number", "name"), list(enumerate(ODD)))
def test_an_odd_file_is_an_error_where_the_client_drops_it(
    seen: Seen, facts: ClientFacts, number: int, name: str
) -> None:
    loads = name in seen.transcript.agents
    assert loads == facts.odd_agent_files_load
    check = "agents.ignored-value" if name == "hooked" else "agents.required"
    (status,) = seen.of(f"odd-{number}", check)
    assert status == ("warning" if loads and name != "hooked" else "error")


def test_the_built_in_agents_are_the_versions_own(seen: Seen, facts: ClientFacts) -> None:
    ours = {*WORKING, *HEALTHY, *ODD, "has-bom", "chatty", "silent", "twin", "scoped"} - {"Plan"}
    assert set(seen.transcript.agents) - ours == set(facts.built_in_agents)


@pytest.mark.parametrize("name", ["cut", "mistyped", "number"])
def test_a_lost_model_runs_on_the_main_model(seen: Seen, facts: ClientFacts, name: str) -> None:
    assert seen.desk.api.first(name).model == facts.models[facts.main_alias]


@pytest.mark.parametrize("name", ["cut", "allowed", "unbounded"])
def test_a_lost_tool_list_gives_every_tool(seen: Seen, name: str) -> None:
    request = seen.desk.api.first(name)
    assert {"Write", "Edit", "Bash"} <= set(request.tools)
    assert request.delegation_tool()


@pytest.mark.parametrize("name", ["foreign", "retired"])
def test_a_model_that_the_api_does_not_know_fails_every_delegation(seen: Seen, name: str) -> None:
    model = WORKING[name][2][0].removeprefix("model: ")
    assert {request.model for request in seen.desk.api.of(name)} == {model}
    failed = [
        result for result in seen.desk.api.last("main").tool_results if f"{WRONG_MODEL} ({model})" in result
    ]
    assert len(failed) == 1


def test_a_retired_opus_is_sent_as_the_newest(seen: Seen, facts: ClientFacts) -> None:
    assert seen.desk.api.first("resent").model == facts.models["opus"]


def test_an_ignored_limit_does_not_limit(seen: Seen) -> None:
    assert len(seen.desk.api.of("limited")) == 1
    assert len(seen.desk.api.of("endless")) == 2


@pytest.mark.parametrize("name", ["gone", "serverless", "raw"])
def test_an_agent_goes_without_a_tool_that_does_not_exist(seen: Seen, name: str) -> None:
    # The newer client puts a placeholder of its own beside MCP tools.
    assert set(seen.desk.api.first(name).tools) - {"DeferredToolPlaceholder"} == {"Read"}


def test_an_agent_without_any_tool_starts_or_is_refused_by_version(seen: Seen, facts: ClientFacts) -> None:
    started = seen.desk.api.of("toolless")
    assert bool(started) == facts.agents_without_tools_start
    if started:
        assert not started[0].tools
    else:
        assert any("zero tools" in result for result in seen.desk.api.last("main").tool_results)


def test_a_misspelt_name_takes_no_tool_away(seen: Seen) -> None:
    assert "Write" in seen.desk.api.first("undenied").tools


def test_a_long_description_goes_out_whole(seen: Seen) -> None:
    assert LONG in json.dumps(seen.desk.api.first("main").body)
    assert seen.of("chatty", "agents.description") == ["warning"]


def test_an_agent_without_a_prompt_starts_without_instructions(seen: Seen) -> None:
    assert "You help." in seen.desk.api.first("mistyped").system
    assert len(seen.desk.api.first("silent").system) < len(seen.desk.api.first("mistyped").system)
    assert seen.of("silent", "agents.empty-prompt") == ["warning"]


def test_of_two_agents_of_one_name_only_one_is_loaded(seen: Seen, facts: ClientFacts) -> None:
    assert seen.transcript.agents.count("twin") == 1
    (which,) = re.findall("You are the (first|last) twin", seen.desk.api.first("twin").system)
    if facts.last_agent_of_a_name_wins:
        assert which == "last"
    assert seen.of("zwin", "agents.duplicate") == ["error"]


def test_a_projects_agent_replaces_the_users(seen: Seen) -> None:
    assert "You are the project's." in seen.desk.api.first("scoped").system
    (found,) = [one for one in seen.findings if one["id"] == "agents.duplicate" and "scoped" in one["path"]]
    assert found["status"] == "info"
    assert found["path"] == str(seen.desk.home.agents / "scoped.md")


def test_a_users_agent_replaces_the_clients_own(seen: Seen) -> None:
    assert "You help." in seen.desk.api.first("Plan").system


def start_in(desk: Desk, folder: Path) -> Transcript:
    """A session in this folder that says one word."""
    desk.api.script("hello", [text("hello")])
    return desk.client.run(planted("hello", "Begin."), env=desk._client_env(), cwd=folder)


def plant_in(folder: Path, name: str) -> None:
    """A faulty agent in the `.claude/agents` of a folder, named for the place."""
    write(folder / ".claude" / "agents" / f"{name}.md", agent(name, "modle: haiku", "tools: Read"))


def loaded_and_found(desk: Desk, folder: Path, names: set[str]) -> tuple[set[str], set[str]]:
    """Which of the planted agents the client loads in this folder, and in which doctor finds the fault."""
    found = {Path(one["path"]).stem for one in doctor(desk, folder) if one["id"] == "agents.unknown-key"}
    return set(start_in(desk, folder).agents) & names, found & names


@pytest.mark.parametrize("root", ["middle", "none"])
def test_doctor_looks_into_the_folders_that_the_client_reads(desk: Desk, root: str) -> None:
    outer = desk.home.home / "outer"
    middle, inner = outer / "middle", outer / "middle" / "inner"
    places = {"outer": outer, "middle": middle, "inner": inner, "mine": desk.home.home}
    for name, folder in places.items():
        plant_in(folder, name)
    if root == "middle":
        (middle / ".git").mkdir()
    loaded, found = loaded_and_found(desk, inner, set(places))
    assert loaded == found == ({"middle", "inner", "mine"} if root == "middle" else set(places))


@pytest.mark.parametrize("own", [False, True], ids=["without agents", "with agents"])
def test_doctor_looks_where_the_client_does_in_a_worktree(desk: Desk, own: bool) -> None:
    main, tree = desk.home.project, desk.home.root / "tree"
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    for words in (("init",), ("commit", "--allow-empty", "-m", "x"), ("worktree", "add", str(tree))):
        subprocess.run((*git, *words), cwd=main, env=desk.home.env, check=True, capture_output=True)
    plant_in(main, "main")
    if own:
        plant_in(tree, "tree")
    loaded, found = loaded_and_found(desk, tree, {"main", "tree"})
    assert loaded == found == ({"tree"} if own else {"main"})
