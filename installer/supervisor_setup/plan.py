"""The three-way decision: what was written, what is there, what is wanted.

Pure: reads nothing, writes nothing. One plan serves `install`, `diff`, `doctor` and `uninstall`; the last is
the plan in which nothing is wanted.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from supervisor_setup.artefacts import ABSENT, Absent, Address, Artefact, Group, digest
from supervisor_setup.manifest import Record
from supervisor_setup.values import dataclass


class Decision(StrEnum):
    """What to do about one artefact."""

    CREATE = "create"
    UPDATE = "update"
    RESTORE = "restore"
    OVERWRITE = "overwrite"
    REMOVE = "remove"
    UNCHANGED = "unchanged"
    ADOPT = "adopt"
    RELEASE = "release"
    FORGET = "forget"
    KEEP_USERS = "keep-users"
    KEEP_EDITED = "keep-edited"
    KEEP_BOTH = "keep-both-changed"
    KEEP_ORPHAN = "keep-orphan"

    @property
    def writes(self) -> bool:
        """Whether a file of the user's changes."""
        return self in _WRITES

    @property
    def drift(self) -> bool:
        """Whether what is there differs from what is wanted."""
        return self in _WRITES or self in _KEEPS


_WRITES = frozenset({Decision.CREATE, Decision.UPDATE, Decision.RESTORE, Decision.OVERWRITE, Decision.REMOVE})
_KEEPS = frozenset({Decision.KEEP_USERS, Decision.KEEP_EDITED, Decision.KEEP_BOTH, Decision.KEEP_ORPHAN})

REASONS: Mapping[Decision, str] = {
    Decision.CREATE: "is new",
    Decision.UPDATE: "is ours and out of date",
    Decision.RESTORE: "was deleted since it was installed",
    Decision.OVERWRITE: "is yours or was changed by you; replaced, after a backup",
    Decision.REMOVE: "is ours; removed",
    Decision.UNCHANGED: "is as it should be",
    Decision.ADOPT: "was already there as wanted; it stays yours",
    Decision.RELEASE: "was yours before; it stays",
    Decision.FORGET: "is gone already",
    Decision.KEEP_USERS: "is yours, under a name that we would use; kept",
    Decision.KEEP_EDITED: "was changed by you; kept",
    Decision.KEEP_BOTH: "was changed by you, and ours has changed too; kept",
    Decision.KEEP_ORPHAN: "is no longer wanted, but was changed by you; kept, and yours from now on",
}

# For what is not ours, and is written because the user said so.
OTHER_REASONS: Mapping[Group, str] = {
    Group.CONFIG: "gets what you asked for",
    Group.BACKUP: "comes back as it was",
    Group.STRAY: "was left behind by a killed program; removed, after a backup",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One artefact and what to do about it.

    `wanted` is absent for an artefact that should go; `record` is None where we never wrote it.
    """

    decision: Decision
    address: Address
    wanted: Artefact | Absent
    actual: Any
    record: Record | None

    @property
    def reason(self) -> str:
        """Why, in half a sentence that follows the artefact's name."""
        if self.decision is Decision.CREATE:
            return REASONS[self.decision]
        if isinstance(self.wanted, Artefact) and self.wanted.group in OTHER_REASONS:
            return OTHER_REASONS[self.wanted.group]
        if self.record is not None and self.record.group in OTHER_REASONS:
            return OTHER_REASONS[self.record.group]
        return REASONS[self.decision]


def make_plan(
    desired: Sequence[Artefact],
    observed: Mapping[Address, Any],
    written: Mapping[Address, Record],
    *,
    overwrite: bool = False,
) -> tuple[Operation, ...]:
    """Decide on every artefact that is wanted or was written.

    `observed` maps each of their addresses to the content on disk or `ABSENT`.
    """
    wanted: dict[Address, Artefact] = {artefact.address: artefact for artefact in desired}
    addresses = [*wanted, *(address for address in written if address not in wanted)]
    return tuple(
        _operation(address, wanted.get(address, ABSENT), observed[address], written.get(address), overwrite)
        for address in addresses
    )


def _operation(
    address: Address, wanted: Artefact | Absent, actual: Any, record: Record | None, overwrite: bool
) -> Operation:
    actual_digest = None if actual is ABSENT else digest(actual)
    if isinstance(wanted, Absent):
        decision = _without_want(actual_digest, record)
    else:
        decision = decide(
            None if record is None or not record.owned else record.digest,
            actual_digest,
            wanted.digest,
            known=record is not None,
            overwrite=overwrite,
        )
    return Operation(decision, address, wanted, actual, record)


def decide(written: str | None, actual: str | None, wanted: str, *, known: bool, overwrite: bool) -> Decision:
    """The decision for a wanted artefact, from digests.

    `written` is None where what stood there was never ours; `known` tells whether the manifest already says
    so, which is the difference between adopting and having adopted.
    """
    if actual is None:
        return Decision.RESTORE if written is not None else Decision.CREATE
    if actual == wanted:
        return Decision.UNCHANGED if known else Decision.ADOPT
    if actual == written:
        return Decision.UPDATE
    if overwrite:
        return Decision.OVERWRITE
    if written is None:
        return Decision.KEEP_USERS
    return Decision.KEEP_EDITED if written == wanted else Decision.KEEP_BOTH


def _without_want(actual: str | None, record: Record | None) -> Decision:
    assert record is not None, "an artefact that is neither wanted nor written is not planned"
    if actual is None:
        return Decision.FORGET
    if not record.owned:
        return Decision.RELEASE
    return Decision.REMOVE if actual == record.digest else Decision.KEEP_ORPHAN
