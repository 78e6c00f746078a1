"""Runs a program for a check: bounded in time and output, and ended with all that it started."""

import contextlib
import errno
import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, NoReturn, Self

MAX_OUTPUT_BYTES = 1_000_000
_GRACE_SECONDS = 1.0
_WRITE_SECONDS = 10.0
_END = None
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class _Started:
    """The programs that still run; once `closed`, a check that was left behind can start none."""

    alive: set["Program"]
    closed: bool = False


_started = _Started(set())
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended, or was made to; `code` is None when it did not within its time."""

    code: int | None
    out: str
    err: str
    seconds: float

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because its time was up."""
        return self.code is None


class Program:
    """A running program, of whose outputs the first megabyte is kept; leaving the `with` ends it."""

    def __init__(self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start it in a session of its own.

        Raises:
            OSError: the program cannot be started.
        """
        self._process = _start(command, env, cwd)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._out, self._err = bytearray(), bytearray()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=self._read_lines, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=_drain, args=(self._process.stderr, self._err), daemon=True),
        )
        for reader in self._readers:
            reader.start()
        with _lock:
            # Checks run beside the main thread.
            late = _started.closed and threading.current_thread() is not threading.main_thread()
            if not late:
                _started.alive.add(self)
        if late:
            self.end()
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        """What it has printed on stderr so far."""
        return self._err.decode("utf-8", "replace")

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def write(self, data: bytes, deadline: float | None = None) -> bool:
        """Send bytes to its standard input; False when it has gone, closed it, or does not read in time."""
        assert self._process.stdin is not None
        give_up = time.monotonic() + _WRITE_SECONDS if deadline is None else deadline
        left = memoryview(data)
        # Past the stream's own buffer, whose lock a blocked write would hold against `end`.
        with contextlib.suppress(OSError, ValueError):
            pipe = self._process.stdin.fileno()
            while left:
                if not _room(pipe, give_up):
                    return False
                with contextlib.suppress(BlockingIOError):
                    left = left[os.write(pipe, left) :]
            return True
        return False

    def close_input(self) -> None:
        """Tell it that nothing more comes."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def read_line(self, deadline: float) -> bytes | None:
        """Its next line on standard output; None at its end, or at `deadline` (of `time.monotonic`)."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if line is _END:
            self._lines.put(_END)
        return line

    def wait(self, deadline: float) -> int | None:
        """Its exit code once it has ended, None when it has not at `deadline`."""
        try:
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        # A child that it left behind may hold the pipes open for ever.
        give_up = time.monotonic() + _GRACE_SECONDS
        for reader in self._readers:
            reader.join(max(0.0, give_up - time.monotonic()))
        return code

    def end(self) -> None:
        """End it and all that it started."""
        self._ask_to_end()
        self._end_by(time.monotonic() + _GRACE_SECONDS)

    def _ask_to_end(self) -> None:
        self.close_input()
        self._signal(signal.SIGTERM)

    def _end_by(self, deadline: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._signal(signal.SIGKILL)
        self._process.wait()
        with _lock:
            _started.alive.discard(self)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read_lines(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            while line := stream.readline(MAX_OUTPUT_BYTES):
                if len(self._out) < MAX_OUTPUT_BYTES:
                    self._out += line[: MAX_OUTPUT_BYTES - len(self._out)]
                    self._lines.put(line)
        self._lines.put(_END)


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, timeout_s: float, stdin: bytes = b""
) -> Finished:
    """Run `command` to its end, at most `timeout_s` seconds.

    Raises:
        OSError: the program cannot be started.
    """
    started = time.monotonic()
    with Program(command, env=env, cwd=cwd) as program:
        program.write(stdin, started + timeout_s)
        program.close_input()
        code = program.wait(started + timeout_s)
        return Finished(code, program.out, program.err, time.monotonic() - started)


@contextlib.contextmanager
def ended_at_exit() -> Iterator[None]:
    """At the end of the block every program that still runs is ended, and no check left behind starts one.

    A closed terminal or a request to end ends the block too: the programs have sessions of their own, which
    such a signal does not reach.
    """
    with _lock:
        _started.closed = False
    try:
        with _exit_on_signals():
            yield
    finally:
        with _lock:
            _started.closed = True
            left = tuple(_started.alive)
        for program in left:
            program._ask_to_end()
        give_up = time.monotonic() + _GRACE_SECONDS
        for program in left:
            program._end_by(give_up)


@contextlib.contextmanager
def _exit_on_signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, _exit) for one in _ENDING if signal.getsignal(one) is signal.SIG_DFL}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _start(command: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - what the client itself would run, or a fixed command
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    except ValueError as error:  # a NUL in a word, half a character, a variable named `A=B`
        raise OSError(errno.EINVAL, str(error)) from error


def _room(pipe: int, deadline: float) -> bool:
    poller = select.poll()
    poller.register(pipe, select.POLLOUT)
    return bool(poller.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _drain(stream: IO[bytes], kept: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError), stream:
        while chunk := stream.read1(65_536):  # type: ignore[attr-defined]
            if len(kept) < MAX_OUTPUT_BYTES:
                kept += chunk[: MAX_OUTPUT_BYTES - len(kept)]
