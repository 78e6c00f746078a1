"""`install`: plan, show, apply, verify. `diff` is the same without the last two."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from supervisor_setup import config_file, pipeline_skill
from supervisor_setup.apply import Prepared
from supervisor_setup.artefacts import Absent, Group, Kind
from supervisor_setup.compiled import Compiled, compile_config
from supervisor_setup.config import Config
from supervisor_setup.desired import ALL_GROUPS, McpTarget, Options
from supervisor_setup.engine import Engine
from supervisor_setup.errors import Exit, UsageError
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.manifest import Manifest
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.result import Result, operations_to_json
from supervisor_setup.secrets import masked
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command line; no target means that of the last time, no `only` means all parts."""

    scope: ScopeName = ScopeName.USER
    urls: Mapping[str, str] = field(default_factory=dict)
    server: Mapping[str, str | None] = field(default_factory=dict)
    mcp_target: McpTarget | None = None
    only: tuple[Group, ...] = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Prospect:
    """An install that has been worked out and could be carried out as it is."""

    engine: Engine
    compiled: Compiled
    options: Options
    manifest: Manifest
    plan: tuple[Operation, ...]
    prepared: tuple[Prepared, ...]

    @property
    def pending(self) -> bool:
        """Whether carrying it out would change a file."""
        return bool(self.prepared)


def work_out(layout: Layout, choices: Choices) -> Prospect:
    """Compute the plan and the files that it leads to; writes nothing.

    Raises:
        UserError: the config, or a file that would be edited, is not in order.
    """
    engine = Engine(layout, layout.scope(choices.scope))
    draft = config_file.draft(layout.config, choices.urls, choices.server)
    compiled = compile_config(layout, draft.after)
    manifest = engine.manifest()
    options = _options(engine, manifest, choices)
    plan = engine.plan(compiled, manifest, options, only=choices.only, overwrite=choices.overwrite)
    if draft.operation is not None:
        plan = (draft.operation, *plan)
    return Prospect(engine, compiled, options, manifest, plan, engine.preview(plan, manifest))


def install(layout: Layout, choices: Choices, *, dry_run: bool, confirm: Callable[[Result], bool]) -> Result:
    """Install into a scope. `confirm` is shown the plan and says whether to go on.

    Raises:
        UserError: something stands in the way; nothing has been changed then.
        UsageError: the user said no.
    """
    prospect = work_out(layout, choices)
    if dry_run:
        return _result(prospect, dry_run=True, backup=None)
    if prospect.pending and not confirm(_result(prospect, dry_run=True, backup=None)):
        raise UsageError("install: not confirmed, nothing was changed")
    backup = prospect.engine.install(prospect.plan, prospect.manifest, prospect.options, prospect.compiled)
    return _result(prospect, dry_run=False, backup=backup)


def diff(layout: Layout, choices: Choices) -> Result:
    """What install would change, as unified diffs; exit code 2 when it would or something drifted.

    Raises:
        UserError: as `install`.
    """
    prospect = work_out(layout, choices)
    # What was the user's before us is no drift, and stays as it is for good.
    drifted = any(one.decision.drift and one.decision is not Decision.KEEP_USERS for one in prospect.plan)
    data = {
        "scope": choices.scope,
        "operations": operations_to_json([one for one in prospect.plan if one.decision.drift]),
        "diffs": differences(prospect.plan),
    }
    return Result("diff", data, Exit.DRIFT if drifted else Exit.OK)


def differences(plan: Sequence[Operation]) -> list[dict[str, str]]:
    """What a plan changes: whole files of ours, and of shared files our entries alone.

    The rest of a shared file may hold the user's secrets and is nobody's business here.
    """
    return [
        {"path": str(operation.address.path), "diff": difference(operation)}
        for operation in plan
        if operation.decision.writes
    ]


def unified_diff(name: str, before: bytes | None, after: bytes | None, *, context: int = 3) -> str:
    """The difference of two states of a file; None is a file that does not exist."""
    import difflib

    lines = difflib.unified_diff(
        _lines(before),
        _lines(after),
        "/dev/null" if before is None else name,
        "/dev/null" if after is None else name,
        n=context,
    )
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
    )


def difference(operation: Operation) -> str:
    """What is on disk against what is wanted, for one artefact; secrets are masked, equality is empty."""
    if not operation.decision.drift:
        return ""
    wanted = operation.wanted if isinstance(operation.wanted, Absent) else operation.wanted.content
    address = operation.address
    name = f"{address.path} {address.label}" if address.label else str(address.path)
    show = _yaml if address.kind is Kind.YAML_ITEM else _json
    return unified_diff(name, _bytes(operation.actual, show), _bytes(wanted, show))


def _bytes(content: Any, show: Callable[[Any], str]) -> bytes | None:
    if isinstance(content, Absent):
        return None
    return content if isinstance(content, bytes) else show(masked(content)).encode("utf-8", "replace")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    from supervisor_setup.edit import yaml_entries

    return yaml_entries.dump([value])


def _lines(data: bytes | None) -> list[str]:
    return [] if data is None else data.decode("utf-8", "backslashreplace").splitlines(keepends=True)


def _options(engine: Engine, manifest: Manifest, choices: Choices) -> Options:
    known = engine.options(manifest)
    groups: Sequence[Group] = ALL_GROUPS
    if choices.only:
        if choices.mcp_target and Group.MCP not in choices.only:
            raise UsageError("install: --mcp-target is about the mcp part, which --only leaves out")
        # A part installed alone is all that there is; one re-installed leaves the others as they were.
        before = known.groups if manifest.records else ()
        groups = [group for group in ALL_GROUPS if group in before or group in choices.only]
    return Options(mcp_target=choices.mcp_target or known.mcp_target, groups=tuple(groups))


def _result(prospect: Prospect, *, dry_run: bool, backup: str | None) -> Result:
    settings = prospect.compiled.config
    data: dict[str, Any] = {
        "scope": prospect.engine.scope.name,
        "dry_run": dry_run,
        "changed": prospect.pending,
        "operations": operations_to_json(prospect.plan),
        "backup": backup,
        "config": str(settings.path),
        "server": settings.server_name,
        "program": None if shutil.which("supervisor-setup") else _program(),
        "backends": [] if dry_run or not prospect.pending or settings.server_url else _probed(settings),
        "embedded_lacks_model": not settings.server_url and _lacks_model(settings),
        "server_url": settings.server_url,
        "token_env": settings.server_token_env,
        "token_set": bool(os.environ.get(settings.server_token_env)),
        "pipeline_budget_usd": _newly_allowed(prospect),
    }
    return Result("install", data)


def _newly_allowed(prospect: Prospect) -> float | None:
    """What a run may spend that Claude may start from now on; None where that is not new."""
    rules = {rule.address for rule in pipeline_skill.rules(prospect.engine.scope)}
    new = any(one.address in rules and one.decision is Decision.CREATE for one in prospect.plan)
    return prospect.compiled.config.pipeline.budget_usd if new else None


def _program() -> str:
    """Where this program is, for a user whose PATH does not lead to it."""
    return str(Path(sys.argv[0]).absolute())


def _lacks_model(settings: Config) -> bool:
    from supervisor_mcp.embedded import parts
    from supervisor_mcp.settings import from_mapping

    return parts.lacks_model(from_mapping(settings.server).embedded)


def _probed(settings: Config) -> list[dict[str, Any]]:
    from supervisor_setup import reachability

    return reachability.probe_all(settings.backends)
