"""Each planted fault gets its id, its line and its consequence; healthy files get nothing."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from planted_agents import HEALTHY, change, plant
from supervisor_setup import agents, assets, validate
from supervisor_setup.checks.agents import IDS
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter, parse


def found(folder: Path, text: str | bytes) -> list[Finding]:
    """The findings of one planted file."""
    return validate.validate([plant(folder, text)])


def test_a_healthy_agent_has_no_findings(tmp_path: Path):
    assert found(tmp_path, HEALTHY) == []


def test_what_the_package_ships_has_no_findings():
    assert validate.validate([]) == []


ERROR, WARNING, INFO = Status.ERROR, Status.WARNING, Status.INFO
FAULTS = {
    "no frontmatter": ("agents.parse", ERROR, 1, "loads no agent", "# Helper\n\nYou are a helper.\n"),
    "unclosed quote": ("agents.parse", ERROR, 3, "drops the agent", change("Helps.", '"Helps.')),
    "crlf and a colon": (
        "agents.parse",
        ERROR,
        3,
        "drops the agent",
        change("Helps.", "Helps: you.").replace("\n", "\r\n"),
    ),
    "three dashes in a value": ("agents.parse", ERROR, 3, "main model", change("Helps.", "Helps --- you.")),
    "only nearly yaml": ("agents.parse", INFO, 3, "other programs refuse", change("Helps.", "Helps: you.")),
    "no name": ("agents.required", ERROR, 1, "`name` is missing", change("name: helper\n", "")),
    "misspelt name": ("agents.required", ERROR, 1, "`name` is missing", change("name:", "Name:")),
    "empty name": ("agents.required", ERROR, 2, "is empty", change("name: helper", "name:")),
    "numeric name": ("agents.required", ERROR, 2, "a number", change("helper", "123")),
    "name with a dash": (
        "agents.required",
        ERROR,
        2,
        "starts with `-`",
        change("name: helper", "name: -helper"),
    ),
    "name with a colon": (
        "agents.required",
        ERROR,
        2,
        "has a `:`",
        change("name: helper", "name: my:helper"),
    ),
    "endless name": ("agents.required", ERROR, 2, "more than 256", change("helper", "h" * 257)),
    "no description": (
        "agents.required",
        ERROR,
        1,
        "`description` is missing",
        change("description: Helps. Use when asked.\n", ""),
    ),
    "list as description": (
        "agents.required",
        ERROR,
        3,
        "a list",
        change("description: Helps. Use when asked.", "description: [a, b]"),
    ),
    "byte-order mark": ("agents.required", WARNING, 1, "older clients", "\ufeff" + HEALTHY),
    "misspelt model key": (
        "agents.unknown-key",
        ERROR,
        5,
        "runs on the main model",
        change("model:", "modle:"),
    ),
    "capital model key": (
        "agents.unknown-key",
        ERROR,
        5,
        "runs on the main model",
        change("model:", "Model:"),
    ),
    "misspelt tools key": (
        "agents.unknown-key",
        WARNING,
        4,
        "every tool",
        change("tools:", "allowed-tools:"),
    ),
    "misspelt turns key": (
        "agents.unknown-key",
        WARNING,
        5,
        "no effect",
        change("model: haiku", "max_turns: 5\nmodel: haiku"),
    ),
    "key of someone's own": (
        "agents.unknown-key",
        INFO,
        5,
        "no effect",
        change("model: haiku", "version: 1.2.0\nmodel: haiku"),
    ),
    "foreign model": ("agents.model", ERROR, 5, "404", change("haiku", "gpt-4")),
    "half an id": ("agents.model", ERROR, 5, "404", change("haiku", "haiku-4")),
    "display name": ("agents.model", ERROR, 5, "404", change("haiku", "Claude Sonnet 4.5")),
    "comment that became the model": (
        "agents.model",
        ERROR,
        5,
        "404",
        change("Helps.", "Helps: you.").replace("haiku", "haiku # fast"),
    ),
    "list as model": ("agents.model", ERROR, 5, "main model", change("haiku", "[haiku]")),
    "empty model": ("agents.model", ERROR, 5, "main model", change("model: haiku", "model:")),
    "unknown permission mode": (
        "agents.ignored-value",
        WARNING,
        5,
        "the session's mode",
        change("model:", "permissionMode: yolo\nmodel:"),
    ),
    "turns in words": (
        "agents.ignored-value",
        WARNING,
        5,
        "turns",
        change("model:", "maxTurns: lots\nmodel:"),
    ),
    "no turns": ("agents.ignored-value", WARNING, 5, "turns", change("model:", "maxTurns: 0\nmodel:")),
    "unknown effort": ("agents.ignored-value", WARNING, 5, "effort", change("model:", "effort: big\nmodel:")),
    "servers as text": (
        "agents.ignored-value",
        WARNING,
        5,
        "servers",
        change("model:", "mcpServers: a\nmodel:"),
    ),
    "unknown colour": ("agents.ignored-value", INFO, 5, "color", change("model:", "color: teal\nmodel:")),
    "hooks as text": (
        "agents.ignored-value",
        ERROR,
        5,
        "drops the agent",
        change("model:", "hooks: a\nmodel:"),
    ),
    "no tools key": ("agents.unbounded-tools", WARNING, 1, "every tool", change("tools: Read, Grep\n", "")),
    "star among the tools": (
        "agents.unbounded-tools",
        WARNING,
        4,
        "every tool",
        change("Read, Grep", '"Read, *"'),
    ),
    "unknown tool": ("agents.unknown-tool", WARNING, 4, "`MultiEdit`", change("Grep", "MultiEdit")),
    "tool in lower case": ("agents.unknown-tool", WARNING, 4, "`grep`", change("Grep", "grep")),
    "only unknown tools": (
        "agents.unknown-tool",
        ERROR,
        4,
        "refuses to start",
        change("Read, Grep", "codebase"),
    ),
    "empty tools": (
        "agents.unknown-tool",
        WARNING,
        4,
        "no tool at all",
        change("tools: Read, Grep", "tools:"),
    ),
    "no trigger": ("agents.description", INFO, 3, "when to delegate", change("Use when asked.", "Great.")),
    "essay": ("agents.description", WARNING, 3, "every request", change("Helps.", "Helps. " * 200)),
    "retired model": ("agents.model", ERROR, 5, "404", change("haiku", "claude-3-5-sonnet-20241022")),
    "retired model that is resent": (
        "agents.model",
        WARNING,
        5,
        "newest opus instead",
        change("haiku", "claude-opus-4-1-20250805"),
    ),
    "retired model with a long context": (
        "agents.model",
        ERROR,
        5,
        "404",
        change("haiku", '"claude-sonnet-4-20250514[1m]"'),
    ),
    "server's name as it is configured": (
        "agents.unknown-tool",
        WARNING,
        4,
        "`mcp__my.box__ask`",
        change("Grep", "mcp__my.box__ask"),
    ),
    "star for all servers": (
        "agents.unknown-tool",
        WARNING,
        4,
        "`mcp__*`",
        change("Read, Grep", '"Read, mcp__*"'),
    ),
    "tool taken away in lower case": (
        "agents.unknown-tool",
        WARNING,
        5,
        "takes nothing away",
        change("model:", "disallowedTools: write\nmodel:"),
    ),
    "everything taken away": (
        "agents.unknown-tool",
        WARNING,
        5,
        "takes nothing away",
        change("model:", 'disallowedTools: "*"\nmodel:'),
    ),
    "no prompt": ("agents.empty-prompt", WARNING, 1, "without instructions", change("\nHelp.\n", "")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_with_its_id_line_and_consequence(tmp_path: Path, fault: str):
    identity, status, line, consequence, text = FAULTS[fault]
    matching = [finding for finding in found(tmp_path, text) if finding.id == identity]
    assert [(one.status, one.line) for one in matching] == [(status, line)]
    assert consequence in matching[0].message
    assert matching[0].path == tmp_path / "helper.md"


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "comment that became the model"])
def test_a_single_fault_causes_no_second_error(tmp_path: Path, fault: str):
    errors = [finding for finding in found(tmp_path, FAULTS[fault][-1]) if finding.status is ERROR]
    assert {finding.id for finding in errors} <= {FAULTS[fault][0]}


def test_every_id_has_a_planted_fault():
    assert {fault[0] for fault in FAULTS.values()} | {"agents.duplicate"} == set(IDS)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        (change("model:", "modle:"), "did you mean `model`?"),
        (change("tools:", "allowedTools:"), "did you mean `tools`?"),
        (change("name:", "Name:"), "`Name` must be written `name`"),
        (change("haiku", "haiku-4"), "did you mean `model: haiku`?"),
        (change("Grep", "grep"), "did you mean Grep for grep?"),
        (change("Grep", "MultiEdit, LS"), "it is gone; use Edit for MultiEdit, Glob for LS"),
        (change("Grep", "TeamCreate"), "it is gone; take it out"),
        (change("haiku", "Claude Sonnet 4.5"), "did you mean `model: sonnet`?"),
    ],
)
def test_a_misspelling_is_answered_with_the_nearest_right_word(tmp_path: Path, written: str, hint: str):
    assert hint in [finding.hint for finding in found(tmp_path, written)]


def test_a_key_is_not_taken_for_a_misspelling_of_one_that_is_there(tmp_path: Path):
    (finding,) = found(tmp_path, change("model: haiku", "model: haiku\nmode: all\nmodels: many"))[1:]
    assert finding.status is INFO


@pytest.mark.parametrize(
    "model",
    [
        "inherit",
        "Haiku",
        '" haiku "',
        "fable",
        "opusplan",
        '"sonnet[1m]"',
        "claude-opus-5-5",
        "claude-haiku-4-5-20251001",
        "claude-sonnet-4-5@20250929",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
        "anthropic/claude-haiku-4.5",
    ],
)
def test_models_that_can_exist_are_let_through(tmp_path: Path, model: str):
    assert found(tmp_path, change("haiku", model)) == []


@pytest.mark.parametrize(
    "tools",
    [
        "Read Grep",
        "[Read, Grep]",
        '["Read, Grep"]',
        "\n  - Read\n  - Grep",
        "Bash(npm run test:*), Read",
        "Agent(worker, researcher), Read",
        "mcp__github, mcp__box__ask",
        "Task, KillShell",
    ],
)
def test_the_ways_to_write_tools_that_the_client_understands_are_let_through(tmp_path: Path, tools: str):
    assert found(tmp_path, change("Read, Grep", tools)) == []


def test_tools_taken_away_bound_an_agent_too(tmp_path: Path):
    assert found(tmp_path, change("tools: Read, Grep", "disallowedTools: Agent, Write")) == []


def test_a_description_in_another_script_is_not_judged_by_english_words(tmp_path: Path):
    assert found(tmp_path, change("Helps. Use when asked.", "コードを探します")) == []


def test_a_template_that_does_not_compile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for source in assets.templates().rglob("*.*"):
        plant(tmp_path / source.relative_to(assets.templates()).parent, source.read_bytes(), source.name)
    plant(tmp_path, "fine\n{% if %}\n", "broken.j2")
    monkeypatch.setattr(assets, "templates", lambda: tmp_path)
    (finding,) = validate.validate([])
    assert (finding.id, finding.path, finding.line) == ("templates.syntax", tmp_path / "broken.j2", 2)


VALUES = {
    "permissionMode": ["plan", "default", "yolo", 5],
    "maxTurns": [1, "5", 5.0, 0, -1, "lots", True, None],
    "autoCompactWindow": [100_000, "200000", 99_999, "x"],
    "effort": ["low", "max", 5, "big", []],
    "memory": ["user", "nowhere"],
    "background": [True, "true", "maybe", 1],
    "isolation": ["worktree", "cave"],
    "color": ["red", "teal"],
    "mcpServers": [[], ["a"], [{"a": {}}], "a"],
    "hooks": [{}, {"PreToolUse": []}, "a", {"PreToolUse": "a"}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, found in VALUES.items() for value in found])
def test_the_checks_and_the_schema_agree_on_every_value(tmp_path: Path, key: str, value: object):
    text = change("model:", f"{key}: {json.dumps(value)}\nmodel:")
    parsed = parse(text.encode())
    assert isinstance(parsed, Frontmatter)
    fields = {name: field.value for name, field in parsed.fields.items()}
    allowed = Draft202012Validator(validate.frontmatter_schema()).is_valid(fields)
    assert (found(tmp_path, text) == []) == allowed


def test_every_tool_of_a_bundled_agent_is_in_the_schema():
    known = validate.vocabulary().tools
    assert {tool for source in agents.load_sources(assets.agents()) for tool in source.tools} <= set(known)


def test_no_tool_is_both_there_and_gone():
    words = validate.vocabulary()
    assert not words.tools & set(words.former_tools)
    assert set(filter(None, words.former_tools.values())) <= words.tools


def test_the_schema_is_a_valid_schema_that_cites_its_sources():
    schema = validate.frontmatter_schema()
    Draft202012Validator.check_schema(schema)
    for key, part in schema["properties"].items():
        assert any(word in part["description"] for word in ("documented", "measured on", "read from")), key
