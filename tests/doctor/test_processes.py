"""A program that a check runs can neither hang the check, nor flood it, nor outlive it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor_setup.checks import processes
from supervisor_setup.checks.processes import MAX_OUTPUT_BYTES, Finished, Program


@pytest.fixture(autouse=True)
def little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is to end is given less time than in earnest."""
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.3)


def python(code: str) -> list[str]:
    """A command that runs `code`, with nothing else to load."""
    return [sys.executable, "-IS", "-c", code]


def run(code: str, *, timeout_s: float = 10, stdin: bytes = b"") -> Finished:
    return processes.run(python(code), env={}, cwd=Path.cwd(), timeout_s=timeout_s, stdin=stdin)


def soon() -> float:
    """A deadline that is never reached when all is well."""
    return time.monotonic() + 10


def eventually(is_true: Callable[[], bool]) -> bool:
    """Wait for what another process does."""
    until = soon()
    while not is_true() and time.monotonic() < until:
        time.sleep(0.005)
    return is_true()


def runs(pid: int) -> bool:
    """Whether the process is there and more than a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return not Path("/proc/self/stat").exists()
        return False
    return state != "Z"


@pytest.fixture
def program() -> Iterator[Callable[[str], Program]]:
    """Starts Python programs that are ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda code: stack.enter_context(Program(python(code), env={}, cwd=Path.cwd()))


CHILD = "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-IS', '-c', {code!r}])\n"
SLEEP = "import time; time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); " + SLEEP


def test_both_outputs_the_code_and_the_time_are_told():
    ran = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (ran.code, ran.out, ran.err, ran.timed_out) == (3, "out\n", "err\n", False)
    assert 0 < ran.seconds < 10


def test_it_gets_its_input_its_environment_and_its_folder_and_nothing_else(tmp_path: Path):
    code = "import os, sys; print(sys.stdin.read(), sorted(os.environ), os.getcwd())"
    ran = processes.run(python(code), env={"A": "b"}, cwd=tmp_path, timeout_s=10, stdin=b"words")
    # The interpreter itself may set LC_CTYPE.
    assert ran.out.replace(", 'LC_CTYPE'", "") == f"words ['A'] {tmp_path}\n"


def test_output_that_is_no_text_is_read_all_the_same():
    assert run(r"import sys; sys.stdout.buffer.write(b'\xff')").out == "�"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_is_read_to_its_end_and_its_first_megabyte_kept(stream: str):
    ran = run(f"import sys; [sys.{stream}.write('x' * 99_999 + chr(10)) for _ in range(50)]; sys.exit(4)")
    assert ran.code == 4
    assert [len(ran.out), len(ran.err)] == [
        MAX_OUTPUT_BYTES if name == stream else 0 for name in ("stdout", "stderr")
    ]


def test_a_flood_without_a_line_end_is_bounded_too():
    ran = run("import sys; sys.stdout.write('x' * 3_000_000)")
    assert (ran.code, len(ran.out)) == (0, MAX_OUTPUT_BYTES)


def test_a_flood_without_an_end_is_ended():
    ran = run("while True: print('x' * 9999)", timeout_s=0.2)
    assert ran.timed_out
    assert len(ran.out) <= MAX_OUTPUT_BYTES


def test_after_its_time_what_it_said_so_far_is_told():
    ran = run(f"print('begun', flush=True); {SLEEP}", timeout_s=0.5)
    assert (ran.code, ran.timed_out, ran.out) == (None, True, "begun\n")
    assert ran.seconds < 5


def test_its_children_end_with_it():
    ran = run(CHILD.format(code=SLEEP) + f"print(child.pid, flush=True); {SLEEP}", timeout_s=0.5)
    assert ran.timed_out
    assert eventually(lambda: not runs(int(ran.out)))


def test_its_childrens_children_end_with_it_even_when_they_ignore_the_signal():
    inner = CHILD.format(code=DEAF) + "print(child.pid, flush=True); child.wait()"
    ran = run(CHILD.format(code=inner) + "child.wait()", timeout_s=1)
    assert ran.timed_out
    deaf, pid = sorted(map(int, ran.out.split()))
    assert deaf == 1
    assert eventually(lambda: not runs(pid))


def test_a_child_that_outlives_it_is_ended_and_does_not_hold_up_the_answer():
    ran = run(CHILD.format(code=SLEEP) + "print(child.pid, flush=True); sys.exit(5)")
    assert ran.code == 5
    assert ran.seconds < 5
    assert eventually(lambda: not runs(int(ran.out)))


def test_a_program_that_ignores_the_signal_is_killed(program: Callable[[str], Program]):
    deaf = program(DEAF)
    assert deaf.read_line(soon()) == b"1\n"
    deaf.end()
    assert deaf.code == -9


def test_a_program_that_heeds_the_signal_can_tidy_up(program: Callable[[str], Program]):
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1, flush=True); "
    tidy = program(code + SLEEP)
    assert tidy.read_line(soon()) == b"1\n"
    tidy.end()
    assert tidy.code == 7


def test_a_program_that_does_not_read_its_input_does_not_hold_up_the_writer():
    ran = run(SLEEP, timeout_s=0.3, stdin=b"x" * 5_000_000)
    assert ran.timed_out
    assert ran.seconds < 5


def test_a_program_that_reads_slowly_gets_all_of_a_long_input():
    code = "import sys, time; time.sleep(0.1); print(len(sys.stdin.buffer.read()))"
    assert run(code, stdin=b"x" * 1_000_000).out == "1000000\n"


def test_a_program_that_closes_its_input_is_told_by_the_writing(program: Callable[[str], Program]):
    closed = program(f"import os; os.close(0); print(1, flush=True); {SLEEP}")
    assert closed.read_line(soon()) == b"1\n"
    assert not closed.write(b"words\n")
    closed.close_input()
    assert closed.code is None


def test_writing_to_a_program_that_is_gone_or_whose_input_is_closed_does_nothing(
    program: Callable[[str], Program],
):
    gone = program("pass")
    assert gone.wait(soon()) == 0
    assert not gone.write(b"x")
    gone.close_input()
    assert not gone.write(b"x")
    gone.close_input()


def test_a_blocked_writer_does_not_keep_the_program_from_being_ended(program: Callable[[str], Program]):
    stuck = program(SLEEP)
    wrote: list[bool] = []
    writer = threading.Thread(target=lambda: wrote.append(stuck.write(b"x" * 5_000_000)))
    writer.start()
    stuck.end()
    writer.join(10)
    assert wrote == [False]


def test_lines_are_read_one_by_one_and_the_end_stays_the_end(program: Callable[[str], Program]):
    talker = program("print('one'); print('two', end='')")
    assert [talker.read_line(soon()) for _ in range(2)] == [b"one\n", b"two"]
    started = time.monotonic()
    assert [talker.read_line(soon()) for _ in range(3)] == [None, None, None]
    assert time.monotonic() - started < 5
    assert talker.out == "one\ntwo"


def test_a_line_that_does_not_come_is_waited_for_until_the_deadline(program: Callable[[str], Program]):
    silent = program(SLEEP)
    assert silent.read_line(time.monotonic() + 0.05) is None
    assert silent.wait(time.monotonic() + 0.05) is None
    assert silent.code is None


@pytest.mark.parametrize(
    "command",
    [["/no/such/program"], ["."], ["a\0b"], ["\ud800"], [__file__]],
    ids=["missing", "folder", "NUL", "half a character", "not executable"],
)
def test_what_cannot_be_started_is_an_os_error(command: list[str], tmp_path: Path):
    with pytest.raises(OSError, match=r"."):
        processes.run(command, env={}, cwd=tmp_path, timeout_s=1)


def test_a_folder_or_an_environment_that_is_not_possible_is_one_too(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        processes.run(python("pass"), env={}, cwd=tmp_path / "none", timeout_s=1)
    with pytest.raises(OSError, match="environment"):
        processes.run(python("pass"), env={"A=B": "c"}, cwd=tmp_path, timeout_s=1)


def test_at_the_end_of_a_run_all_are_ended_at_once():
    started = [Program(python(DEAF), env={}, cwd=Path.cwd()) for _ in range(4)]
    assert all(one.read_line(soon()) == b"1\n" for one in started)
    before = time.monotonic()
    with processes.ended_at_exit():
        pass
    # Each is given some time to end by itself; the four have it together.
    assert time.monotonic() - before < 4 * processes._GRACE_SECONDS
    assert [one.code for one in started] == [-9] * 4


def test_a_check_that_is_left_behind_starts_nothing_more_until_the_next_run():
    outcome: list[object] = []

    def late() -> None:
        try:
            outcome.append(run("print('ran')").out)
        except OSError as error:
            outcome.append(type(error))

    with processes.ended_at_exit():
        pass
    for _ in range(2):
        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
        with processes.ended_at_exit():
            thread = threading.Thread(target=late)
            thread.start()
            thread.join()
    assert outcome == [OSError, "ran\n"] * 2
    assert run("print('ran')").out == "ran\n"


ENDED = """
import signal, sys, time
from pathlib import Path
from supervisor_setup.checks import processes
# Whoever runs the tests may have told them to ignore it, as nohup does.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True)"
code += "; time.sleep(60)"
with processes.ended_at_exit():
    started = processes.Program([sys.executable, "-c", code], env={}, cwd=Path("/"))
    print(started.read_line(time.monotonic() + 20).decode(), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_or_a_request_to_end_leaves_nothing_running(number: signal.Signals):
    with subprocess.Popen([sys.executable, "-c", ENDED], stdout=subprocess.PIPE, text=True) as doctor:
        assert doctor.stdout is not None
        started = int(doctor.stdout.readline())
        doctor.send_signal(number)
        assert doctor.wait(20) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)
