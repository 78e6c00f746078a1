"""On which models agents run: what doctor predicts, and what it reads off afterwards, against the wire."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from supervisor_setup.checks import subagent_models
from supervisor_setup.checks.model_names import bare, families, family
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout

from .claude import Claude
from .desk import Desk, desk_at, write
from .facts import ClientFacts, agent_file
from .messages_api import TurnMaker, at_once, delegate, planted, text, tool_use
from .wire import MessagesRequest

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
OVERRIDE = "CLAUDE_CODE_SUBAGENT_MODEL"
FORCE = "CLAUDE_CODE_SUBAGENT_MODEL_FORCE"
HAIKU = "ANTHROPIC_DEFAULT_HAIKU_MODEL"
MAIN = "ANTHROPIC_MODEL"

ASKED: Mapping[str, str | None] = {
    "cheap": "haiku",
    "middle": "sonnet",
    "deep": "opus",
    "large": "fable",
    "capital": " Haiku ",
    "pinned": "claude-haiku-4-5-20251001",
    "older": "claude-sonnet-4-5",
    "inheriting": "inherit",
    "foreign": "gpt-4",
    "untold": None,
}


@dataclass(frozen=True)
class SetUp:
    """What steers the agents of a user's: variables of the process, and settings by scope."""

    env: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    project: Mapping[str, Any] = field(default_factory=dict)


SET_UPS: Mapping[str, SetUp] = {
    "nothing": SetUp(),
    "override": SetUp(env={OVERRIDE: "sonnet"}),
    "override of the project's over the user's": SetUp(
        env={OVERRIDE: "opus"}, user={"env": {OVERRIDE: "opus"}}, project={"env": {OVERRIDE: "haiku"}}
    ),
    "override taken back, a bare word for haiku": SetUp(
        env={OVERRIDE: "sonnet", HAIKU: "sonnet"}, user={"env": {OVERRIDE: ""}}
    ),
    "override to inherit, another main model": SetUp(
        env={OVERRIDE: "inherit", MAIN: "claude-sonnet-4-5"}, user={"model": "haiku"}
    ),
    "override by force": SetUp(env={OVERRIDE: "sonnet"}, user={"env": {FORCE: "on"}}),
    "force alone": SetUp(env={FORCE: "1"}),
    "another haiku, other names for opus": SetUp(
        env={HAIKU: "claude-opus-4-8"},
        user={
            "env": {HAIKU: "claude-sonnet-4-5"},
            "model": "sonnet",
            "modelOverrides": {"claude-opus-4-8": "older", "claude-opus-5-5": "newer"},
        },
    ),
    "opus alone": SetUp(user={"availableModels": ["opus"]}),
    "lists of two files": SetUp(user={"availableModels": ["haiku"]}, project={"availableModels": ["sonnet"]}),
    "one haiku": SetUp(user={"availableModels": ["claude-haiku-4-5", "opus"]}, env={OVERRIDE: "opus"}),
    "a haiku that is not allowed": SetUp(user={"availableModels": ["haiku", "opus"]}, env={HAIKU: "my-own"}),
    "haiku enforced": SetUp(user={"availableModels": ["haiku"], "enforceAvailableModels": True}),
}


@dataclass(frozen=True)
class Seen:
    """A run with every agent at work in a set-up, and what doctor says of it afterwards."""

    desk: Desk
    sent: Mapping[str, str]
    findings: tuple[Mapping[str, Any], ...]

    def astray(self) -> set[str]:
        """The agents that ran on another model than their files ask for, by the wire."""
        return {agent for agent, asked in ASKED.items() if asked and is_astray(asked, self.sent[agent])}

    def of(self, check: str) -> list[Mapping[str, Any]]:
        """The findings of one check that say that something is wrong."""
        found = (one for one in self.findings if one["id"] == f"tiers.{check}")
        return [one for one in found if one["status"] not in ("ok", "skipped")]


def is_astray(asked: str, sent: str) -> bool:
    """Whether this is another model than the one asked for; a name of the user's own may be any."""
    if asked == "inherit":
        return False
    if not families(asked):
        return bare(asked) != bare(sent)
    return (family(sent) or family(asked)) not in families(asked)


@pytest.fixture(scope="module", params=SET_UPS, ids=lambda name: name.replace(", ", " ").replace(" ", "-"))
def seen(
    request: pytest.FixtureRequest, client: Claude, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    """One run of the client for each set-up."""
    setup = SET_UPS[request.param]
    with desk_at(client, tmp_path_factory.mktemp("tiers")) as desk:
        prepare(desk, setup)
        desk.api.script("main", [at_once(*(delegate(agent, agent) for agent in ASKED)), text("done")])
        for agent in ASKED:
            desk.api.script(agent, [text("found")])
        desk.ask("main")
        sent = {agent: desk.api.first(agent).model for agent in ASKED}
        yield Seen(desk, sent, tuple(doctor(desk)))


def prepare(desk: Desk, setup: SetUp) -> None:
    """Write the agents and the settings, and set the variables."""
    for agent, asked in ASKED.items():
        model = () if asked is None else (f'model: "{asked}"',)
        fields = (f"name: {agent}", "description: Use it when asked.", "tools: Read", *model)
        write(desk.home.agents / f"{agent}.md", agent_file(*fields))
    write(desk.home.settings, setup.user)
    write(desk.home.project / ".claude" / "settings.json", setup.project)
    desk.home.env.update(setup.env)


def doctor(desk: Desk) -> list[Mapping[str, Any]]:
    """Doctor's findings about tiers."""
    ran = desk.command(PROGRAM, "--json", "doctor", "--offline", "--check", "tiers")
    assert ran.code in (0, 2), ran.output
    return list(json.loads(ran.stdout)["findings"])


def world_of(desk: Desk) -> World:
    """The desk's home as the checks see it."""
    home = desk.home
    layout = Layout(
        home=home.home,
        cwd=home.project,
        claude_dir=home.claude_dir,
        client_state=home.client_json,
        config=home.home / "config.yaml",
        state=home.home / "state",
    )
    return World(layout, home.env)


def test_every_agent_runs_on_the_predicted_model(seen: Seen, facts: ClientFacts) -> None:
    by = subagent_models.steering(world_of(seen.desk))
    predicted = {agent: subagent_models.outcome(asked, facts, by).model for agent, asked in ASKED.items()}
    # An id without a date in availableModels goes out with it.
    sent = {agent: re.sub(r"-\d{8}$", "", model) for agent, model in seen.sent.items()}
    assert {agent: re.sub(r"-\d{8}$", "", model) for agent, model in predicted.items()} == sent


def test_doctor_names_the_agents_that_went_astray_and_no_others(seen: Seen) -> None:
    found = seen.of("effective")
    named = {name for one in found for name in names_in(one["message"])}
    assert named == seen.astray()
    assert {one["status"] for one in found} <= {"error"}
    for one in found:
        (model,) = {seen.sent[name] for name in names_in(one["message"])}
        assert any(word.strip("(),:").startswith(model[:15]) for word in one["message"].split()), (model, one)


def names_in(message: str) -> set[str]:
    """The agents that a finding begins with."""
    return set(message.partition(" ask")[0].split(", "))


def test_what_went_astray_has_a_cause_that_doctor_names_too(seen: Seen) -> None:
    causes = [
        one for check in ("subagent-override", "alias-override", "available-models") for one in seen.of(check)
    ]
    renamed = "modelOverrides" in json.loads(seen.desk.home.settings.read_text(encoding="utf-8"))
    if seen.astray() and not renamed:
        assert any(one["status"] in ("warning", "error") for one in causes)
    for one in causes:
        assert (
            one["path"] is None or Path(one["path"]).read_text(encoding="utf-8").splitlines()[one["line"] - 1]
        )


def test_doctor_reads_the_same_off_the_clients_transcripts(seen: Seen) -> None:
    observed = {one["message"].partition(" asks for ")[0] for one in seen.of("observed")}
    assert observed == {
        agent for agent in seen.astray() if family(seen.sent[agent]) and families(ASKED[agent] or "")
    }
    for one in seen.of("observed"):
        agent = one["message"].partition(" asks for ")[0]
        assert f"its last run ran on {seen.sent[agent]} " in one["message"]


def with_model(agent: str, conversation: str, model: str) -> TurnMaker:
    """Claude starts an agent and names a model in the call."""

    def make(request: MessagesRequest) -> Any:
        return tool_use(
            request.delegation_tool(),
            description=f"run {agent}",
            subagent_type=agent,
            prompt=planted(conversation, "Do your work."),
            run_in_background=False,
            model=model,
        )

    return make


def test_a_model_that_claude_names_in_the_call_goes_before_the_file(desk: Desk, facts: ClientFacts) -> None:
    prepare(desk, SetUp())
    desk.api.script(
        "main", [at_once(with_model("cheap", "asked", "opus"), delegate("cheap", "plain")), text("done")]
    )
    desk.api.script("asked", [text("found")])
    desk.api.script("plain", [text("found")])
    desk.ask("main")
    assert desk.api.first("asked").model == facts.models["opus"]
    assert desk.api.first("plain").model == facts.models["haiku"]
    (found,) = [one for one in doctor(desk) if one["status"] in ("info", "warning", "error")]
    assert found["id"] == "tiers.observed"
    assert "cheap asks for haiku; 1 of its last 2 runs ran on " + facts.models["opus"] in found["message"]
    # Only 2.1.330 writes down who chose the model.
    assert ("Claude named that model in the call" in found["message"]) == (desk.client.version == "2.1.330")


def test_what_the_client_does_not_read_is_no_fault(desk: Desk, facts: ClientFacts) -> None:
    """Neither the project's .env files, nor settings.local.json beside the user's settings."""
    prepare(desk, SetUp())
    for name in (".env", ".env.local"):
        write(desk.home.project / name, f"{OVERRIDE}=sonnet\n{HAIKU}=claude-opus-4-8\n")
    local = write(desk.home.claude_dir / "settings.local.json", {"env": {HAIKU: "claude-opus-4-8"}})
    desk.api.script("main", [at_once(delegate("cheap", "cheap"), delegate("untold", "untold")), text("done")])
    desk.api.script("cheap", [text("found")])
    desk.api.script("untold", [text("found")])
    desk.ask("main")
    assert desk.api.first("cheap").model == facts.models["haiku"]
    assert desk.api.first("untold").model == facts.models["opus"]
    found = doctor(desk)
    assert {one["status"] for one in found} <= {"ok", "info"}
    assert not [one for one in found if one["path"] == str(local)]
