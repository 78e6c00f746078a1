"""One scope's install, diff, doctor and uninstall, on the same plan."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from supervisor_setup import __version__, files, transaction
from supervisor_setup.artefacts import Artefact, Group
from supervisor_setup.compiled import Compiled, compile_key, keep
from supervisor_setup.desired import ALL_GROUPS, McpTarget, Options, desired
from supervisor_setup.layout import Layout, Scope
from supervisor_setup.manifest import Manifest
from supervisor_setup.plan import Operation
from supervisor_setup.store import Store
from supervisor_setup.values import dataclass

# `doctor` asks for the manifest alone; the parts that write are imported where they are used.
if TYPE_CHECKING:
    from supervisor_setup import apply


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that every command on a scope shares."""

    layout: Layout
    scope: Scope

    @property
    def store(self) -> Store:
        """This scope's part of the state folder."""
        # Not the folder: CLAUDE_CONFIG_DIR=~/.claude means the same one, but another file with the servers.
        return Store(self.layout.state, self.scope.name, self.scope.servers)

    def manifest(self) -> Manifest:
        """What is installed, a killed run's doings included; reads only.

        Raises:
            UserError: the manifest is damaged.
        """
        return transaction.recorded(self.store)

    def options(self, manifest: Manifest) -> Options:
        """The choices of the last install; everything where there was none."""
        known = manifest.options
        return Options(
            mcp_target=McpTarget(known.get("mcp_target", McpTarget.BOTH)),
            groups=tuple(Group(name) for name in known.get("groups", ALL_GROUPS)),
        )

    def plan(
        self,
        compiled: Compiled,
        manifest: Manifest,
        options: Options,
        *,
        only: Sequence[Group] = (),
        overwrite: bool = False,
    ) -> tuple[Operation, ...]:
        """What `install` would do; `only` leaves everything of other groups out of sight.

        Raises:
            UserError: a file that would be edited cannot be read or parsed.
        """
        chosen = only or ALL_GROUPS
        wanted = [
            artefact
            for artefact in desired(compiled, self.layout, self.scope, options)
            if artefact.group in chosen
        ]
        return self._plan(wanted, manifest, chosen, overwrite=overwrite)

    def removal(self, manifest: Manifest) -> tuple[Operation, ...]:
        """What `uninstall` would do: the plan in which nothing is wanted.

        Raises:
            UserError: a file that would be edited cannot be read or parsed.
        """
        return self._plan([], manifest, ALL_GROUPS, overwrite=False)

    def preview(self, plan: Sequence[Operation], manifest: Manifest) -> "tuple[apply.Prepared, ...]":
        """The files as the plan would leave them; refuses what `execute` would refuse.

        Raises:
            TargetError: for the first target that cannot be read, edited or written.
        """
        from supervisor_setup import apply  # see above

        return apply.prepare(plan, manifest, self.store)

    def install(
        self, plan: Sequence[Operation], manifest: Manifest, options: Options, compiled: Compiled
    ) -> str | None:
        """Carry an install's plan out; returns the backup's name, None where no file changed.

        Raises:
            UserError: it could not be done, or the files are not what the plan saw; nothing is changed then.
        """
        from supervisor_setup import apply, locks  # see above

        settled = replace(
            apply.without_recreated(manifest, plan),
            options={"mcp_target": options.mcp_target, "groups": list(options.groups)},
            tool_version=__version__,
        )
        backup = self._execute(plan, manifest, settled, "install")
        if not _is_kept(self.layout, compiled):
            # It only saves time, so a full disk is no reason to fail.
            with contextlib.suppress(OSError), locks.run_lock(self.layout.state):
                keep_for_later(self.layout, compiled)
        return backup

    def uninstall(self, plan: Sequence[Operation], manifest: Manifest) -> str | None:
        """Carry a removal out and forget the scope; returns the backup's name.

        Raises:
            UserError: as `install`.
        """
        backup = self._execute(plan, manifest, manifest, "uninstall")
        if not any(self.store.manifest_path.parent.glob("*.json")):
            with contextlib.suppress(OSError):
                self.layout.server_cache.unlink(missing_ok=True)
                self.layout.compiled.unlink(missing_ok=True)
        return backup

    def restore(self, plan: Sequence[Operation], manifest: Manifest) -> str | None:
        """Put files of a backup back; the manifest stays, so that `doctor` sees what that changed.

        Raises:
            UserError: as `install`.
        """
        return self._execute(plan, manifest, manifest, "restore")

    def sweep(self, plan: Sequence[Operation], manifest: Manifest) -> str | None:
        """Take away files that killed runs have left behind; returns the backup's name.

        Raises:
            UserError: as `install`.
        """
        return self._execute(plan, manifest, manifest, "doctor")

    def _execute(
        self, plan: Sequence[Operation], seen: Manifest, settled: Manifest, command: str
    ) -> str | None:
        from supervisor_setup import apply  # see above

        request = apply.Request(tuple(plan), settled, command)
        return transaction.carry_out(request, seen, self.store)

    def _plan(
        self, wanted: Sequence[Artefact], manifest: Manifest, groups: Sequence[Group], *, overwrite: bool
    ) -> tuple[Operation, ...]:
        written = {address: record for address, record in manifest.records.items() if record.group in groups}
        return transaction.compare(wanted, written, overwrite=overwrite)


def keep_for_later(layout: Layout, compiled: Compiled) -> None:
    """Keep what config.yaml leads to, for the next run and for the server; call it under the run lock.

    Nothing is kept of a config.yaml that has changed since it was read.
    """
    source = files.read(layout.config)
    if compile_key(layout.config, source.data) != compiled.key or source.stat is None:
        return
    keep(layout, compiled)
    body: dict[str, Any] = {
        "schema_version": 1,
        # The server compares the stamp and reads the YAML itself where it differs.
        "source": {
            "path": str(layout.config),
            "mtime_ns": source.stat.st_mtime_ns,
            "size": source.stat.st_size,
        },
        "settings": compiled.config.server,
    }
    files.write_private(layout.server_cache, json.dumps(body, indent=1).encode("ascii"))


def _is_kept(layout: Layout, compiled: Compiled) -> bool:
    """Whether both caches are those of the present config.yaml."""
    try:
        stamp = json.loads(layout.server_cache.read_bytes())["source"]
        found = layout.config.stat()
    except (OSError, ValueError, KeyError):
        return False
    return compiled.kept and (stamp["mtime_ns"], stamp["size"]) == (found.st_mtime_ns, found.st_size)
