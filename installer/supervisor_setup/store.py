"""Our own state folder: manifests, what an overwrite replaced, and the journal of a run under way."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from supervisor_setup import files, manifest
from supervisor_setup.layout import path_key
from supervisor_setup.manifest import Manifest
from supervisor_setup.values import dataclass


@dataclass(frozen=True, slots=True)
class Journal:
    """What a run is about to do, written before it touches anything.

    `after` is the manifest that it works towards, `temps` the temporary files that it may leave behind.
    """

    after: Manifest
    temps: tuple[Path, ...]


class Store:
    """What is remembered of one place that is written into: a scope of the client, or a file of another tool.

    `name` is the kind of place, `root` the folder or file that tells it from others of its kind.
    """

    def __init__(self, state: Path, name: str, root: Path) -> None:
        self.state = state
        self.name = name
        self.root = root
        self.manifest_path = state / "manifests" / f"{name}-{path_key(root)}.json"
        self.journal_path = self.manifest_path.with_suffix(".journal")

    def load(self) -> Manifest:
        """The manifest, empty where nothing was installed.

        Raises:
            UserError: it is damaged.
        """
        data = files.read(self.manifest_path).data
        if data is None:
            return Manifest(scope=self.name, root=self.root)
        return manifest.load(data, self.manifest_path)

    def save(self, value: Manifest) -> None:
        """Write the manifest, or remove it when there is nothing to remember."""
        if value.empty:
            self.manifest_path.unlink(missing_ok=True)
        else:
            files.write_private(self.manifest_path, manifest.dump(value))

    def open_journal(self, journal: Journal) -> bytes | None:
        """Say what is about to happen; from here on a kill is noticed by the next run.

        Returns the manifest's bytes, for `abandon_journal`.
        """
        body = {
            "schema_version": 1,
            "after": manifest.to_json(journal.after),
            "temps": [str(path) for path in journal.temps],
        }
        files.write_private(self.journal_path, json.dumps(body, indent=1).encode("ascii"))
        return files.read(self.manifest_path).data

    def abandon_journal(self, remembered: bytes | None) -> None:
        """Say that nothing has happened after all."""
        if remembered is None:
            self.manifest_path.unlink(missing_ok=True)
        else:
            files.write_private(self.manifest_path, remembered)
        self.close_journal()

    def close_journal(self) -> None:
        """Say that it has happened."""
        self.journal_path.unlink(missing_ok=True)

    def journal(self) -> Journal | None:
        """What an interrupted run was about to do."""
        data = files.read(self.journal_path).data
        if data is None:
            return None
        # Its own write was atomic, so a journal that does not read was damaged by something else.
        after = manifest.load(data, self.journal_path, key="after")
        return Journal(after, tuple(Path(item) for item in json.loads(data)["temps"]))

    def keep_blob(self, content: bytes) -> str:
        """Store what an overwrite replaces, for `uninstall` to give back; returns its name."""
        name = hashlib.sha256(content).hexdigest()
        files.write_private(self._blob(name), content)
        return name

    def blob(self, name: str) -> bytes | None:
        """What was stored under `name`, if it is still there."""
        return files.read(self._blob(name)).data

    def keep_only_blobs(self, needed: Collection[str]) -> None:
        """Delete what no record needs, leftovers of failed runs included."""
        for path in self._blobs.iterdir() if self._blobs.is_dir() else ():
            if path.name not in needed:
                path.unlink()

    @property
    def _blobs(self) -> Path:
        return self.state / "blobs" / self.manifest_path.stem

    def _blob(self, name: str) -> Path:
        return self._blobs / name
