"""Where everything is: every path is a value, computed from the environment when a command runs."""

import hashlib
import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path

from supervisor_setup import folders
from supervisor_setup.errors import UsageError, UserError
from supervisor_setup.values import dataclass

# Documented on https://code.claude.com/docs/en/settings (November 2026).
MANAGED = Path("/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code")


class ScopeName(StrEnum):
    """Whose configuration is meant, in the client's own words."""

    USER = "user"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Scope:
    """The places in which the client reads one scope's configuration.

    `servers` is the file whose top-level `mcpServers` the client reads: its own state file for the user
    scope, `.mcp.json` for the project scope. The client ignores `mcpServers` in `settings`.
    """

    name: ScopeName
    root: Path
    settings: Path
    servers: Path
    agents: Path
    skills: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """All paths of one run."""

    home: Path
    cwd: Path
    claude_dir: Path
    client_state: Path
    config: Path
    state: Path
    command: str = folders.APP
    """How this program is called again with the same config, for hints."""
    managed: Path = MANAGED
    """The folder of an administrator's settings for the client."""

    @classmethod
    def from_environment(cls, *, config: Path | None = None) -> "Layout":
        """Compute the paths from HOME, CLAUDE_CONFIG_DIR, the XDG variables and the working directory.

        Raises:
            UserError: HOME is not an absolute path, or the working directory is gone.
        """
        # Folders are resolved, so that one place has one name in the manifest, whichever link led to it; a
        # file's own name is not, because a link there is the user's and the client's lock stands beside it.
        home = _home().resolve()
        cwd = _cwd()
        custom = os.environ.get("CLAUDE_CONFIG_DIR")
        claude_dir = (cwd / custom if custom else home / ".claude").resolve()
        # The client prefers this older name inside its folder whenever it exists.
        legacy = claude_dir / ".config.json"
        modern = (claude_dir if custom else home) / ".claude.json"
        return cls(
            home=home,
            cwd=cwd,
            claude_dir=claude_dir,
            client_state=legacy if legacy.exists() else modern,
            config=stable(cwd / config if config else folders.config() / "config.yaml"),
            state=folders.state().resolve(),
            command=f"{folders.APP} --config {shlex.quote(str(config))}" if config else folders.APP,
        )

    def scope(self, name: ScopeName) -> Scope:
        """The paths of one scope; the project is the one that the working directory lies in.

        Raises:
            UsageError: the project would be the home folder, whose `.claude` is the user scope.
        """
        if name is ScopeName.USER:
            return Scope(
                name=name,
                root=self.claude_dir,
                settings=self.claude_dir / "settings.json",
                servers=self.client_state,
                agents=self.claude_dir / "agents",
                skills=self.claude_dir / "skills",
            )
        root = self._project_root()
        if root == self.home or (root / ".claude").resolve() == self.claude_dir:
            raise UsageError(
                f"{root}: is not a project, its .claude folder is the user scope",
                hint="run it inside a project, or with --scope user",
            )
        return Scope(
            name=name,
            root=root,
            settings=root / ".claude" / "settings.json",
            servers=root / ".mcp.json",
            agents=root / ".claude" / "agents",
            skills=root / ".claude" / "skills",
        )

    @property
    def server_cache(self) -> Path:
        """The MCP server's part of the config, as JSON that costs it no YAML parser at start-up."""
        return self.state / "servers" / f"{path_key(self.config)}.json"

    @property
    def compiled(self) -> Path:
        """What config.yaml leads to, kept from the last install."""
        return self.state / "compiled" / f"{path_key(self.config)}.json"

    def _project_root(self) -> Path:
        """The nearest folder that looks like a project's, below the home folder if we are in it."""
        for folder in (self.cwd, *self.cwd.parents):
            if folder == self.home:
                break
            if any((folder / mark).exists() for mark in (".git", ".mcp.json", ".claude")):
                return folder
        return self.cwd


def path_key(path: Path) -> str:
    """A short file-name-safe key that differs between paths."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def display(path: Path | str, home: Path) -> str:
    """`path` for a person to read, with the home folder written as `~`."""
    text = str(path)
    prefix = str(home)
    if text == prefix:
        return "~"
    return "~" + text[len(prefix) :] if text.startswith(prefix + os.sep) else text


def stable(path: Path) -> Path:
    """The same path for each way to write it; a last link stays, since it may come to lead elsewhere."""
    # realpath, because Path.resolve raises for a loop of links, which reading the file reports by name.
    return Path(os.path.realpath(path.parent)) / path.name


def _home() -> Path:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where this gives "~"
    try:
        os.fsencode(home).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"HOME={home!r}: is not UTF-8, and the client could not open paths in it",
            hint="rename the home folder",
        ) from error
    if not home.is_absolute():
        raise UserError(f"HOME={home}: not an absolute path", hint="export HOME=/home/you")
    return home


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UserError(
            "the working directory does not exist any more", hint="cd to a folder that exists"
        ) from error
