"""Runs the client to hear its own word on servers and agents; only with --deep."""

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.checks import agent_folders, installed_client, processes, server_words
from supervisor_setup.checks.client_files import Level
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.processes import Program
from supervisor_setup.checks.world import World
from supervisor_setup.errors import TargetError
from supervisor_setup.findings import Status

SECONDS = 60.0
_PREFIX = "supervisor-setup-"
# Nothing listens on the discard port; what the client would send goes nowhere.
_NOWHERE = "http://127.0.0.1:9"
_QUIET = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}
# What would lead the client elsewhere, or run a program of the user's.
_LEFT_OUT = ("ANTHROPIC_", "CLAUDE_CODE_USE_", "CLAUDE_CODE_OAUTH")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_ASKED = (
    *("-p", "doctor", "--output-format", "stream-json", "--verbose"),
    # An administrator's servers and hooks would otherwise run.
    *("--strict-mcp-config", "--settings", '{"disableAllHooks":true}', "--no-session-persistence"),
)


class Unseen(Exception):
    """The client could not be asked; the text says why."""

    def __init__(self, status: Status, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def mcp_list(world: World) -> str:
    """What `claude mcp list` says in this folder; it starts every server that nobody has to approve.

    The client gets a state folder of its own with what it knows of servers and approvals, since it rewrites
    its state file at every start, and brings old settings up to date; the user's stay as they are.

    Raises:
        Unseen: it cannot be asked.
    """
    import tempfile  # 4 ms, for this alone

    program = _program(world)
    if world.client_state.state is State.MISSING:
        raise Unseen(Status.SKIPPED, "the client was never started here, so it has nothing to list")
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        own = Path(folder)
        _copy_state(world, own)
        environment = {**world.environment, **_QUIET, "CLAUDE_CONFIG_DIR": str(own)}
        command = (program, "mcp", "list")
        try:
            ran = processes.run(command, env=environment, cwd=world.layout.cwd, timeout_s=SECONDS)
        except OSError as error:
            raise _unstartable(error) from error
    if ran.code != 0:
        raise _failed("claude mcp list", ran.code, ran.err)
    return ran.out


def agents(world: World) -> frozenset[str]:
    """The names of the agents that a session in this folder has, read off its first event.

    The client gets a state folder and a project of its own, into which the folders with agents are linked:
    nothing of the user's changes, and no `apiKeyHelper` of a repository runs, as it does in print mode even
    where nobody trusts the project.

    Raises:
        Unseen: it cannot be asked.
    """
    import tempfile  # 4 ms, for this alone

    program = _program(world)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        own = Path(folder)
        place = _furnished(world, own)
        try:
            with Program([program, *_ASKED], env=_apart(world, own), cwd=place) as running:
                running.close_input()
                return _first_event(running)
        except OSError as error:
            raise _unstartable(error) from error


def _program(world: World) -> Path:
    client = installed_client.installed(world)
    if client.program is None:
        raise Unseen(Status.SKIPPED, "the client is not installed")
    state = world.client_state
    if state.state not in (State.GOOD, State.MISSING):
        raise Unseen(
            Status.SKIPPED, f"the client would reset {state.path}, which it cannot read, to its defaults"
        )
    return client.program


def _copy_state(world: World, own: Path) -> None:
    """What decides which servers the client lists: entries, approvals, and the user's settings."""
    known = {key: world.client_state.at(key) for key in ("mcpServers", "projects")}
    state = {key: value for key, value in known.items() if value is not None}
    (own / ".claude.json").write_text(json.dumps(state), encoding="utf-8")
    with contextlib.suppress(TargetError):
        if settings := files.read(world.layout.claude_dir / "settings.json").data:
            (own / "settings.json").write_bytes(settings)


def _furnished(world: World, own: Path) -> Path:
    """The folder to start the client in: links to the folders with agents, nested as they are."""
    (own / "tmp").mkdir()
    place = own / "project"
    (place / ".git").mkdir(parents=True)  # the client looks no further up
    for folder in agent_folders.read_by_client(world):
        if folder.level is Level.USER and folder.path.is_dir():
            (own / "agents").symlink_to(folder.path)
        elif folder.level is Level.PROJECT and folder.path.is_dir():
            place /= "inner"
            (place / ".claude").mkdir(parents=True)
            (place / ".claude" / "agents").symlink_to(folder.path)
    return place


def _apart(world: World, own: Path) -> Mapping[str, str]:
    kept = {
        name: value
        for name, value in world.environment.items()
        if not name.startswith(_LEFT_OUT) and name.lower() not in _PROXIES
    }
    return {
        **kept,
        **_QUIET,
        "CLAUDE_CONFIG_DIR": str(own),
        "TMPDIR": str(own / "tmp"),
        "ANTHROPIC_BASE_URL": _NOWHERE,
        "ANTHROPIC_API_KEY": "not-a-key",
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
    }


def _first_event(running: Program) -> frozenset[str]:
    deadline = time.monotonic() + SECONDS
    while (line := running.read_line(deadline)) is not None:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if (
            isinstance(event, dict)
            and event.get("subtype") == "init"
            and isinstance(event.get("agents"), list)
        ):
            return frozenset(one for one in event["agents"] if isinstance(one, str))
    code = running.wait(min(deadline, time.monotonic() + 1.0))
    raise _failed("claude -p", code, running.err)


def _failed(what: str, code: int | None, err: str) -> Unseen:
    if code is None:
        return Unseen(
            Status.WARNING, f"`{what}` is not done after {SECONDS:.0f} s, so nothing is known", "claude"
        )
    said = server_words.short(server_words.plain(err).strip() or "without a word", 200)
    return Unseen(
        Status.WARNING, f"`{what}` ended with exit code {code}, so nothing is known: {said}", "claude update"
    )


def _unstartable(error: OSError) -> Unseen:
    return Unseen(Status.WARNING, f"the client cannot be started: {error.strerror}", "claude doctor")
