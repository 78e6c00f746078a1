"""Drift: what is on disk against what was installed and what would be installed now."""

from collections.abc import Iterator

from supervisor_setup.checks.check import Check
from supervisor_setup.checks.world import Installed, World
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.plan import Decision, Operation


def missing(world: World) -> Iterator[Finding]:
    """Something that was installed is gone.

    What was deleted no longer takes work off Claude: an agent cannot be delegated to, a server or its
    permission rule is missing.

    Mend: `doctor --fix`, or `install`, brings it back; `agents.exclude` in config.yaml leaves an agent out
    for good.
    """
    for where, operation in _operations(world, Decision.RESTORE):
        yield _finding(
            "drift.missing",
            operation,
            "was installed and is gone",
            f"to bring it back: {where.install_command}",
        )


def edited(world: World) -> Iterator[Finding]:
    """Something that was installed was changed by hand.

    It is kept as you have it, so it no longer follows config.yaml, nor newer versions of ours.

    Mend: `doctor --verbose` shows the difference, `install --overwrite` takes ours back after a backup.
    """
    for where, operation in _operations(world, Decision.KEEP_EDITED):
        yield _finding(
            "drift.edited",
            operation,
            "was changed since it was installed; install keeps your version",
            f"to see it: {where.engine.layout.command} doctor --verbose; "
            f"to take ours back: {where.install_command} --overwrite{_or_exclude(operation)}",
        )


def outdated(world: World) -> Iterator[Finding]:
    """Something installed is not what would be installed now.

    config.yaml or the program has changed since the last install, and the client still has the old state.

    Mend: `doctor --fix`, or `install`.
    """
    for where, operation in _operations(world, Decision.UPDATE):
        yield _finding(
            "drift.outdated",
            operation,
            "is older than the config or the program",
            f"to renew it: {where.install_command}",
        )
    for where, operation in _operations(world, Decision.CREATE):
        if isinstance(where.manifest, UserError) or where.manifest.empty:
            continue
        yield _finding(
            "drift.outdated", operation, "is new and not installed yet", f"to add it: {where.install_command}"
        )


def both_changed(world: World) -> Iterator[Finding]:
    """Something installed was changed by hand, and ours has changed too.

    Your version is kept and lacks what is new in ours.

    Mend: `doctor --verbose` shows both; `install --overwrite` takes ours after a backup.
    """
    for where, operation in _operations(world, Decision.KEEP_BOTH):
        yield _finding(
            "drift.both-changed",
            operation,
            "was changed by you, and a newer version of ours is there; install keeps yours",
            f"to compare: {where.engine.layout.command} doctor --verbose; "
            f"to take ours: {where.install_command} --overwrite",
        )


def orphan(world: World) -> Iterator[Finding]:
    """Something installed is not wanted any more.

    It still stands in the client's configuration and costs context there.

    Mend: `doctor --fix`, or `install`, removes it; what you changed is kept and yours from then on.
    """
    for where, operation in _operations(world, Decision.REMOVE, Decision.KEEP_ORPHAN):
        yield _finding(
            "drift.orphan",
            operation,
            "was installed and is not wanted any more",
            f"to settle it: {where.install_command}",
        )


def conflict(world: World) -> Iterator[Finding]:
    """Something of your own has the name of something that would be installed.

    Yours is kept, so what the rest of the installation expects under this name may behave differently.

    Mend: rename yours, exclude ours in config.yaml, or take ours with `install --overwrite`.
    """
    for where, operation in _operations(world, Decision.KEEP_USERS):
        yield _finding(
            "drift.conflict",
            operation,
            "is your own, under a name that supervisor-setup would use; install keeps yours",
            f"rename yours, or take ours after a backup: {where.install_command} --overwrite"
            f"{_or_exclude(operation)}",
            status=Status.WARNING,
        )


def manifest(world: World) -> Iterator[Finding]:
    """The record of what was installed is missing, damaged, or tells of an interrupted run.

    Without it nobody knows what is ours, so nothing can be updated or removed.

    Mend: `install` finishes an interrupted run and makes a missing record; a damaged one is moved away first.
    """
    for where in world.installed:
        path = where.engine.store.manifest_path
        if isinstance(where.manifest, UserError):
            yield Finding(
                "drift.manifest", Status.ERROR, where.manifest.message, path=path, hint=where.manifest.hint
            )
        elif where.interrupted:
            yield Finding(
                "drift.manifest",
                Status.ERROR,
                "a run was interrupted before it was done",
                path=where.engine.store.journal_path,
                hint=f"to finish it: {where.install_command}",
                fixable=True,
            )
        elif where.manifest.empty:
            yield Finding(
                "drift.manifest",
                Status.INFO,
                f"supervisor-setup has installed nothing in the {where.engine.scope.name} scope",
                hint=where.install_command,
            )
        if isinstance(where.plan, UserError) and where.plan is not where.manifest:
            yield from _unplanned(world, where)


def _unplanned(world: World, where: Installed) -> Iterator[Finding]:
    """Without a readable config the plan is unknown, but what was installed can still be looked for."""
    if isinstance(where.manifest, UserError) or where.plan is world.config:
        return
    assert isinstance(where.plan, UserError)
    yield Finding("drift.manifest", Status.ERROR, where.plan.message, hint=where.plan.hint)


def _operations(world: World, *decisions: Decision) -> Iterator[tuple[Installed, Operation]]:
    for where in world.installed:
        if not isinstance(where.plan, UserError):
            for operation in where.plan:
                if operation.decision in decisions:
                    yield where, operation


def _or_exclude(operation: Operation) -> str:
    """How an agent becomes the user's own for good."""
    if operation.address.path.parent.name != "agents":
        return ""
    return f"; to keep yours for good: add {operation.address.path.stem} to agents.exclude in config.yaml"


def _finding(
    check: str, operation: Operation, what: str, hint: str, *, status: Status = Status.ERROR
) -> Finding:
    label = operation.address.label
    return Finding(
        check,
        status,
        f"{label} {what}" if label else what,
        path=operation.address.path,
        hint=hint,
        fixable=operation.decision.writes,
    )


CHECKS = (
    Check("drift.missing", missing),
    Check("drift.edited", edited),
    Check("drift.outdated", outdated),
    Check("drift.both-changed", both_changed),
    Check("drift.orphan", orphan),
    Check("drift.conflict", conflict),
    Check("drift.manifest", manifest),
)
