"""Works out which model a subagent will run on, and what makes it so.

Measured on the wire with 2.1.197 and 2.1.330, for each kind of agent file and each setting below. What Claude
itself asks for in a call goes before the agent's file; that is nothing that a file could tell.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor_setup.checks import variables
from supervisor_setup.checks.client_files import Level, SettingsFile
from supervisor_setup.checks.documents import Document
from supervisor_setup.checks.followed_settings import followed
from supervisor_setup.checks.model_names import FAMILIES, INHERIT, bare, families, family, shown
from supervisor_setup.checks.variables import Assignment
from supervisor_setup.checks.world import World
from supervisor_setup.client_facts import ClientFacts
from supervisor_setup.values import dataclass

OVERRIDE = "CLAUDE_CODE_SUBAGENT_MODEL"
FORCE = "CLAUDE_CODE_SUBAGENT_MODEL_FORCE"
MAIN = "ANTHROPIC_MODEL"
ALIASES: Mapping[str, str] = {one: f"ANTHROPIC_DEFAULT_{one.upper()}_MODEL" for one in FAMILIES}
_ON = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Cause:
    """What puts an agent on another model, where it stands, and how to take it back.

    `renames` tells that it gives an alias or id another name, which may well be of the same kind.
    """

    text: str
    hint: str
    path: Path | None = None
    line: int | None = None
    renames: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """The models that `availableModels` allows: families, and ids or beginnings of ids."""

    entries: tuple[str, ...]
    path: Path
    line: int | None
    enforced: bool = False

    def allows(self, model: str) -> bool:
        """Whether the client would send `model`; an id of a family makes the family's name mean nothing."""
        name, kind = bare(model), family(model)
        if kind in self.entries and not self.of_family(kind):
            return True
        return any(name in (one, _full(one)) or name.startswith(f"{_full(one)}-") for one in self._ids)

    def of_family(self, kind: str | None) -> tuple[str, ...]:
        """The ids of one family that are allowed, where single ones are, the newest last."""
        return tuple(sorted((one for one in self._ids if family(one) == kind), key=_version))

    @property
    def _ids(self) -> tuple[str, ...]:
        return tuple(one for one in self.entries if one not in FAMILIES)

    @property
    def cause(self) -> Cause:
        """The list as what puts an agent elsewhere."""
        hint = "add the models that your agents ask for to availableModels there, or remove it"
        return Cause("availableModels does not allow it", hint, self.path, self.line)


@dataclass(frozen=True, slots=True)
class Steering:
    """Everything outside the agents' files that has a say in their models."""

    override: Assignment | None
    force: Assignment | None
    aliases: Mapping[str, Assignment]
    allowed: Allowed | None
    renamed: Mapping[str, tuple[str, Cause]]
    main: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The model that goes out, and its family.

    `main` tells that it is the main conversation's; `cause` is what put the agent there, other than its file.
    """

    model: str
    kind: str | None
    main: bool = False
    cause: Cause | None = None


def steering(world: World) -> Steering:
    """What steers subagents here."""
    return world.memo.get("steering", lambda: _steering(world))


def outcome(asked: str | None, facts: ClientFacts, by: Steering) -> Outcome:
    """What an agent whose file asks for `asked` runs on in a client with these facts."""
    main = _main(facts, by)
    forced = by.force if facts.subagent_model_can_be_forced else None
    if by.override is not None and (forced or facts.subagent_variable_overrides_agents or asked is None):
        overridden = _sent(by.override.value, facts, by, main)
        return overridden if overridden.cause else replace(overridden, cause=_override(by.override, forced))
    if forced is not None:
        text = f"{forced.shown} without {OVERRIDE} puts every agent on the main conversation's model"
        return replace(main, cause=_of_variable(forced, text))
    if asked is None or bare(asked) == INHERIT:
        return main
    return _sent(asked, facts, by, main)


def differs(asked: str | None, found: Outcome) -> bool:
    """Whether an agent runs on something else than its file asks for."""
    if asked is None or bare(asked) == INHERIT:
        return False
    if not families(asked):
        return bare(asked) != bare(found.model)
    if found.kind is None:
        # A model of the user's own choice, given the name of one that exists.
        return not (found.cause is not None and found.cause.renames)
    return found.kind not in families(asked)


def _sent(asked: str, facts: ClientFacts, by: Steering, main: Outcome) -> Outcome:
    """What the client sends for an alias or id."""
    kind = family(asked)
    alias = kind is not None and bare(asked) == kind
    if alias and kind is not None and kind in bare(main.model):
        return replace(main, kind=kind, main=False)
    found = _named(asked, facts, by)
    if by.allowed is None or by.allowed.allows(found.model):
        return _renamed(found, by)
    if alias and facts.forbidden_model_steps_down:
        lower = by.allowed.of_family(kind) or ((facts.models[kind],) if kind in by.allowed.entries else ())
        if lower:
            return Outcome(lower[-1], kind, cause=by.allowed.cause)
    if by.override is not None and not facts.subagent_variable_overrides_agents:
        instead = _named(by.override.value, facts, by)
        if by.allowed.allows(instead.model):
            return replace(_renamed(instead, by), cause=by.allowed.cause)
    return replace(main, cause=by.allowed.cause)


def _named(asked: str, facts: ClientFacts, by: Steering) -> Outcome:
    """The id behind an alias, or what stands there."""
    name = bare(asked)
    kind = {"best": "opus", "opusplan": "sonnet"}.get(name, name)
    if kind not in FAMILIES:
        return Outcome(asked.strip(), family(asked))
    variable = by.aliases.get(kind)
    if variable is None:
        return Outcome(facts.models[kind], kind)
    text = f"{variable.shown} stands for {kind}"
    return Outcome(variable.value, family(variable.value), cause=_of_variable(variable, text, renames=True))


def _renamed(found: Outcome, by: Steering) -> Outcome:
    other = by.renamed.get(found.model)
    if other is None:
        return found
    model, cause = other
    return replace(found, model=model, kind=family(model) or found.kind, cause=found.cause or cause)


def _main(facts: ClientFacts, by: Steering) -> Outcome:
    """The main conversation's model; the default depends on the account, and is a guess here."""
    if by.main is not None:
        named = _named(by.main, facts, by)
        if by.allowed is None or by.allowed.allows(named.model):
            return Outcome(named.model, named.kind, main=True)
    default = _named(facts.main_alias, facts, by)
    if by.allowed is not None and by.allowed.enforced and not by.allowed.allows(default.model):
        first = next((one for one in by.allowed.entries if family(one)), None)
        if first is not None:
            default = _named(first, facts, by)
    return Outcome(default.model, default.kind, main=True)


def _override(one: Assignment, forced: Assignment | None) -> Cause:
    if forced is None:
        return _of_variable(one, f"{one.shown} overrides it")
    return _of_variable(forced, f"{forced.name} makes {one.shown} override it")


def _of_variable(one: Assignment, text: str, *, renames: bool = False) -> Cause:
    return Cause(text, one.removal, one.path, one.line, renames)


def _steering(world: World) -> Steering:
    override = variables.effective(world, OVERRIDE)
    force = variables.effective(world, FORCE)
    main = variables.effective(world, MAIN)
    aliases = {kind: variables.effective(world, name) for kind, name in ALIASES.items()}
    files = followed(world)
    models = [one for _, document in files if isinstance(one := document.at("model"), str) and one]
    return Steering(
        override=override if override and override.value != INHERIT else None,
        force=force if force and force.value.lower() in _ON else None,
        aliases={kind: one for kind, one in aliases.items() if one is not None},
        allowed=_allowed(files),
        renamed=_renames(files),
        main=main.value if main else (models[-1] if models else None),
    )


def _allowed(files: Sequence[tuple[SettingsFile, Document]]) -> Allowed | None:
    """The lists of all files together, or an administrator's alone; the strongest file is the one to mend."""
    found: list[tuple[SettingsFile, Document, list[str]]] = []
    for settings, document in files:
        listed = document.at("availableModels")
        managed = settings.level is Level.MANAGED
        if isinstance(listed, list) and (managed or all(isinstance(one, str) for one in listed)):
            found.append((settings, document, [one for one in listed if isinstance(one, str)]))
        elif managed and listed is not None:
            found.append((settings, document, []))
    strict = [one for one in found if one[0].level is Level.MANAGED] or found
    if not strict:
        return None
    settings, document, _ = strict[-1]
    entries = dict.fromkeys(bare(entry) for _, _, listed in strict for entry in listed)
    enforced = [one for _, other in files if isinstance(one := other.at("enforceAvailableModels"), bool)]
    return Allowed(
        tuple(entries),
        settings.path,
        document.line_of("availableModels"),
        enforced=bool(entries) and enforced[-1:] == [True],
    )


def _renames(files: Sequence[tuple[SettingsFile, Document]]) -> dict[str, tuple[str, Cause]]:
    found = {}
    for settings, document in files:
        for model, other in document.mapping("modelOverrides").items():
            if isinstance(other, str) and other:
                line = document.line_of("modelOverrides", model)
                hint = f"remove {shown(model)} from modelOverrides there"
                text = f"modelOverrides puts {shown(other)} in the place of {shown(model)}"
                found[model] = (other, Cause(text, hint, settings.path, line, renames=True))
    return found


def _full(entry: str) -> str:
    return entry if entry.startswith("claude-") else f"claude-{entry}"


def _version(model: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", model)))
