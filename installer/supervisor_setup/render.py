"""Agent sources and the user's choices to the files that the client reads. Pure: data in, bytes out."""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor_setup import assets
from supervisor_setup.agents import AgentSource
from supervisor_setup.errors import ConfigError
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

EXPLORE = "Explore"
"""The built-in agent that a user agent of the same name replaces (measured on 2.1.197 and 2.1.330)."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:, [A-Za-z][A-Za-z0-9_-]*)*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NEEDS_ESCAPE = re.compile(r"[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class PlannedAgent:
    """An agent as it will be installed: which model it runs on and which tools it has."""

    source: AgentSource
    tier: str
    model: str
    tools: tuple[str, ...]


def plan_agents(  # noqa: PLR0913 - see render_agents
    sources: Sequence[AgentSource],
    *,
    tiers: Mapping[str, str],
    agent_tiers: Mapping[str, str],
    exclude: Collection[str],
    server_name: str,
    tool_names: Sequence[str],
) -> tuple[PlannedAgent, ...]:
    """The agents that the user's choices leave, each with its tier, model and tools.

    An agent that is there for the local tools is left out when no such tool is switched on.

    Raises:
        ConfigError: the choices name an agent or a tier that does not exist.
    """
    _require_known("agents.exclude", exclude, sources)
    _require_known("agents.tiers", agent_tiers, sources)
    local = tuple(f"mcp__{server_name}__{name}" for name in tool_names)
    planned: list[PlannedAgent] = []
    for source in sources:
        if source.name in exclude or (source.local_tools and not local):
            continue
        tier = agent_tiers.get(source.name, source.tier)
        tools = source.tools + (local if source.local_tools else ())
        planned.append(PlannedAgent(source, tier, _model(source, tier, tiers), tools))
    return tuple(planned)


def render_agents(  # noqa: PLR0913 - each is one part of config.yaml, and the callers name them
    sources: Sequence[AgentSource],
    *,
    tiers: Mapping[str, str],
    agent_tiers: Mapping[str, str],
    exclude: Collection[str],
    replace_explore: bool,
    server_name: str,
    tool_names: Sequence[str],
) -> dict[str, bytes]:
    """File name to content of every agent that the user's choices leave.

    With `replace_explore` the explorer is there a second time, under the name of the client's own Explore.

    Raises:
        ConfigError: as `plan_agents`.
    """
    planned = plan_agents(
        sources,
        tiers=tiers,
        agent_tiers=agent_tiers,
        exclude=exclude,
        server_name=server_name,
        tool_names=tool_names,
    )
    rendered = {f"{agent.source.name}.md": render_agent(agent) for agent in planned}
    if replace_explore:
        explorer = next((source for source in sources if source.name == "explorer"), None)
        if explorer is not None:
            tier = agent_tiers.get(explorer.name, explorer.tier)
            agent = PlannedAgent(explorer, tier, _model(explorer, tier, tiers), explorer.tools)
            rendered[f"{EXPLORE}.md"] = render_agent(agent, name=EXPLORE)
    return rendered


def render_agent(agent: PlannedAgent, *, name: str | None = None) -> bytes:
    """The agent's file for the client; `name` is another name to give it."""
    return render_template(
        assets.templates() / "agent.md.j2",
        name=name or agent.source.name,
        description=agent.source.description,
        tier=agent.tier,
        model=agent.model,
        tools=", ".join(agent.tools),
        color=agent.source.color,
        prompt=agent.source.prompt,
    )


def render_skill(  # noqa: PLR0913 - see render_agents
    sources: Sequence[AgentSource],
    *,
    tiers: Mapping[str, str],
    agent_tiers: Mapping[str, str],
    exclude: Collection[str],
    server_name: str,
    tool_names: Sequence[str],
) -> bytes:
    """The skill that tells Claude how to choose between itself, a subagent and a local model.

    Raises:
        ConfigError: as `plan_agents`.
    """
    planned = plan_agents(
        sources,
        tiers=tiers,
        agent_tiers=agent_tiers,
        exclude=exclude,
        server_name=server_name,
        tool_names=tool_names,
    )
    by_tier = {tier: [agent for agent in planned if agent.tier == tier] for tier in tiers}
    return render_template(
        assets.templates() / "skills" / "delegation" / "SKILL.md.j2",
        tiers=[(tier, tiers[tier], agents) for tier, agents in by_tier.items() if agents],
        local_tools=[f"mcp__{server_name}__{name}" for name in tool_names],
        local_delegate=any(agent.source.local_tools for agent in planned),
    )


def render_template(template: Path, **values: object) -> bytes:
    """A template of ours with its values, as UTF-8; a value that is missing is an error, never empty text."""
    environment = _environment(assets.templates())
    name = template.relative_to(assets.templates()).as_posix()
    return environment.get_template(name).render(**values).encode("utf-8")


def template_fault(template: Path) -> tuple[int, str] | None:
    """Line and reason of a syntax error in a template of ours, if it has one."""
    from jinja2 import TemplateSyntaxError  # see _environment

    try:
        _environment(assets.templates()).parse(template.read_text(encoding="utf-8"))
    except TemplateSyntaxError as error:
        return error.lineno, error.message or "not a valid template"
    return None


def yaml_scalar(text: str) -> str:
    """A one-line YAML scalar that reads back as `text`, in the client's parser too.

    JSON's quoting is YAML's, with two exceptions: line separators must be escaped, and so must `---`, at
    which the client ends the frontmatter even inside quotes.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    quoted = _NEEDS_ESCAPE.sub(lambda char: f"\\u{ord(char[0]):04x}", json.dumps(text, ensure_ascii=False))
    return quoted.replace("---", "--\\u002d")


@cache
def _environment(folder: Path) -> "SandboxedEnvironment":
    from jinja2 import FileSystemLoader, StrictUndefined  # 100 ms, for three commands only
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # markdown and YAML, which HTML escapes would spoil
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["yaml"] = lambda value: yaml_scalar(str(value))  # str() of a missing value raises
    return environment


def _model(source: AgentSource, tier: str, tiers: Mapping[str, str]) -> str:
    if tier in tiers:
        return tiers[tier]
    raise ConfigError(
        f"config.yaml: {source.name} is on the tier {tier!r}, and there are only {', '.join(tiers)}",
        hint=f"supervisor-setup config set tiers.{tier} haiku",
    )


def _require_known(key: str, names: Collection[str], sources: Sequence[AgentSource]) -> None:
    known = [source.name for source in sources]
    for name in sorted(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"config.yaml: `{key}` names {name!r}, and no bundled agent is called so",
                hint=f"did you mean {near[0]}?" if near else f"the agents are {', '.join(known)}",
            )
