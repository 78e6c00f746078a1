"""Runs a command that ends with whoever started it, even if that one is killed.

    python -IS keeper.py COMMAND...

Standard input is the lifeline: the starter holds its other end, and the kernel closes that when the starter
dies, however it dies. The command is then asked to end, and killed if it does not. On Linux the kernel also
kills the command when this process dies before it. The exit code is the command's, 128 and the signal's
number when a signal ended it.

A program of its own, because a server's own threads cannot be told of by PR_SET_PDEATHSIG (it is the death of
the thread that counts), and because macOS has nothing like it. It imports little: it waits in memory as long
as the command runs.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress

PATIENCE_SECONDS = 2.0
CANNOT_RUN = 126
_OOM_SCORE = "800"  # of 1000: when memory runs out, the kernel rather ends the model than the user's work
_PR_SET_PDEATHSIG = 1


def main(command: list[str]) -> int:
    """Run `command` until it or the lifeline ends; the exit code."""
    woken = _wake_on_signals()
    libc = _libc()
    keeper = os.getpid()
    child = os.fork()
    if not child:
        _become(command, libc, keeper)
    code = _watch(child, woken)
    return code if code >= 0 else 128 - code


def _wake_on_signals() -> int:
    """A file descriptor that can be read once a child ended, or this process was asked to."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, _close_lifeline)
    return woken


def _close_lifeline(*_: object) -> None:
    """Put an ended lifeline in the place of the real one: as if the starter had let go."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)


def _libc() -> "object | None":
    """The C library, for the call that Python does not have; before the fork, where imports are safe."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def _become(command: list[str], libc: "object | None", keeper: int) -> None:
    """Turn this forked process into the command; never returns."""
    try:
        with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123 - no pathlib here
            score.write(_OOM_SCORE)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # type: ignore[attr-defined] # a C function
        if os.getppid() != keeper:
            os._exit(CANNOT_RUN)  # it died before the kernel had been asked
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.execv(command[0], command)  # noqa: S606 - the arguments are this server's own
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(CANNOT_RUN)


def _watch(child: int, woken: int) -> int:
    """Wait for the child, and end it once the lifeline ends; its exit code, negative for a signal."""
    while True:
        code = _ended(child)
        if code is not None:
            return code
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if 0 in ready and not os.read(0, 4096):
            return _end(child, woken)


def _ended(child: int) -> int | None:
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _end(child: int, woken: int) -> int:
    """Ask the child to end, and make it when it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    os.kill(child, signal.SIGTERM)
    while (left := deadline - time.monotonic()) > 0:
        code = _ended(child)
        if code is not None:
            return code
        if select.select([woken], [], [], left)[0]:
            os.read(woken, 4096)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
