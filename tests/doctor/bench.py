"""A user's machine to plant faults in, and what doctor then says of it."""

import json
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from homes import Home
from supervisor_setup.findings import Status

BAD = (Status.WARNING, Status.ERROR)
HEALTHY_CLIENT = """
import json, os, pathlib, sys
home = pathlib.Path(os.environ["HOME"])
if sys.argv[1:3] == ["mcp", "list"]:
    state = pathlib.Path(os.environ.get("CLAUDE_CONFIG_DIR", home)) / ".claude.json"
    for name in json.loads(state.read_text()).get("mcpServers", {}):
        print(f"{name}: program - \N{HEAVY CHECK MARK} Connected")
elif "-p" in sys.argv:
    folder = pathlib.Path(os.environ.get("CLAUDE_CONFIG_DIR", home / ".claude")) / "agents"
    agents = [path.stem for path in folder.glob("*.md")]
    print(json.dumps({"type": "system", "subtype": "init", "agents": agents}), flush=True)
"""


@dataclass
class Bench:
    """A home, a project (the working directory), a PATH of its own in front, and the command line."""

    home: Home
    project: Path
    bin: Path
    monkeypatch: pytest.MonkeyPatch
    cli: Callable[..., Any]
    new_backend: Callable[..., Any]
    variables: dict[str, str] = field(default_factory=dict)

    def install(self, *arguments: str) -> None:
        """A first install whose backends are fakes that answer."""
        backend = self.new_backend()
        self.write(
            self.home.config, {"backends": [{"name": "litellm", "kind": "litellm", "url": backend.url}]}
        )
        self.cli("install", "--yes", *arguments)

    def client(self, version: str = "2.1.330", code: str = HEALTHY_CLIENT) -> Path:
        """A client of this version, first on PATH, that behaves as `code` says."""
        program = self.program("claude", code)
        real = program.parent.parent / "versions" / version
        real.parent.mkdir(exist_ok=True)
        program.rename(real)
        program.symlink_to(real)
        return real

    def write(self, path: Path, content: bytes | str | Mapping[str, Any]) -> Path:
        """A file of the user's: bytes, text, or data as JSON (which YAML reads too)."""
        if isinstance(content, Mapping):
            content = json.dumps(content, indent=2) + "\n"
        return self.home.write(path, content)

    def edit(self, path: Path, **changes: Any) -> Path:
        """Set top-level keys of a JSON file."""
        body = self.home.json(path) if path.exists() else {}
        return self.write(path, {**body, **changes})

    def agent(self, name: str, *lines: str, body: str = "Do it.\n", path: Path | None = None) -> Path:
        """An agent file of the user's with a name, a description, a tool list, and `lines` beside them."""
        fields = (f"name: {name}", "description: Use it when asked.", "tools: Read", *lines)
        text = "\n".join(("---", *fields, "---", "", body))
        return self.write(path or self.home.agents / f"{name}.md", text)

    def set_variable(self, name: str, value: str) -> None:
        """A variable in the environment that doctor runs in."""
        self.monkeypatch.setenv(name, value)

    def program(self, name: str, code: str) -> Path:
        """A Python program of this name, first on PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def findings(self, check: str, *options: str) -> list[dict[str, Any]]:
        """What `doctor --check CHECK` finds, healthy and skipped checks left out."""
        ran = self.cli("--json", "doctor", "--check", check, *options, code=None)
        assert ran.code in (0, 2), ran.err
        return [one for one in ran.json["findings"] if one["status"] not in (Status.OK, Status.SKIPPED)]

    def one(self, check: str, *options: str) -> dict[str, Any]:
        """The one finding of this check."""
        (found,) = self.findings(check, *options)
        return found


@dataclass(frozen=True)
class Fault:
    """A planted fault: `plant` breaks a healthy installed bench so that the check finds it with `status`.

    `options` are doctor's, for a check beyond the default reach.
    """

    plant: Callable[[Bench], object]
    status: Status = Status.ERROR
    options: tuple[str, ...] = ("--offline",)


Faults = Mapping[str, "Fault | tuple[Fault, ...]"]
