"""`restore`: lists the backups, shows what one would change, and puts it back after a backup of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from supervisor_setup import backups, files
from supervisor_setup.apply import Prepared
from supervisor_setup.artefacts import ABSENT, Group, digest, file_artefact
from supervisor_setup.commands.install import unified_diff
from supervisor_setup.engine import Engine
from supervisor_setup.errors import UsageError, UserError
from supervisor_setup.layout import Layout, ScopeName, stable
from supervisor_setup.manifest import Manifest
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.result import Result, operations_to_json


def listing(layout: Layout) -> Result:
    """All backups, newest first."""
    return Result("restore", {"backups": [_to_json(backup) for backup in backups.listing(layout.state)]})


def restore(
    layout: Layout,
    name: str,
    paths: Sequence[Path],
    *,
    dry_run: bool,
    confirm: Callable[[Result], bool],
) -> Result:
    """Put the files of a backup back, or of these only `paths`.

    Raises:
        UsageError: there is no such backup, or it does not hold one of the paths.
        UserError: a file cannot be written, or the backup is damaged; nothing is changed then.
    """
    engine = Engine(layout, layout.scope(ScopeName.USER))
    manifest = engine.manifest()
    chosen = _chosen(_find(layout, name), [stable(layout.cwd / path) for path in paths])
    plan = tuple(operation for copy in chosen for operation in _operation(copy, manifest))
    prepared = engine.preview(plan, manifest)
    data: dict[str, Any] = {
        "restored": name,
        "dry_run": dry_run,
        "changed": bool(prepared),
        "operations": operations_to_json(plan),
        "diffs": [_difference(one) for one in prepared],
        "backup": None,
    }
    if dry_run or not prepared:
        return Result("restore", data)
    if not confirm(Result("restore", {**data, "dry_run": True})):
        raise UsageError("restore: not confirmed, nothing was changed")
    return Result("restore", {**data, "backup": engine.restore(plan, manifest)})


def _difference(prepared: Prepared) -> dict[str, str]:
    path = prepared.change.path
    # Without the lines around a change: in a file of the client's they may hold secrets.
    diff = unified_diff(str(path), prepared.before.data, prepared.computed.data, context=0)
    return {"path": str(path), "diff": diff}


def _find(layout: Layout, name: str) -> backups.Backup:
    for backup in backups.listing(layout.state):
        if backup.name == name:
            return backup
    raise UsageError(f"restore: there is no backup {name!r}", hint="supervisor-setup restore")


def _chosen(backup: backups.Backup, paths: Sequence[Path]) -> Sequence[backups.Copy]:
    held = {copy.path: copy for copy in backup.copies}
    for path in paths:
        if path not in held:
            raise UsageError(
                f"{path}: backup {backup.name} does not hold this file, only {', '.join(map(str, held))}",
                hint="supervisor-setup restore",
            )
    return [held[path] for path in dict.fromkeys(paths)] if paths else backup.copies


def _operation(copy: backups.Copy, manifest: Manifest) -> list[Operation]:
    stored = files.read(copy.stored).data
    if stored is None or digest(stored) != copy.digest:
        raise UserError(
            f"{copy.stored}: the backup is damaged, nothing was changed",
            hint=f"compare it by hand: diff '{copy.stored}' '{copy.path}'",
        )
    now = files.read(copy.path).data
    if now == stored:
        return []
    wanted = file_artefact(Group.BACKUP, copy.path, stored)
    decision = Decision.RESTORE if now is None else Decision.OVERWRITE
    record = manifest.records.get(wanted.address)
    return [Operation(decision, wanted.address, wanted, ABSENT if now is None else now, record)]


def _to_json(backup: backups.Backup) -> dict[str, Any]:
    return {
        "name": backup.name,
        "command": backup.command,
        "paths": [str(copy.path) for copy in backup.copies],
    }
