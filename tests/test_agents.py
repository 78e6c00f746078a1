"""The bundled agents are what the product promises, and a broken source is refused with its place."""

import re
from pathlib import Path

import pytest

from supervisor_setup import agents, assets
from supervisor_setup.agents import AgentSource, load_source
from supervisor_setup.errors import ConfigError, UserError

BUNDLED = agents.load_sources(assets.agents())
TIERS = {
    "fast": {"explorer", "summarizer", "classifier", "test-runner", "doc-writer", "local-delegate"},
    "balanced": {"implementer", "reviewer", "debugger"},
    "deep": {"architect", "security-auditor"},
}
READERS = (
    "explorer",
    "summarizer",
    "classifier",
    "reviewer",
    "architect",
    "security-auditor",
    "local-delegate",
)
SOURCE = "---\nname: helper\ndescription: Use it when asked\ntier: fast\ntools: [Read, Grep]\n---\n\nHelp.\n"

each_agent = pytest.mark.parametrize("source", BUNDLED, ids=lambda source: source.name)


def named(name: str) -> AgentSource:
    """A bundled agent."""
    return next(source for source in BUNDLED if source.name == name)


def test_the_promised_agents_are_bundled_on_their_tiers():
    found = {tier: {source.name for source in BUNDLED if source.tier == tier} for tier in TIERS}
    assert found == TIERS


@each_agent
def test_no_agent_can_start_another_agent(source: AgentSource):
    assert not {"Agent", "Task", "*"} & set(source.tools)


@pytest.mark.parametrize("name", READERS)
def test_an_agent_that_only_reads_has_no_tool_that_changes_anything(name: str):
    assert set(named(name).tools) <= {"Read", "Grep", "Glob"}


def test_only_the_local_delegate_gets_the_local_tools():
    assert [source.name for source in BUNDLED if source.local_tools] == ["local-delegate"]


@each_agent
def test_a_description_says_when_to_delegate_and_when_not_and_stays_short(source: AgentSource):
    assert len(source.description) < 600
    assert re.search(r"\bUse (proactively|before|when|for)\b", source.description)
    assert "Not for" in source.description


@each_agent
def test_a_description_refers_only_to_agents_that_exist(source: AgentSource):
    names = {other.name for other in BUNDLED}
    referred = re.findall(r"\(([a-z-]+(?:, [a-z-]+)*)\)", source.description)
    assert {name for group in referred for name in group.split(", ") if "-" in name or name in names} <= names


@each_agent
def test_a_prompt_is_short_and_says_how_to_work_where_to_stop_and_how_to_answer(source: AgentSource):
    assert 120 <= len(source.prompt.split()) <= 260
    assert re.findall(r"^## (.+)$", source.prompt, re.MULTILINE) == ["Method", "Limits", "Answer"]


@each_agent
def test_an_agent_with_bash_is_not_told_to_use_the_search_tools_that_it_loses_there(source: AgentSource):
    # Measured on 2.1.197 and 2.1.330: beside Bash, the native client leaves Grep and Glob out.
    if "Bash" in source.tools:
        assert not re.search(r"\b(Grep|Glob)\b", source.prompt)


@each_agent
def test_a_headline_is_a_few_words(source: AgentSource):
    assert 20 < len(source.headline) < 140


def test_a_source_is_read_with_its_parts(tmp_path: Path):
    path = tmp_path / "helper.md"
    path.write_text(
        SOURCE.replace("tier: fast", "tier: fast\nlocal_tools: true\ncolor: red"), encoding="utf-8"
    )
    assert load_source(path) == AgentSource(
        name="helper",
        description="Use it when asked",
        tier="fast",
        tools=("Read", "Grep"),
        local_tools=True,
        color="red",
        prompt="Help.",
        path=path,
    )


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("name: helper", "name: other", ":2: `name` must be the file's own name"),
        ("name: helper", "name: 5", ":2: `name` must be a text"),
        ("description: Use it when asked\n", "", ":1: `description` is missing"),
        ("tools: [Read, Grep]", "tools: Read", ":5: `tools` must be a list"),
        ("tools: [Read, Grep]", "tools: []", ":5: `tools` must be a list"),
        ("tools: [Read, Grep]", "tools: [Read, 5]", ":5: `tools` must be a list"),
        ("tier: fast", "tier: fast\nmodel: haiku", ":5: an agent source has no `model`"),
        ("tier: fast", "tier: fast\nlocal_tools: maybe", ":5: `local_tools` must be true or false"),
        ("Use it", '"Use it', ":3: "),
        ("---\n\nHelp.\n", "---\n", ":1: the prompt is missing"),
        ("---\nname", "name", ":1: no frontmatter"),
    ],
)
def test_a_broken_source_is_refused_with_file_and_line(tmp_path: Path, old: str, new: str, place: str):
    path = tmp_path / "helper.md"
    path.write_text(SOURCE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_source(path)
    assert raised.value.message.startswith(f"{path}{place}")


def test_an_installation_without_its_data_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "lib" / "site-packages" / "supervisor_setup"
    package.mkdir(parents=True)
    monkeypatch.setattr(assets, "__file__", str(package / "assets.py"))
    with pytest.raises(UserError) as raised:
        assets.templates()
    assert raised.value.hint is not None
    assert "install" in raised.value.hint


def test_a_wheel_finds_its_data_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "lib" / "site-packages" / "supervisor_setup"
    (package / "agents").mkdir(parents=True)
    monkeypatch.setattr(assets, "__file__", str(package / "assets.py"))
    assert assets.agents() == package / "agents"


DOCS = Path(__file__).parents[1] / "docs" / "agents.md"


@each_agent
def test_the_documentation_lists_the_agent_with_its_tier_and_tools(source: AgentSource):
    row = next(
        line
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{source.name}` |")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == source.tier
    assert cells[2] == ", ".join(source.tools) + (", local tools" if source.local_tools else "")
