"""One user at one machine: a home of their own, a project, the real client, and the stand-in for its API."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .claude import Claude, Finished, Transcript, run_tied
from .messages_api import MessagesApi, planted

# They keep the client on this machine; what still tries to leave meets the stand-in, as its HTTPS proxy.
_STAY_HERE = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


@dataclass(frozen=True, slots=True)
class Home:
    """A HOME below `root`, and an environment in which nothing else of this machine's user stands."""

    root: Path
    path: str
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.home, self.project, self.root / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        self.env.update(
            HOME=str(self.home),
            PATH=self.path,
            LANG="C.UTF-8",
            TMPDIR=str(self.root / "tmp"),
            XDG_CONFIG_HOME=str(self.home / ".config"),
            XDG_STATE_HOME=str(self.home / ".local" / "state"),
            XDG_CACHE_HOME=str(self.home / ".cache"),
            XDG_DATA_HOME=str(self.home / ".local" / "share"),
            PYTHONDONTWRITEBYTECODE="1",
        )

    @property
    def home(self) -> Path:
        """What `~` means here."""
        return self.root / "home"

    @property
    def project(self) -> Path:
        """The folder in which commands run."""
        return self.root / "work"

    @property
    def claude_dir(self) -> Path:
        """The client's configuration folder; it may not exist yet."""
        return self.home / ".claude"

    @property
    def settings(self) -> Path:
        """The user's settings.json."""
        return self.claude_dir / "settings.json"

    @property
    def client_json(self) -> Path:
        """The client's own state file, where user scope servers stand."""
        return self.home / ".claude.json"

    @property
    def agents(self) -> Path:
        """The folder of the user's subagents."""
        return self.claude_dir / "agents"


def write(path: Path, content: str | bytes | Mapping[str, Any]) -> Path:
    """Write `path` with its folders: text as UTF-8, bytes as they are, a mapping as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_bytes(content.encode())
    else:
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Desk:
    """Runs the client in `home` against `api`; a test may change `home.env` before it runs anything."""

    client: Claude
    home: Home
    api: MessagesApi

    def ask(
        self, conversation: str = "main", *, args: Sequence[str] = (), timeout: float = 90, **env: str
    ) -> Transcript:
        """Run the client in print mode on the script of `conversation`; `env` is added to the environment."""
        everything = {**self._client_env(), **env}
        return self.client.run(
            planted(conversation, "Begin."),
            env=everything,
            cwd=self.home.project,
            args=args,
            timeout=timeout,
        )

    def mcp_list(self, *, cwd: Path | None = None, **env: str) -> str:
        """What `claude mcp list` says in this home, in the project or in another folder."""
        return self.client.mcp_list(env={**self._client_env(), **env}, cwd=cwd or self.home.project)

    def command(self, *command: str, timeout: float = 60) -> Finished:
        """Run any other program in this home and environment, without the client's variables."""
        return run_tied(command, env=self.home.env, cwd=self.home.project, timeout=timeout)

    def _client_env(self) -> dict[str, str]:
        return {
            **self.home.env,
            **_STAY_HERE,
            "ANTHROPIC_BASE_URL": self.api.url,
            "ANTHROPIC_API_KEY": "dummy-key",
            "HTTPS_PROXY": self.api.url,
            "NO_PROXY": "127.0.0.1,localhost",
        }


@contextmanager
def desk_at(client: Claude, root: Path) -> Iterator[Desk]:
    """Open a desk with its home below `root`; at the end nothing may have happened that no test asked for."""
    path = os.pathsep.join((str(client.binary.parent), os.environ.get("PATH", os.defpath)))
    with MessagesApi() as api:
        yield Desk(client, Home(root, path), api)
    api.check()
