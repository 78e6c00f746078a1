"""`litellm`: prints what LiteLLM's config.yaml needs, compares a file with it, merges it, takes it out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor_setup import __version__, apply, compiled, litellm, transaction
from supervisor_setup.commands.install import differences
from supervisor_setup.edit import yaml_entries
from supervisor_setup.errors import Exit, UsageError
from supervisor_setup.layout import Layout, stable
from supervisor_setup.manifest import Manifest
from supervisor_setup.plan import Operation
from supervisor_setup.result import Result, operations_to_json
from supervisor_setup.store import Store
from supervisor_setup.values import dataclass


class Action(StrEnum):
    """What is to be done with LiteLLM's file."""

    COMPARE = "compare"
    WRITE = "write"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command line."""

    action: Action
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Prospect:
    """A merge or removal that has been worked out and could be carried out as it is."""

    path: Path
    store: Store
    manifest: Manifest
    plan: tuple[Operation, ...]
    prepared: tuple[apply.Prepared, ...]
    notes: tuple[str, ...]


def additions(layout: Layout) -> Result:
    """The additions as a file of their own.

    Raises:
        UserError: config.yaml is not in order, or no backend offers a model that a tool asks for.
    """
    found = litellm.additions(compiled.load(layout).config)
    document = found.document()
    data = {"additions": document, "yaml": yaml_entries.dump(document), "notes": list(found.notes)}
    return Result("litellm", data)


def merge(layout: Layout, file: Path, choices: Choices, confirm: Callable[[Result], bool]) -> Result:
    """Compare LiteLLM's file with what it needs and, where asked to, change it after `confirm`.

    Comparing exits with 2 where anything would change or is not as wanted.

    Raises:
        UserError: something stands in the way; nothing has been changed then.
        UsageError: the user said no.
    """
    prospect = _work_out(layout, file, choices)
    shown = _data(prospect, choices, dry_run=True)
    if choices.action is Action.COMPARE:
        drifted = any(operation.decision.drift for operation in prospect.plan)
        return Result("litellm", shown, Exit.DRIFT if drifted else Exit.OK)
    if choices.dry_run:
        return Result("litellm", shown)
    if prospect.prepared and not confirm(Result("litellm", shown)):
        raise UsageError("litellm: not confirmed, nothing was changed")
    settled = replace(prospect.manifest, tool_version=__version__)
    # A LiteLLM config may come to hold keys, so one that we create is the user's alone.
    request = apply.Request(prospect.plan, settled, "litellm", private=(prospect.path,))
    backup = transaction.carry_out(request, prospect.manifest, prospect.store)
    return Result("litellm", {**_data(prospect, choices, dry_run=False), "backup": backup})


def _work_out(layout: Layout, file: Path, choices: Choices) -> Prospect:
    path = stable(layout.cwd / file)
    store = Store(layout.state, "litellm", path)
    manifest = transaction.recorded(store)
    # Taking ours out needs no config.yaml, so it works with a broken one.
    wanted = None if choices.action is Action.REMOVE else litellm.additions(compiled.load(layout).config)
    plan = transaction.compare(
        wanted.artefacts(path) if wanted else (), manifest.records, overwrite=choices.overwrite
    )
    prepared = apply.prepare(plan, manifest, store)
    return Prospect(path, store, manifest, plan, prepared, wanted.notes if wanted else ())


def _data(prospect: Prospect, choices: Choices, *, dry_run: bool) -> Mapping[str, Any]:
    return {
        "file": str(prospect.path),
        "action": choices.action,
        "dry_run": dry_run,
        "changed": bool(prospect.prepared),
        "operations": operations_to_json(prospect.plan),
        "diffs": differences(prospect.plan),
        "backup": None,
        "notes": list(prospect.notes),
    }
