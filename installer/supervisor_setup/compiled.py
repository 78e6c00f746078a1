"""What follows from config.yaml and the bundled sources: the checked config and every rendered file.

Working it out takes YAML, JSON Schema and Jinja2, some 200 ms of imports alone. `install` keeps the result in
the state folder, with a key of all that went into it, so that a run in which nothing changed stays quick.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from supervisor_setup import __version__, assets, files
from supervisor_setup.config import Config, PipelineChoices, parse
from supervisor_setup.layout import Layout
from supervisor_setup.values import dataclass

_COMMAND = "%COMMAND%"
"""Where the manual of the pipelines' skill names its command, which differs between scopes."""


@dataclass(frozen=True, slots=True)
class PipelineSkill:
    """The files of the skill `document-pipeline`, but for the command that its manual names."""

    text: str
    script: bytes

    def manual(self, command: str) -> bytes:
        """SKILL.md with the command by which its script is started."""
        return self.text.replace(_COMMAND, command).encode("utf-8")


@dataclass(frozen=True, slots=True)
class Compiled:
    """The config in force, each agent's file name and content, and the skills.

    `kept` tells that it was read back, not worked out.
    """

    key: str
    config: Config
    agents: Mapping[str, bytes]
    skill: bytes
    pipeline: PipelineSkill
    kept: bool = False


def compile_config(layout: Layout, data: bytes | None) -> Compiled:
    """Work out what a config.yaml of these bytes leads to; None is a config that does not exist.

    Raises:
        ConfigError: the config is not valid, or names an agent or tier that there is not.
    """
    key = compile_key(layout.config, data)
    return _kept(layout, key) or _worked_out(layout, data, key)


def load(layout: Layout) -> Compiled:
    """The same for the config.yaml that is there.

    Raises:
        ConfigError: as `compile_config`.
        TargetError: it cannot be read.
    """
    return compile_config(layout, files.read(layout.config).data)


def keep(layout: Layout, compiled: Compiled) -> None:
    """Remember the result for the next run; replaces what was remembered for this config.yaml."""
    config = asdict(compiled.config)
    body = {
        "key": compiled.key,
        "config": {**config, "path": str(compiled.config.path), "exclude": sorted(compiled.config.exclude)},
        "agents": {name: content.decode("utf-8") for name, content in compiled.agents.items()},
        "skill": compiled.skill.decode("utf-8"),
        "pipeline": {"text": compiled.pipeline.text, "script": compiled.pipeline.script.decode("utf-8")},
    }
    files.write_private(layout.compiled, json.dumps(body).encode("ascii"))


def _kept(layout: Layout, key: str) -> Compiled | None:
    try:
        body = json.loads(layout.compiled.read_bytes())
        if body["key"] != key:
            return None
        config: dict[str, Any] = body["config"]
        return Compiled(
            key,
            Config(
                **{
                    **config,
                    "path": layout.config,
                    "exclude": frozenset(config["exclude"]),
                    "pipeline": PipelineChoices(**config["pipeline"]),
                }
            ),
            {name: text.encode("utf-8") for name, text in body["agents"].items()},
            body["skill"].encode("utf-8"),
            PipelineSkill(body["pipeline"]["text"], body["pipeline"]["script"].encode("utf-8")),
            kept=True,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Missing, or damaged: it holds nothing that cannot be worked out again.
        return None


def rendered(config: Config) -> tuple[Mapping[str, bytes], bytes]:
    """The agents' files by name, and the skill.

    Raises:
        ConfigError: the config names an agent or a tier that there is not.
    """
    from supervisor_setup import agents, render

    choices: dict[str, Any] = {
        "tiers": config.tiers,
        "agent_tiers": config.agent_tiers,
        "exclude": config.exclude,
        "server_name": config.server_name,
        "tool_names": config.tool_names,
    }
    sources = agents.load_sources(assets.agents())
    by_name = render.render_agents(sources, replace_explore=config.replace_explore, **choices)
    return by_name, render.render_skill(sources, **choices)


def _worked_out(layout: Layout, data: bytes | None, key: str) -> Compiled:
    config = parse(layout.config, data or b"")
    agents, skill = rendered(config)
    return Compiled(key, config, agents, skill, _pipeline_skill(config))


def _pipeline_skill(config: Config) -> PipelineSkill:
    from supervisor_setup import pipeline_scripts, render

    manual = render.render_template(
        assets.templates() / "skills" / "document-pipeline" / "SKILL.md.j2",
        command=_COMMAND,
        budget=f"{config.pipeline.budget_usd:g}",
    )
    script = pipeline_scripts.skill_script(model=config.pipeline.model, config=config.path)
    return PipelineSkill(manual.decode("utf-8"), script)


def compile_key(config: Path, data: bytes | None) -> str:
    """Hash of everything that the result for a config.yaml there, of these bytes, depends on."""
    stamp = hashlib.sha256(f"{__version__}\0{config}\0{data!r}".encode("utf-8", "surrogateescape"))
    for folder in (assets.agents(), assets.templates()):
        for path in sorted(folder.rglob("*")):
            found = path.stat()
            stamp.update(f"\0{path}\0{found.st_mtime_ns}\0{found.st_size}".encode("utf-8", "surrogateescape"))
    return stamp.hexdigest()
