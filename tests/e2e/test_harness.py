"""The harness keeps its own promises: nothing outlives its starter, half a part never counts as a part."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import real_parts
from real_parts import CLIENT_VERSIONS, PartError, RealParts

from .claude import Claude, run_tied
from .desk import desk_at, write
from .messages_api import tool_use
from .tied import TIED

_SCRIPT = Path(real_parts.__file__)
_FIRST = f"claude-{CLIENT_VERSIONS[0]}"


def alive(pid: int) -> bool:
    """Whether the process is still there (a zombie that nobody has collected yet counts as gone)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], within: float = 10) -> bool:
    """Whether `holds` comes true within so many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def written_pid(path: Path) -> int:
    """The process id that a started program wrote down."""
    assert eventually(lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    return int(path.read_text(encoding="utf-8"))


def test_a_tied_command_and_its_children_end_when_the_starter_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = ["sh", "-c", f"trap '' TERM; sleep 300 & echo $! > {note}; wait"]
    starter_code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, {str(TIED)!r}, *{command!r}], stdin=subprocess.PIPE)\n"
        "time.sleep(300)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", starter_code])
    child = written_pid(note)
    assert alive(child)
    starter.kill()
    starter.wait()
    assert eventually(lambda: not alive(child))


def test_a_command_past_its_timeout_fails_and_is_gone(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(AssertionError, match="no end after"):
        run_tied(
            ["sh", "-c", f"echo $$ > {note}; sleep 300"], env={"PATH": os.defpath}, cwd=tmp_path, timeout=0.5
        )
    assert not alive(written_pid(note))


def test_a_tied_command_gives_its_exit_code_and_output(tmp_path: Path) -> None:
    finished = run_tied(
        ["sh", "-c", "echo out; echo err >&2; exit 7"], env={"PATH": os.defpath}, cwd=tmp_path, timeout=10
    )
    assert (finished.code, finished.stdout, finished.stderr) == (7, "out\n", "err\n")


def install_with(npm: str, folder: Path) -> "subprocess.Popen[str]":
    """Start real_parts.py where `npm` is a shell script of these words, and where there is no compiler."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in {"npm": npm, "node": "exit 0"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("mkdir", "cat", "chmod", "sleep"):
        link = programs / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("/bin") / name)
    return subprocess.Popen(
        [sys.executable, str(_SCRIPT)],
        env={"PATH": str(programs), "SUPERVISOR_TEST_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


# Puts a client where npm would, which says the version that was asked for; $3 is the folder, $7 the package.
_NPM_THAT_WORKS = """
mkdir -p "$3/node_modules/.bin"
printf '#!/bin/sh\\necho "%s (Claude Code)"\\n' "${7##*@}" > "$3/node_modules/.bin/claude"
chmod +x "$3/node_modules/.bin/claude"
"""


def test_a_part_whose_install_was_killed_is_built_anew(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / _FIRST
    interrupted = install_with(f"{_NPM_THAT_WORKS}\nsleep 300", tmp_path)
    assert eventually((folder / "node_modules" / ".bin" / "claude").exists)
    (folder / "rest").touch()
    os.killpg(interrupted.pid, signal.SIGKILL)
    interrupted.communicate()
    parts = RealParts(tmp_path / "cache")
    assert parts.missing(_FIRST)

    said, _ = install_with(_NPM_THAT_WORKS, tmp_path).communicate(timeout=30)
    assert f"{_FIRST}: installed in" in said
    assert not parts.missing(_FIRST)
    assert not (folder / "rest").exists()


def test_the_part_that_fails_is_named_and_the_others_stay(tmp_path: Path) -> None:
    run = install_with(_NPM_THAT_WORKS, tmp_path)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "real_parts: stack: no C++ compiler (c++, g++, clang++) and no make found" in said
    said, _ = install_with("exit 1", tmp_path).communicate(timeout=30)
    assert f"{_FIRST}: there" in said


def test_a_failing_command_is_shown_with_what_it_said(tmp_path: Path) -> None:
    run = install_with("echo the registry is away; exit 3", tmp_path)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1
    assert f"real_parts: {_FIRST}: `npm install" in said
    assert "exited 3\nthe registry is away" in said


def test_a_client_of_another_version_is_no_part(tmp_path: Path) -> None:
    run = install_with(_NPM_THAT_WORKS.replace('"${7##*@}"', "9.9.9"), tmp_path)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1
    assert "says that it is '9.9.9 (Claude Code)'" in said
    assert RealParts(tmp_path / "cache").missing(_FIRST)


def test_the_cache_may_not_lie_in_the_checkout() -> None:
    inside = _SCRIPT.parent / "cache"
    with pytest.raises(PartError, match="outside the checkout"):
        RealParts.from_env({"SUPERVISOR_TEST_CACHE": str(inside)})


@pytest.mark.e2e
def test_a_try_to_reach_the_internet_and_an_unscripted_turn_are_failures(
    client: Claude, tmp_path: Path
) -> None:
    steps = [
        tool_use(
            "ToolSearch", query="select:WebFetch"
        ),  # fails where there is no tool search, and does no harm
        tool_use("WebFetch", url="https://example.com/", prompt="x"),
    ]
    opened = desk_at(client, tmp_path)
    desk = opened.__enter__()
    write(desk.home.settings, {"permissions": {"allow": ["WebFetch", "ToolSearch"]}})
    desk.api.script("main", steps)
    desk.ask("main")
    with pytest.raises(AssertionError) as failure:
        opened.__exit__(None, None, None)
    assert "tried to reach" in str(failure.value)
    assert "main: no turn 2 was scripted" in str(failure.value)
