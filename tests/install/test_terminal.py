"""On a terminal: the plan is shown, the user is asked, and only a yes changes anything."""

import os
import pty
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("supervisor-setup")


def on_a_terminal(home: Path, *arguments: str, answer: str) -> tuple[int, str]:
    """Run the program on a terminal of its own; its exit code and all that it showed."""
    child, terminal = pty.fork()
    if child == 0:
        environment = {"HOME": str(home), "PATH": os.defpath, "TERM": "xterm"}
        os.execve(PROGRAM, [str(PROGRAM), *arguments], environment)
    shown = b""
    answered = False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # what Linux says when the other end has closed
            break
        if not piece:
            break
        shown += piece
        if b"Go ahead?" in shown and not answered:
            os.write(terminal, answer.encode() + b"\n")
            answered = True
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # forkpty beside threads: it execs at once
@pytest.mark.parametrize("answer", ["n", ""])
def test_anything_but_a_yes_changes_nothing(home, answer):
    code, shown = on_a_terminal(home.path, "install", answer=answer)
    assert code == 2
    assert "~/.claude/agents/explorer.md" in shown
    assert "not confirmed" in shown
    assert list(home.path.rglob("*")) == []


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_yes_installs_what_was_shown_and_the_same_goes_for_uninstall(home):
    code, shown = on_a_terminal(home.path, "install", answer="y")
    assert code == 0, shown
    assert "\x1b[" in shown
    assert home.client.exists()
    code, shown = on_a_terminal(home.path, "uninstall", answer="y")
    assert code == 0, shown
    assert home.files() == {}
