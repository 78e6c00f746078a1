"""Sources and choices become the files that the client reads: stable, quoted, on the chosen models."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from supervisor_setup import agents, assets, render, validate
from supervisor_setup.agents import AgentSource
from supervisor_setup.errors import ConfigError
from supervisor_setup.frontmatter import Frontmatter, parse
from supervisor_setup.render import PlannedAgent, render_agent, render_agents, render_skill

SOURCES = agents.load_sources(assets.agents())
UPDATE = os.environ.get("SUPERVISOR_UPDATE_GOLDEN") == "1"
GOLDEN = Path(__file__).parent / "golden"
DEFAULTS: Mapping[str, Any] = {
    "tiers": {"fast": "haiku", "balanced": "sonnet", "deep": "opus"},
    "agent_tiers": {},
    "exclude": (),
    "server_name": "local-models",
    "tool_names": ("ask_local_llama", "ask_coding_model", "list_available_local_models"),
}


def rendered(**choices: Any) -> dict[str, bytes]:
    """The bundled agents with some choices of the user's."""
    return render_agents(SOURCES, **{**DEFAULTS, "replace_explore": False, **choices})


def values(content: bytes) -> dict[str, object]:
    """The frontmatter of a rendered file."""
    parsed = parse(content)
    assert isinstance(parsed, Frontmatter), parsed
    assert parsed.requoted is None
    assert parsed.cut is None
    return {key: field.value for key, field in parsed.fields.items()}


def check_golden(path: Path, content: bytes) -> None:
    """Compare with a kept file; SUPERVISOR_UPDATE_GOLDEN=1 writes it anew."""
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert path.exists(), f"SUPERVISOR_UPDATE_GOLDEN=1 pytest {__file__}"
    assert content.decode("utf-8") == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(rendered(replace_explore=True)))
def test_a_rendered_agent_is_what_was_reviewed(name: str):
    check_golden(GOLDEN / "agents" / name, rendered(replace_explore=True)[name])


def test_the_rendered_skill_is_what_was_reviewed():
    check_golden(GOLDEN / "skills" / "delegation" / "SKILL.md", render_skill(SOURCES, **DEFAULTS))


def test_no_reviewed_file_is_left_over():
    kept = {path.name for path in (GOLDEN / "agents").iterdir()}
    assert kept == set(rendered(replace_explore=True))


@pytest.mark.parametrize("name", sorted(rendered(replace_explore=True)))
def test_a_rendered_agent_obeys_the_frontmatter_schema(name: str):
    validator = Draft202012Validator(validate.frontmatter_schema())
    validator.validate(values(rendered(replace_explore=True)[name]))


def test_rendering_twice_gives_the_same_bytes():
    assert rendered() == rendered()


def test_one_line_of_the_config_moves_a_whole_tier():
    before, after = rendered(), rendered(tiers={**DEFAULTS["tiers"], "fast": "claude-haiku-5-5"})
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {f"{source.name}.md" for source in SOURCES if source.tier == "fast"}
    assert all(values(after[name])["model"] == "claude-haiku-5-5" for name in moved)


def test_a_single_agent_moves_to_another_tier():
    after = rendered(agent_tiers={"reviewer": "deep"})
    assert values(after["reviewer.md"])["model"] == "opus"
    assert {name for name, content in rendered().items() if after[name] != content} == {"reviewer.md"}


def test_an_excluded_agent_is_not_there():
    assert set(rendered()) - set(rendered(exclude=["architect"])) == {"architect.md"}


def test_replace_explore_adds_the_explorer_under_the_clients_own_name():
    with_it = rendered(replace_explore=True)
    assert set(with_it) - set(rendered()) == {"Explore.md"}
    assert with_it["Explore.md"] == with_it["explorer.md"].replace(b"name: explorer", b"name: Explore")


def test_replace_explore_works_without_the_explorer_itself():
    assert "Explore.md" in rendered(replace_explore=True, exclude=["explorer"])


def test_replace_explore_without_any_explorer_adds_nothing():
    assert render_agents((), **{**DEFAULTS, "replace_explore": True}) == {}


def test_the_local_delegate_gets_the_tools_that_are_switched_on():
    tools = values(rendered(server_name="box", tool_names=["ask_one"])["local-delegate.md"])["tools"]
    assert tools == "Read, Grep, Glob, mcp__box__ask_one"


def test_without_local_tools_there_is_no_local_delegate_and_the_skill_does_not_speak_of_it():
    assert set(rendered()) - set(rendered(tool_names=())) == {"local-delegate.md"}
    skill = render_skill(SOURCES, **{**DEFAULTS, "tool_names": ()}).decode()
    assert "local" not in skill.replace("locally", "")
    assert "mcp__" not in skill


def test_the_skill_lists_exactly_the_installed_agents_on_their_tiers():
    skill = render_skill(SOURCES, **{**DEFAULTS, "exclude": ["architect", "security-auditor"]}).decode()
    assert "**fast** (haiku)" in skill
    assert "(opus)" not in skill
    assert "`reviewer`" in skill
    assert "`architect`" not in skill


def test_an_unknown_tier_of_an_agent_is_an_error_with_a_way_out():
    with pytest.raises(ConfigError) as raised:
        rendered(agent_tiers={"reviewer": "depe"})
    assert "reviewer is on the tier 'depe'" in raised.value.message
    assert raised.value.hint == "supervisor-setup config set tiers.depe haiku"


@pytest.mark.parametrize("choice", [{"exclude": ["reviwer"]}, {"agent_tiers": {"reviwer": "deep"}}])
def test_a_misspelt_agent_is_an_error_that_offers_the_right_name(choice: dict[str, Any]):
    with pytest.raises(ConfigError) as raised:
        rendered(**choice)
    assert raised.value.hint == "did you mean reviewer?"


def test_a_template_with_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError):
        render.render_template(assets.templates() / "agent.md.j2", name="a")


def agent(description: str, prompt: str = "Do it.") -> bytes:
    """A rendered agent with that description."""
    source = AgentSource("a", description, "fast", ("Read",), False, None, prompt, Path("a.md"))
    return render_agent(PlannedAgent(source, "fast", "haiku", ("Read",)))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
YAML_ISH = st.text(st.sampled_from("ab:-#\"'[]{},&*!|>%@`\\ \t\r\n.~017\u2028\u00e9\U0001f600"), min_size=1)


@settings(deadline=None)  # the first example compiles the template
@given(TEXT | YAML_ISH)
def test_any_description_survives_rendering_and_reading(description: str):
    content = agent(description)
    assert values(content) == {"name": "a", "description": description, "tools": "Read", "model": "haiku"}


@settings(deadline=None)  # the first example compiles the template
@given(TEXT | YAML_ISH)
def test_any_description_is_valid_for_a_strict_yaml_reader_too(description: str):
    block = agent(description).decode("utf-8").split("---\n")[1]
    assert YAML(typ="safe", pure=True).load(block)["description"] == description


@pytest.mark.parametrize("model", ["true", "null", "sonnet[1m]", "claude-opus-5-5", "a:b", "no"])
def test_any_model_survives_rendering_as_text(model: str):
    assert values(rendered(tiers={**DEFAULTS["tiers"], "fast": model})["explorer.md"])["model"] == model


def test_a_prompt_is_copied_and_not_evaluated():
    prompt = "Use {{ braces }} and {% percent %} and --- and\n\ttabs."
    parsed = parse(agent("Use it", prompt))
    assert isinstance(parsed, Frontmatter)
    assert parsed.body == prompt
