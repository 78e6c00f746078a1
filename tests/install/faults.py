"""Runs supervisor-setup again and again, each time with one system call that kills it or fails.

A script, because it forks: `python faults.py FOLDER SCENARIO kill|fail` prints one JSON object. In each run
the n-th call of those that change the file system either never happens, with SIGKILL in its place, or fails
with an error number. After every run each of the user's files must be whole and hold what it held; then the
next run must succeed.
"""

import contextlib
import errno
import gc
import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from supervisor_setup import apply, cli, locks
from worked_out_once import worked_out_once

WRITES = (
    "open", "write", "fsync", "fchmod", "fchown", "setxattr",
    "mkdir", "rmdir", "unlink", "rename", "replace", "link", "symlink", "truncate", "utime", "chmod",
)  # fmt: skip
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)

SETTINGS = b'{\r\n\t"permissions" : {"deny": ["Bash(rm:*)"]},\r\n\t"x": 1.0, "big": 12345678901234567890}'
CLIENT = b'{"numStartups": 7, "mcpServers": {"mine": {"command": "x"}}}\n'
STRAY = "client.json.tmp.999999999.0123456789ab"
STRAY_CONTENT = b'{"half": '
MINE = b"---\nname: mine\ndescription: mine\n---\nHello\n"

Faulty = Callable[[str], None]


def build(home: Path) -> None:
    """A user's home."""
    (home / ".claude" / "agents").mkdir(parents=True)
    (home / ".claude" / "settings.json").write_bytes(SETTINGS)
    (home / "dotfiles").mkdir()
    (home / "dotfiles" / "client.json").write_bytes(CLIENT)
    (home / ".claude.json").symlink_to("dotfiles/client.json")
    (home / ".claude" / "agents" / "mine.md").write_bytes(MINE)
    (home / "litellm.yaml").write_bytes(LITELLM_CONFIG)


def run(home: Path, *arguments: str, fault: Faulty | None = None) -> int:
    """One run in a child process; its exit code, or the negative number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.environ.clear()
            os.environ.update(HOME=str(home), PATH=os.defpath)
            os.chdir("/")
            silence = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(silence, descriptor)
            # The delays only wait for a client, and there is none here.
            apply._VERIFY_DELAYS = (0.0,)
            if fault is not None:
                install(fault, home)
            code = cli.run([argument.format(home=home) for argument in arguments])
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def install(fault: Faulty, home: Path) -> None:
    """Put `fault` in front of every call that changes the file system below `home`."""
    for name in WRITES:
        real = getattr(os, name)

        def faulty(*arguments, _real=real, _name=name, **named):
            if _name != "open" or arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                fault(_name)
            return _real(*arguments, **named)

        setattr(os, name, faulty)


def warm_up(home: Path, *arguments: str) -> None:
    """Import and work out in this process what the children would each do again."""
    build(home)
    os.environ["HOME"] = str(home)
    with contextlib.redirect_stdout(io.StringIO()):
        for one in (("install", "--yes"), arguments, ("install", "--yes"), ("uninstall", "--yes")):
            assert cli.run([argument.format(home=home) for argument in one]) in (0, 2)


def nth(number: int, act: Callable[[], None]) -> Faulty:
    """A fault that happens at the n-th call."""
    calls = iter(range(1, 1_000_000))

    def fault(_name: str) -> None:
        if next(calls) == number:
            act()

    return fault


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def count(home: Path, arguments: tuple[str, ...]) -> int:
    """How many calls a run makes that change the file system."""
    log = home.parent / "calls"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    write = os.write
    assert run(home, *arguments, fault=lambda _name: (write(descriptor, b"."), None)[1]) == 0
    os.close(descriptor)
    return log.stat().st_size


def age(home: Path) -> None:
    """Let the time pass after which a lock or a stray file, which a fault may leave, counts as abandoned."""
    past = time.time() - 100_000
    for path in (locks.client_lock_path(home / ".claude.json"), home / "dotfiles" / STRAY):
        if path.exists():
            os.utime(path, (past, past))


def users_part(home: Path) -> dict:
    """What the user's files say, less what is ours."""
    settings = json.loads((home / ".claude" / "settings.json").read_bytes())
    client = json.loads((home / ".claude.json").read_bytes())
    for document in (settings, client):
        document.get("mcpServers", {}).pop("local-models", None)
    settings.pop("mcpServers", None)
    rules = settings["permissions"]
    ours = f"{home}/.claude/skills/document-pipeline/pipeline.py "
    rules["allow"] = [
        rule for rule in rules.get("allow", []) if rule != "mcp__local-models" and ours not in rule
    ]
    assert (home / ".claude.json").is_symlink()
    assert (home / ".claude" / "agents" / "mine.md").read_bytes() == MINE
    return {"settings": settings, "client": client}


def shared_bytes(home: Path) -> tuple[bytes, bytes]:
    return (home / ".claude" / "settings.json").read_bytes(), (home / ".claude.json").read_bytes()


def whole_files(home: Path) -> list[bytes | None]:
    """The files of the user's that a run replaces as a whole: each is the old one or the new one."""
    paths = (home / "litellm.yaml", home / ".config" / "supervisor-setup" / "config.yaml")
    return [path.read_bytes() if path.exists() else None for path in paths]


def check_swept(home: Path, where: str) -> None:
    """The stray file is gone, but not for good; the lock is gone, and what was missing is back."""
    assert not (home / "dotfiles" / STRAY).exists(), f"{where}: the stray file is still there"
    kept = [path.read_bytes() for path in home.rglob(f"*-{STRAY}")]
    assert STRAY_CONTENT in kept, f"{where}: the stray file is in no backup"
    assert not locks.client_lock_path(home / ".claude.json").exists(), f"{where}: the lock is still there"
    assert (home / ".claude" / "agents" / "explorer.md").exists(), f"{where}: our agent is not back"


def temps(home: Path) -> list[str]:
    return [path.name for path in home.rglob("*.tmp")]


# What stands for the file below the home that LiteLLM's config is kept in.
LITELLM = "{home}/litellm.yaml"
LITELLM_CONFIG = b"# mine\nmodel_list: []   # none yet\ngeneral_settings:\n  master_key: os.environ/KEY\n"


def leave_strays(home: Path) -> None:
    """What a killed client leaves: half a file beside its own, and its lock; and an agent of ours is gone."""
    locks.client_lock_path(home / ".claude.json").mkdir()
    (home / "dotfiles" / STRAY).write_bytes(STRAY_CONTENT)
    age(home)
    (home / ".claude" / "agents" / "explorer.md").unlink()


SCENARIOS: dict[str, tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]] = {
    # What happened before, and the run that meets the fault.
    "install": ((), ("install", "--yes")),
    "update": ((("install", "--yes"), ("config", "set", "tiers.fast", "sonnet")), ("install", "--yes")),
    "uninstall": ((("install", "--yes"),), ("uninstall", "--yes")),
    "config": ((("install", "--yes"),), ("config", "set", "tiers.fast", "sonnet")),
    "litellm": ((("install", "--yes"),), ("litellm", LITELLM, "--write", "--yes")),
    "fix": ((("install", "--yes"),), ("doctor", "--offline", "--fix", "--yes")),
}


def main() -> None:
    folder, scenario, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    before, arguments = SCENARIOS[scenario]
    # The manifest holds absolute paths, so every run has its home in the same place.
    home, template = folder / "home", folder / "template"
    build(home)
    warm_up(folder / "warm", *arguments)
    gc.freeze()  # so that no child goes through, and copies, what all of them share
    theirs = users_part(home)
    for earlier in before:
        assert run(home, *earlier) == 0, earlier
    if scenario == "fix":
        leave_strays(home)
    start, start_whole = shared_bytes(home), whole_files(home)
    shutil.copytree(home, template, symlinks=True)
    total = count(home, arguments)
    done, done_whole = shared_bytes(home), whole_files(home)
    outcomes: dict[str, int] = {}
    for number in range(1, total + 1):
        shutil.rmtree(home)
        shutil.copytree(template, home, symlinks=True)
        act = kill if kind == "kill" else fail(ERRORS[number % len(ERRORS)])
        code = run(home, *arguments, fault=nth(number, act))
        where = f"{scenario} {kind} {number} of {total}: exit {code}"
        outcomes[str(code)] = outcomes.get(str(code), 0) + 1
        # A run may need a call less than the one that was counted; then the last fault never comes.
        expected = (-signal.SIGKILL,) if kind == "kill" else (0, 1)
        if scenario == "fix":
            expected = (*expected, 2)  # the checks that follow name a journal that could not be closed
        assert code in expected or (code == 0 and number == total), where
        age(home)
        assert users_part(home) == theirs, where
        for now, old, new in zip(shared_bytes(home), start, done, strict=True):
            assert now in (old, new), f"{where}: a file holds neither the old nor the new bytes"
        for now, old, new in zip(whole_files(home), start_whole, done_whole, strict=True):
            assert now in (old, new), f"{where}: a file is neither the old nor the new one"
        # `config set` rolls nothing back: it may fail at the folder's fsync, after the rename.
        if code == 1 and scenario != "config":
            assert whole_files(home) == start_whole, f"{where}: it failed, and a file is not as it was"
        if code == 1:
            assert shared_bytes(home) == start, f"{where}: it failed, and a file is not as it was"
        assert run(home, *arguments) == 0, f"{where}: the next run failed"
        assert shared_bytes(home) == done, f"{where}: the next run did not finish the job"
        assert whole_files(home) == done_whole, f"{where}: the next run did not finish the job"
        assert temps(home) == [], f"{where}: left {temps(home)}"
        if scenario == "fix":
            check_swept(home, where)
        assert run(home, "uninstall", "--yes") == 0, f"{where}: uninstall afterwards failed"
        assert shared_bytes(home) == (SETTINGS, CLIENT), f"{where}: uninstall did not give the bytes back"
        left = sorted(path.name for path in (home / ".claude" / "agents").iterdir())
        assert left == ["mine.md"], f"{where}: {left}"
    sys.stdout.write(json.dumps({"points": total, "outcomes": outcomes}) + "\n")


if __name__ == "__main__":
    with worked_out_once():
        main()
