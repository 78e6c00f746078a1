"""What the checks look at, gathered once. Whatever cannot be read is a value, not an exception."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup import compiled
from supervisor_setup.artefacts import ABSENT, Address
from supervisor_setup.checks import documents, project_key
from supervisor_setup.checks.documents import Document, State
from supervisor_setup.checks.memo import Memo
from supervisor_setup.compiled import Compiled
from supervisor_setup.config import Config
from supervisor_setup.desired import ALL_GROUPS, desired
from supervisor_setup.engine import Engine
from supervisor_setup.errors import TargetError, UserError
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.manifest import Manifest
from supervisor_setup.observed import Disk
from supervisor_setup.plan import Operation, make_plan
from supervisor_setup.values import dataclass


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


class World:
    """Everything that a check may look at; what several need is looked at once, when first asked for."""

    def __init__(self, layout: Layout, environment: Mapping[str, str]) -> None:
        self.layout = layout
        self.environment = environment
        self.memo = Memo()

    @property
    def config(self) -> Config | UserError:
        """Our own config.yaml, or why it cannot be followed."""
        built = self._compiled
        return built if isinstance(built, UserError) else built.config

    @property
    def installed(self) -> tuple[Installed, ...]:
        """The user scope, and the project scope where something was installed into it."""
        return self.memo.get("installed", lambda: tuple(self._installed(one) for one in self._engines()))

    @property
    def client_state(self) -> Document:
        """The client's state file: its MCP servers, its account, and what it knows of the present project."""
        path = self.layout.client_state
        return self.memo.get("client state", lambda: documents.read_state(path, self.project_names))

    def document(self, path: Path) -> Document:
        """A JSON file of the client's."""
        if path == self.layout.client_state:
            return self.client_state
        return self.memo.get(("document", path), lambda: documents.read(path))

    @property
    def project_root(self) -> Path:
        """The project that the working directory lies in, or the working directory itself."""

        def look() -> Path:
            try:
                return self.layout.scope(ScopeName.PROJECT).root
            except UserError:
                return self.layout.cwd

        return self.memo.get("project root", look)

    @property
    def project_names(self) -> tuple[str, ...]:
        """The names under which the client's state file may know the present project."""
        places = (self.layout.cwd, self.project_root, project_key.of(self.layout.cwd))
        return tuple(dict.fromkeys(map(str, places)))

    @property
    def _compiled(self) -> Compiled | UserError:
        def load() -> Compiled | UserError:
            try:
                return compiled.load(self.layout)
            except UserError as error:
                return error

        return self.memo.get("compiled", load)

    def _engines(self) -> Iterator[Engine]:
        yield Engine(self.layout, self.layout.scope(ScopeName.USER))
        try:
            project = Engine(self.layout, self.layout.scope(ScopeName.PROJECT))
        except UserError:
            return
        if project.store.manifest_path.exists() or project.store.journal_path.exists():
            yield project

    def _installed(self, engine: Engine) -> Installed:
        try:
            interrupted = engine.store.journal() is not None
            manifest = engine.manifest()
        except UserError as error:
            return Installed(engine, error, error, interrupted=False)
        built = self._compiled
        try:
            plan = built if isinstance(built, UserError) else self._tolerant_plan(engine, manifest, built)
        except UserError as error:
            return Installed(engine, manifest, error, interrupted)
        return Installed(engine, manifest, plan, interrupted)

    def _tolerant_plan(self, engine: Engine, manifest: Manifest, built: Compiled) -> tuple[Operation, ...]:
        """The install plan over all files that can be read; the others have findings of their own."""
        wanted = desired(built, engine.layout, engine.scope, engine.options(manifest))
        disk = Disk()
        observed: dict[Address, Any] = {}
        for address in (*(artefact.address for artefact in wanted), *manifest.records):
            try:
                observed[address] = self._content(address, disk)
            except TargetError:
                continue
        return make_plan(
            [artefact for artefact in wanted if artefact.address in observed],
            observed,
            {address: record for address, record in manifest.records.items() if address in observed},
        )

    def _content(self, address: Address, disk: Disk) -> Any:
        """What stands at `address`; the client's large state file is not parsed again for it."""
        document = self.client_state
        if address.path != document.path or address.pointer[:1] != ("mcpServers",):
            return disk.content(address)
        if document.state in (State.UNREADABLE, State.BROKEN):
            raise TargetError(f"{document.path}: {document.error}")
        found: Any = document.value
        for key in address.pointer:
            if not isinstance(found, Mapping) or key not in found:
                return ABSENT
            found = found[key]
        return found
