"""Homes to install into."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """A user's home folder, with the files that matter here."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / ".claude" / "settings.json"

    @property
    def client(self) -> Path:
        return self.path / ".claude.json"

    @property
    def agents(self) -> Path:
        return self.path / ".claude" / "agents"

    @property
    def config(self) -> Path:
        return self.path / ".config" / "supervisor-setup" / "config.yaml"

    @property
    def state(self) -> Path:
        return self.path / ".local" / "state" / "supervisor-setup"

    def write(self, path: Path, content: bytes | str) -> Path:
        """A file of the user's."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def json(self, path: Path) -> dict:
        return json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))

    def allowed(self, start: str = "", path: Path | None = None) -> list[str]:
        """The permission rules that begin with `start`, in settings.json or in another file."""
        rules = self.json(path or self.settings).get("permissions", {}).get("allow", [])
        return [rule for rule in rules if rule.startswith(start)]

    def files(self) -> dict[str, bytes]:
        """Every file of the user's: all but our own state and config folders."""
        own = (".config/", ".local/")
        return {
            name: path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and not (name := str(path.relative_to(self.path))).startswith(own)
        }
