"""From what is wanted to a plan, and from a plan to the disk and the manifest, for every command alike."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from supervisor_setup.artefacts import Address, Artefact
from supervisor_setup.errors import UserError
from supervisor_setup.manifest import Manifest, Record
from supervisor_setup.observed import Disk, observe
from supervisor_setup.plan import Operation, make_plan
from supervisor_setup.store import Store

# `doctor` only asks what was recorded; the parts that write are imported where they are used.
if TYPE_CHECKING:
    from supervisor_setup import apply


def recorded(store: Store) -> Manifest:
    """What was written, a killed run's doings included; reads only.

    Raises:
        UserError: the manifest is damaged.
    """
    journal = store.journal()
    manifest = store.load()
    if journal is None:
        return manifest
    from supervisor_setup import recovery  # see above

    return recovery.reconcile(manifest, journal.after)


def compare(
    wanted: Sequence[Artefact], written: Mapping[Address, Record], *, overwrite: bool
) -> tuple[Operation, ...]:
    """The plan for everything that is wanted or was written, against the disk as it is now.

    Raises:
        TargetError: a file that would be edited cannot be read or parsed.
    """
    addresses: dict[Address, None] = dict.fromkeys([artefact.address for artefact in wanted])
    addresses.update(dict.fromkeys(written))
    return make_plan(wanted, observe(addresses, Disk()), written, overwrite=overwrite)


def carry_out(request: "apply.Request", seen: Manifest, store: Store) -> str | None:
    """Do what a request says, as the only run and after a killed one's recovery.

    `seen` is the manifest that the plan was made from. Returns the backup's name, None where no file changed.

    Raises:
        UserError: it could not be done, or another run came between; nothing is changed then.
    """
    from supervisor_setup import apply, locks, recovery  # see above
    from supervisor_setup.ownership import records_after

    if not any(operation.decision.writes for operation in request.plan):
        after = replace(
            request.manifest, records=records_after(request.plan, request.manifest.records, {}, {})
        )
        if after == seen and store.journal() is None:
            return None
    with locks.run_lock(store.state):
        if recorded(store) != seen:
            raise UserError(
                f"{store.manifest_path}: another run has changed it just now",
                hint="run the command again",
            )
        recovery.recover(store)
        return apply.execute(request, store)
