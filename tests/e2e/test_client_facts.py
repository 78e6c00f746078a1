"""What the product takes for granted about Claude Code, held against each version of the real client.

A client that changes fails here, by the name of the fact, before it surprises a user. A start of the client
costs a second or two, so tests that can look at one run share it: it is a fixture of the module.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from .claude import Claude, Transcript
from .desk import Desk, desk_at, write
from .facts import (
    AGENT_WITH_BOM,
    ALL_TOOLS_FACTOR,
    DROPPED_AGENT_FILES,
    EXPLORER_BYTES,
    LOADED_AGENT_FILES,
    SECRET,
    SETTINGS_HONOURED,
    SETTINGS_IGNORED,
    ClientFacts,
    agent_file,
)
from .messages_api import at_once, delegate, text, tool_use

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Seen:
    """A finished run of the client and the desk that it ran at."""

    desk: Desk
    transcript: Transcript

    def model(self, conversation: str) -> str:
        """The model that `conversation` was sent to."""
        return self.desk.api.first(conversation).model

    def size(self, conversation: str) -> int:
        """Bytes of the first request of `conversation`."""
        return self.desk.api.first(conversation).size


def delegate_to(desk: Desk, *agents: str, **env: str) -> Seen:
    """Run the client once, with every one of `agents` at work in a conversation of its own name."""
    desk.api.script("main", [at_once(*(delegate(agent, agent) for agent in agents)), text("done")])
    for agent in agents:
        desk.api.script(agent, [text("found")])
    return Seen(desk, desk.ask("main", **env))


def write_agents(desk: Desk, files: Mapping[str, str | bytes]) -> None:
    """Write agent files into the user's folder, each under its key."""
    for name, content in files.items():
        write(desk.home.agents / f"{name}.md", content)


_AGENTS_AT_WORK = {
    "explorer": agent_file("name: explorer", "description: x", "model: haiku", "tools: Read, Grep, Glob"),
    "all-tools": agent_file("name: all-tools", "description: x", "model: sonnet"),
    "deep": agent_file("name: deep", "description: x", "model: opus", "tools: Read"),
    "capital": agent_file("name: capital", "description: x", "model: Haiku", "tools: Read"),
    "foreign": agent_file("name: foreign", "description: x", "model: gpt-4", "tools: Read"),
    "mistyped": agent_file("name: mistyped", "description: x", "modle: haiku", "tools: Read"),
}


@pytest.fixture(scope="module")
def agents_run(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One run with every kind of agent file in the home, those of `_AGENTS_AT_WORK` and Explore at work."""
    with desk_at(client, tmp_path_factory.mktemp("agents")) as desk:
        write_agents(desk, {**_AGENTS_AT_WORK, **DROPPED_AGENT_FILES, **LOADED_AGENT_FILES})
        write(desk.home.agents / "has-bom.md", AGENT_WITH_BOM)
        yield delegate_to(desk, *_AGENTS_AT_WORK, "Explore")


def test_a_file_that_is_no_agent_is_dropped(agents_run: Seen) -> None:
    assert not {*DROPPED_AGENT_FILES, "4711"} & set(agents_run.transcript.agents)


def test_an_unusual_file_that_is_an_agent_loads(agents_run: Seen) -> None:
    expected = {Path(name).name for name in LOADED_AGENT_FILES}
    assert expected <= set(agents_run.transcript.agents)


def test_an_agent_file_with_a_bom_loads_or_not_by_version(agents_run: Seen, facts: ClientFacts) -> None:
    assert ("has-bom" in agents_run.transcript.agents) == facts.agent_file_with_bom_loads


@pytest.mark.parametrize(
    ("agent", "alias"),
    [("explorer", "haiku"), ("all-tools", "sonnet"), ("deep", "opus"), ("capital", "haiku")],
)
def test_an_agent_runs_on_the_model_that_its_file_names(
    agents_run: Seen, facts: ClientFacts, agent: str, alias: str
) -> None:
    assert agents_run.model(agent) == facts.models[alias]


def test_the_main_conversation_stays_on_its_model(agents_run: Seen, facts: ClientFacts) -> None:
    models = {request.model for request in agents_run.desk.api.of("main")}
    assert models == {facts.models[facts.main_alias]}


def test_an_unknown_model_is_passed_on_as_it_is(agents_run: Seen) -> None:
    assert agents_run.model("foreign") == "gpt-4"


def test_a_mistyped_model_key_runs_on_the_main_model(agents_run: Seen, facts: ClientFacts) -> None:
    assert agents_run.model("mistyped") == facts.models[facts.main_alias]


def test_the_built_in_explore_agent_runs_on_its_versions_model(agents_run: Seen, facts: ClientFacts) -> None:
    assert agents_run.model("Explore") == facts.models[facts.explore_alias]


def test_a_tool_list_keeps_the_first_request_small(agents_run: Seen) -> None:
    assert agents_run.size("explorer") < EXPLORER_BYTES
    assert set(agents_run.desk.api.first("explorer").tools) == {"Read", "Grep", "Glob"}


def test_all_tools_cost_several_times_the_bytes_of_a_short_list(agents_run: Seen) -> None:
    assert agents_run.size("all-tools") > ALL_TOOLS_FACTOR * agents_run.size("explorer")


def test_an_agent_without_a_tool_list_can_start_further_agents(agents_run: Seen) -> None:
    assert agents_run.desk.api.first("all-tools").delegation_tool()


def test_a_subagent_is_waited_for_or_not_by_version(agents_run: Seen, facts: ClientFacts) -> None:
    tool = agents_run.desk.api.first("main").tools[agents_run.desk.api.first("main").delegation_tool()]
    default = (
        "run in the background by default"
        in tool["input_schema"]["properties"]["run_in_background"]["description"]
    )
    assert default == facts.subagents_wait_in_background


_TIERED = {
    "explorer": agent_file("name: explorer", "description: x", "model: haiku", "tools: Read"),
    "untiered": agent_file("name: untiered", "description: x", "tools: Read"),
}


@pytest.mark.parametrize("place", ["environment", "settings.json"])
def test_the_subagent_model_variable_overrides_agents_by_version(
    desk: Desk, facts: ClientFacts, place: str
) -> None:
    variable = {"CLAUDE_CODE_SUBAGENT_MODEL": "sonnet"}
    write_agents(desk, _TIERED)
    write(desk.home.settings, {"env": variable if place == "settings.json" else {}})
    seen = delegate_to(desk, *_TIERED, **(variable if place == "environment" else {}))
    expected = "sonnet" if facts.subagent_variable_overrides_agents else "haiku"
    assert seen.model("explorer") == facts.models[expected]
    assert seen.model("untiered") == facts.models["sonnet"]


def test_the_default_haiku_variable_replaces_the_id_behind_haiku(desk: Desk, facts: ClientFacts) -> None:
    write_agents(desk, _TIERED)
    seen = delegate_to(desk, *_TIERED, ANTHROPIC_DEFAULT_HAIKU_MODEL="another-haiku")
    assert seen.model("explorer") == "another-haiku"
    assert seen.model("untiered") == facts.models[facts.main_alias]


def test_available_models_send_another_model_without_a_word(desk: Desk, facts: ClientFacts) -> None:
    write_agents(desk, _TIERED)
    write(desk.home.settings, {"availableModels": ["opus"]})
    seen = delegate_to(desk, "explorer")
    assert seen.model("explorer") == facts.models["opus"]
    assert not seen.transcript.finished.stderr


def test_a_user_agent_named_explore_replaces_the_built_in_one(desk: Desk, facts: ClientFacts) -> None:
    fields = ("name: Explore", "description: Ours.", "model: haiku", "tools: Read")
    write_agents(desk, {"explore": agent_file(*fields, body="You are the replacement.\n")})
    seen = delegate_to(desk, "Explore")
    request = desk.api.first("Explore")
    assert request.model == facts.models["haiku"]
    assert "You are the replacement." in request.system
    assert list(request.tools) == ["Read"]
    assert seen.transcript.agents.count("Explore") == 1


def reads_the_secret(desk: Desk) -> bool:
    """Whether the client lets the model read the file that the settings deny."""
    secret = write(desk.home.project / SECRET, "the secret words")
    desk.api.script("main", [tool_use("Read", file_path=str(secret)), text("done")])
    desk.ask("main")
    (result,) = desk.api.last("main").tool_results
    assert ("the secret words" in result) != ("denied" in result), result
    return "the secret words" in result


@pytest.mark.parametrize("case", SETTINGS_HONOURED)
def test_a_settings_file_that_is_honoured_denies(desk: Desk, case: str) -> None:
    write(desk.home.settings, SETTINGS_HONOURED[case])
    assert not reads_the_secret(desk)


@pytest.mark.parametrize("case", SETTINGS_IGNORED)
def test_a_settings_file_with_a_fault_is_ignored_whole(desk: Desk, case: str) -> None:
    write(desk.home.settings, SETTINGS_IGNORED[case])
    assert reads_the_secret(desk)


def test_the_config_dir_variable_moves_settings_and_agents(desk: Desk) -> None:
    moved = desk.home.root / "moved"
    write(moved / "settings.json", SETTINGS_HONOURED["valid"])
    write(moved / "agents" / "there.md", agent_file("name: there", "description: x"))
    write_agents(desk, {"here": agent_file("name: here", "description: x")})
    secret = write(desk.home.project / SECRET, "the secret words")
    desk.api.script("main", [tool_use("Read", file_path=str(secret)), text("done")])
    transcript = desk.ask("main", CLAUDE_CONFIG_DIR=str(moved))
    assert "denied" in desk.api.last("main").tool_results[0]
    assert "there" in transcript.agents
    assert "here" not in transcript.agents
