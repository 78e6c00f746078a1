"""The main job on the real client: installed, seen, delegated to, asked, and taken out again."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .claude import Claude, Transcript
from .desk import Desk, desk_at, write
from .facts import ClientFacts
from .messages_api import at_once, delegate, text, tool_use
from .stack import CAPITAL_QUESTION, Stack

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
TIERS = {
    "haiku": ("explorer", "summarizer", "classifier", "test-runner", "doc-writer", "local-delegate"),
    "sonnet": ("implementer", "reviewer", "debugger"),
    "opus": ("architect", "security-auditor"),
}
AGENTS = {agent: model for model, agents in TIERS.items() for agent in agents}
TOOLS = ("ask_local_llama", "ask_coding_model", "list_available_local_models")
USERS_SETTINGS = b'{\n\t"permissions": {"allow": ["Bash(ls:*)"]},\n\t"cleanupPeriodDays": 30\n}'
USERS_STATE = {"hasCompletedOnboarding": True, "mcpServers": {"mine": {"command": "/bin/true", "args": []}}}


def setup(desk: Desk, *arguments: str, code: int = 0) -> str:
    """Run supervisor-setup in the desk's home."""
    ran = desk.command(PROGRAM, *arguments)
    assert ran.code == code, ran.output
    return ran.output


@pytest.fixture(scope="module")
def installed(client: Claude, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home into which the product was installed, with the stack as its backend."""
    with desk_at(client, tmp_path_factory.mktemp("installed")) as desk:
        write(desk.home.settings, USERS_SETTINGS)
        write(desk.home.client_json, USERS_STATE)
        desk.home.env["LITELLM_API_KEY"] = stack.key
        setup(desk, "install", "--yes", "--litellm-url", stack.litellm_url)
        yield desk


@pytest.fixture(scope="module")
def delegated(installed: Desk) -> Transcript:
    """One session in which the main loop starts every agent, side by side."""
    for agent in AGENTS:
        installed.api.script(agent, [text(f"{agent} is done")])
    starts = [delegate(agent, agent) for agent in AGENTS]
    installed.api.script("tiers", [at_once(*starts), text("all are back")])
    return installed.ask("tiers")


@pytest.fixture(scope="module")
def asked(installed: Desk) -> Transcript:
    """One session in which the main loop calls each local tool, with tool search on."""
    server = "mcp__local-models__"
    installed.api.script(
        "tools",
        [
            tool_use(f"{server}ask_local_llama", prompt=CAPITAL_QUESTION),
            tool_use(f"{server}ask_coding_model", code="print(1 + 1)", question=CAPITAL_QUESTION),
            tool_use(f"{server}list_available_local_models"),
            text("asked"),
        ],
    )
    return installed.ask("tools", ENABLE_TOOL_SEARCH="true")


def test_claude_mcp_list_shows_the_server_connected(installed: Desk) -> None:
    line = next(line for line in installed.mcp_list().splitlines() if line.startswith("local-models"))
    assert "Connected" in line


def test_the_session_lists_our_agents_and_tools(delegated: Transcript) -> None:
    assert set(AGENTS) <= set(delegated.agents)
    assert {f"mcp__local-models__{tool}" for tool in TOOLS} <= set(delegated.tools)


@pytest.mark.parametrize("agent", AGENTS)
def test_each_agent_runs_on_the_model_of_its_tier(
    delegated: Transcript, installed: Desk, facts: ClientFacts, agent: str
) -> None:
    assert installed.api.first(agent).model == facts.models[AGENTS[agent]]


def test_the_main_loop_stays_on_the_users_model(
    delegated: Transcript, installed: Desk, facts: ClientFacts
) -> None:
    assert delegated.answer == "all are back"
    assert {request.model for request in installed.api.of("tiers")} == {facts.models[facts.main_alias]}


def test_the_explorers_first_request_is_small(delegated: Transcript, installed: Desk) -> None:
    assert installed.api.first("explorer").size < 12_000


def test_each_agent_is_offered_only_the_tools_of_its_file(delegated: Transcript, installed: Desk) -> None:
    for agent in AGENTS:
        line = next(
            line
            for line in (installed.home.agents / f"{agent}.md").read_text(encoding="utf-8").splitlines()
            if line.startswith("tools:")
        )
        allowed = {tool.strip() for tool in line.partition(":")[2].strip(' "').split(",")}
        # The newer client puts a placeholder of its own beside MCP tools.
        offered = set(installed.api.first(agent).tools) - {"DeferredToolPlaceholder"}
        assert offered <= allowed, agent


def test_the_tools_stand_with_their_descriptions_in_the_first_request(
    asked: Transcript, installed: Desk
) -> None:
    offered = installed.api.first("tools").tools
    for tool in TOOLS:
        assert len(offered[f"mcp__local-models__{tool}"]["description"]) > 80


@pytest.mark.parametrize("number", [0, 1])
def test_a_question_is_answered_by_the_real_model_in_plain_text(
    asked: Transcript, installed: Desk, number: int
) -> None:
    result = installed.api.last("tools").tool_results[number]
    assert "Paris" in result
    assert not result.lstrip().startswith("{")
    assert installed.api.last("tools").tool_errors[number] is False


def test_the_list_of_models_names_what_the_proxy_serves(asked: Transcript, installed: Desk) -> None:
    result = installed.api.last("tools").tool_results[2]
    assert "local-llama" in result
    assert "local-coder" in result
    assert installed.api.last("tools").tool_errors[2] is False


def test_a_local_delegate_asks_the_local_model(installed: Desk) -> None:
    ask = tool_use("mcp__local-models__ask_local_llama", prompt=CAPITAL_QUESTION)
    installed.api.script("local", [ask, text("Paris, says the local model")])
    installed.api.script("handing over", [delegate("local-delegate", "local"), text("thanks")])
    assert installed.ask("handing over").answer == "thanks"
    assert "Paris" in installed.api.last("local").tool_results[0]


def test_a_wrong_key_is_an_answer_that_says_what_to_do(installed: Desk) -> None:
    ask = tool_use("mcp__local-models__ask_local_llama", prompt="hello")
    installed.api.script("wrong key", [ask, text("never mind")])
    installed.ask("wrong key", LITELLM_API_KEY="sk-wrong")
    request = installed.api.last("wrong key")
    assert request.tool_errors == [True]
    assert "LITELLM_API_KEY" in request.tool_results[0]
    assert "sk-wrong" not in request.tool_results[0]


def test_install_again_changes_no_byte_of_what_the_client_has_since_written(
    installed: Desk, asked: Transcript
) -> None:
    before = contents(installed)
    setup(installed, "install", "--yes")
    assert contents(installed) == before


def test_doctor_finds_nothing_wrong(installed: Desk, asked: Transcript) -> None:
    setup(installed, "doctor", "--offline", "--strict")


def test_a_break_by_hand_is_found_kept_and_named(desk: Desk) -> None:
    setup(desk, "install", "--yes")
    explorer = write(desk.home.agents / "explorer.md", "no frontmatter any more\n")
    assert "explorer.md" in setup(desk, "doctor", "--offline", code=2)
    assert "was changed by you; kept" in setup(desk, "install", "--yes")
    assert explorer.read_bytes() == b"no frontmatter any more\n"
    setup(desk, "uninstall", "--yes")
    assert list(desk.home.agents.iterdir()) == [explorer]


def test_the_cheap_explorer_can_replace_the_built_in_one(desk: Desk, facts: ClientFacts) -> None:
    setup(desk, "config", "set", "agents.replace_explore", "true")
    setup(desk, "install", "--yes")
    desk.api.script("exploring", [text("found")])
    desk.api.script("main", [delegate("Explore", "exploring"), text("done")])
    desk.ask()
    assert desk.api.first("exploring").model == facts.models["haiku"]
    assert desk.api.first("exploring").size < 12_000


def test_one_line_of_the_config_moves_the_fast_agents(desk: Desk, facts: ClientFacts) -> None:
    setup(desk, "config", "set", "tiers.fast", "sonnet")
    setup(desk, "install", "--yes")
    desk.api.script("exploring", [text("found")])
    desk.api.script("main", [delegate("explorer", "exploring"), text("done")])
    desk.ask()
    assert desk.api.first("exploring").model == facts.models["sonnet"]


def test_project_scope_is_read_by_the_client_in_the_project(desk: Desk) -> None:
    (desk.home.project / ".git").mkdir()
    setup(desk, "install", "--yes", "--scope", "project")
    desk.api.script("main", [text("hello")])
    assert set(AGENTS) <= set(desk.ask().agents)
    # The client asks the user before it starts a server that a project brings along.
    assert "local-models" in desk.mcp_list()


def test_uninstall_leaves_the_client_without_us_and_with_the_users_own(desk: Desk) -> None:
    write(desk.home.settings, USERS_SETTINGS)
    write(desk.home.client_json, USERS_STATE)
    setup(desk, "install", "--yes")
    assert "local-models" in desk.mcp_list()
    setup(desk, "uninstall", "--yes")
    listed = desk.mcp_list()
    assert "local-models" not in listed
    assert "mine" in listed
    assert desk.home.settings.read_bytes() == USERS_SETTINGS
    assert json.loads(desk.home.client_json.read_bytes())["mcpServers"] == USERS_STATE["mcpServers"]
    assert not desk.home.agents.exists()


def contents(desk: Desk) -> dict[str, bytes]:
    """Every file that the client or we have in the home, but for the client's own logs and caches."""
    ours = (desk.home.settings, desk.home.client_json, *desk.home.agents.iterdir())
    return {str(path): path.read_bytes() for path in ours}
