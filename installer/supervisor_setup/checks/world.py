"""What the checks look at, gathered once. Whatever cannot be read is a value, not an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor_setup import compiled, files
from supervisor_setup.artefacts import Address
from supervisor_setup.compiled import Compiled
from supervisor_setup.config import Config
from supervisor_setup.desired import ALL_GROUPS, desired
from supervisor_setup.edit import EditError, json_spans
from supervisor_setup.engine import Engine
from supervisor_setup.errors import TargetError, UserError
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.manifest import Manifest
from supervisor_setup.observed import Disk
from supervisor_setup.plan import Operation, make_plan


@dataclass(frozen=True, slots=True)
class Installed:
    """One scope: what was written there and, where that can be worked out, what a plan would do."""

    engine: Engine
    manifest: Manifest | UserError
    plan: tuple[Operation, ...] | UserError
    interrupted: bool

    @property
    def install_command(self) -> str:
        """The install that mends this scope and adds nothing that was left out there."""
        command = f"{self.engine.layout.command} install --scope {self.engine.scope.name}"
        if isinstance(self.manifest, UserError) or not self.manifest.records:
            return command
        groups = self.engine.options(self.manifest).groups
        if len(groups) == len(ALL_GROUPS):
            return command
        return " ".join((command, *(f"--only {group}" for group in groups)))


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a check may look at."""

    layout: Layout
    environment: Mapping[str, str]
    config: Config | UserError
    installed: tuple[Installed, ...]

    def read(self, path: Path) -> bytes | TargetError | None:
        """The bytes of a file, None where there is none, or why they cannot be had."""
        try:
            return files.read(path).data
        except TargetError as error:
            return error

    def lookup(self, path: Path, pointer: tuple[str, ...]) -> Any:
        """The value at `pointer` in a JSON file, None where there is none or the file is not in order."""
        data = self.read(path)
        if data is None or isinstance(data, TargetError):
            return None
        try:
            found = json_spans.lookup(data, pointer)
        except EditError:
            # Whether the file is in order is for the checks of the settings family to say.
            return None
        return None if found is json_spans.ABSENT else found


def gather(layout: Layout, environment: Mapping[str, str]) -> World:
    """Look at the user scope, and at the project scope where something was installed into it."""
    try:
        built: Compiled | UserError = compiled.load(layout)
    except UserError as error:
        built = error
    engines = [Engine(layout, layout.scope(ScopeName.USER))]
    try:
        project = Engine(layout, layout.scope(ScopeName.PROJECT))
    except UserError:
        project = None
    store = None if project is None else project.store
    if project is not None and store and (store.manifest_path.exists() or store.journal_path.exists()):
        engines.append(project)
    settings = built if isinstance(built, UserError) else built.config
    return World(layout, environment, settings, tuple(_installed(engine, built) for engine in engines))


def _installed(engine: Engine, built: Compiled | UserError) -> Installed:
    try:
        interrupted = engine.store.journal() is not None
        manifest = engine.manifest()
    except UserError as error:
        return Installed(engine, error, error, interrupted=False)
    try:
        plan = _tolerant_plan(engine, manifest, built)
    except UserError as error:
        return Installed(engine, manifest, error, interrupted)
    return Installed(engine, manifest, plan, interrupted)


def _tolerant_plan(engine: Engine, manifest: Manifest, built: Compiled | UserError) -> tuple[Operation, ...]:
    """The install plan over all files that can be read; the others have findings of their own."""
    if isinstance(built, UserError):
        raise built
    wanted = desired(built, engine.layout, engine.scope, engine.options(manifest))
    disk = Disk()
    observed: dict[Address, Any] = {}
    for address in (*(artefact.address for artefact in wanted), *manifest.records):
        try:
            observed[address] = disk.content(address)
        except TargetError:
            continue
    return make_plan(
        [artefact for artefact in wanted if artefact.address in observed],
        observed,
        {address: record for address, record in manifest.records.items() if address in observed},
    )
