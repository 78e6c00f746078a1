"""Runs a command that ends with whoever started it, even if that one is killed.

    python tied.py COMMAND...

Standard input is the lifeline: the starter holds its other end, and the kernel closes that when the starter
dies, however it dies. The command runs in a process group of its own, which is then killed whole.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

TIED = Path(__file__)
_PATIENCE_S = 2.0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the group to stop, then make it."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_S)
    _signal(process, signal.SIGKILL)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _watch_lifeline(process: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 4096):
        pass
    _end(process)


def main(command: list[str]) -> int:
    """Run `command` to its end and give its exit code; 137 when the lifeline broke."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_watch_lifeline, args=(process,), daemon=True).start()
    code = process.wait()
    _signal(process, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
