"""Runs the client to hear its own word on servers and agents; only with --deep."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from supervisor_setup.checks import installed_client, processes, server_words
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.processes import Program
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Status

SECONDS = 60.0
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
    # A project's servers and hooks would otherwise run, approved or not.
    *("--strict-mcp-config", "--settings", '{"disableAllHooks":true}', "--no-session-persistence"),
)


class Unseen(Exception):
    """The client could not be asked; the text says why."""

    def __init__(self, status: Status, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def mcp_list(world: World) -> str:
    """What `claude mcp list` says in this folder; it starts every server, and writes as at every start.

    Raises:
        Unseen: it cannot be asked.
    """
    program = _program(world)
    if world.client_state.state is State.MISSING:
        raise Unseen(Status.SKIPPED, "the client was never started here, and would make its state file")
    environment = {**world.environment, **_QUIET}
    try:
        ran = processes.run(
            [program, "mcp", "list"], env=environment, cwd=world.layout.cwd, timeout_s=SECONDS
        )
    except OSError as error:
        raise _unstartable(error) from error
    if ran.code != 0:
        raise _failed("claude mcp list", ran.code, ran.err)
    return ran.out


def agents(world: World) -> frozenset[str]:
    """The names of the agents that a session in this folder has, read off its first event.

    The client gets a state folder of its own with the user's agents linked into it; theirs stays as it is.

    Raises:
        Unseen: it cannot be asked.
    """
    import tempfile  # 4 ms, for this alone

    program = _program(world)
    with tempfile.TemporaryDirectory(prefix="supervisor-setup-", ignore_cleanup_errors=True) as folder:
        own = Path(folder)
        (own / "tmp").mkdir()
        users = world.layout.claude_dir / "agents"
        if users.is_dir():
            (own / "agents").symlink_to(users)
        try:
            with Program([program, *_ASKED], env=_apart(world, own), cwd=world.layout.cwd) as running:
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
