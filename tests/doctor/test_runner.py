"""Checks run side by side: none can hang, break or hide another."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_processes import DEAF, SLEEP, eventually, little_grace, python, runs

from supervisor_setup.checks import processes, runner
from supervisor_setup.checks.check import Check, Reach
from supervisor_setup.checks.memo import Memo
from supervisor_setup.checks.processes import Program
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout

__all__ = ["little_grace"]


@pytest.fixture
def world(own_home: Path) -> World:
    return World(Layout.from_environment(), {})


def finds(check: str, *messages: str, reach: Reach = Reach.FILES) -> Check:
    """A check that finds these."""
    found = [Finding(check, Status.ERROR, one) for one in messages]
    return Check(check, lambda _: found, reach)


def hangs(check: str, *messages: str, until: threading.Event, reach: Reach = Reach.LOCAL) -> Check:
    """A check that finds these and then does not come to an end."""

    def run(world: World) -> Iterator[Finding]:
        yield from (Finding(check, Status.ERROR, one) for one in messages)
        until.wait(30)

    return replace(Check(check, run, reach), timeout_s=0.2)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end of the test, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


def brief(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    return [(one.id, one.status.value, one.message) for one in findings]


def test_findings_come_in_the_checks_order_whoever_is_done_first(world: World):
    def slow(world: World) -> Iterator[Finding]:
        time.sleep(0.1)
        yield Finding("a.slow", Status.INFO, "at last")

    checks = (Check("a.slow", slow), finds("b.two", "1", "2"), finds("c.none"))
    assert brief(runner.run(world, iter(checks), Reach.FILES)) == [
        ("a.slow", "info", "at last"),
        ("b.two", "error", "1"),
        ("b.two", "error", "2"),
        ("c.none", "ok", "nothing found"),
    ]


def test_no_checks_find_nothing(world: World):
    assert runner.run(world, (), Reach.DEEP) == []


def test_they_run_side_by_side(world: World):
    together = threading.Barrier(3, timeout=10)

    def meets(world: World) -> list[Finding]:
        together.wait()
        return []

    checks = [Check(f"a.{number}", meets, reach) for number, reach in enumerate(Reach)]
    assert {one.status for one in runner.run(world, checks, Reach.DEEP)} == {Status.OK}


@pytest.mark.parametrize(
    ("reach", "statuses"),
    [
        (Reach.FILES, ["error", "skipped", "skipped"]),
        (Reach.LOCAL, ["error", "error", "skipped"]),
        (Reach.DEEP, ["error", "error", "error"]),
    ],
)
def test_a_check_beyond_the_runs_reach_is_not_run_and_says_so(
    world: World, reach: Reach, statuses: list[str]
):
    checks = [finds(f"a.{one.name}", "found", reach=one) for one in Reach]
    found = runner.run(world, checks, reach)
    assert [one.status for one in found] == statuses
    assert {one.message for one in found if one.status is Status.SKIPPED} <= {
        "not looked at with --offline",
        "only looked at with --deep",
    }


def test_one_that_hangs_is_given_up_and_the_others_are_told(world: World, released: threading.Event):
    checks = (finds("a.first", "x"), hangs("b.stuck", until=released), finds("c.last", "y"))
    started = time.monotonic()
    found = runner.run(world, checks, Reach.LOCAL)
    assert time.monotonic() - started < 5
    assert brief(found) == [
        ("a.first", "error", "x"),
        ("b.stuck", "warning", "not done after 0.2 s, so nothing is known"),
        ("c.last", "error", "y"),
    ]
    assert found[1].hint == "supervisor-setup doctor --check b.stuck"


def test_several_that_hang_share_their_time(world: World, released: threading.Event):
    checks = [hangs(f"a.{number}", until=released) for number in range(10)]
    started = time.monotonic()
    assert len(runner.run(world, checks, Reach.LOCAL)) == 10
    assert time.monotonic() - started < 1.5


def test_files_that_hang_cost_the_others_nothing(world: World, released: threading.Event):
    """As on a share whose server is gone: those that read files run in turn, until one does not come back."""
    stuck = [hangs(f"a.{number}", until=released, reach=Reach.FILES) for number in range(5)]
    started = time.monotonic()
    found = runner.run(world, [*stuck, finds("b.last", "y")], Reach.FILES)
    assert time.monotonic() - started < 4
    assert [one.message for one in found] == ["not done after 0.2 s, so nothing is known"] * 5 + ["y"]


def test_those_that_read_files_share_a_thread_while_that_goes_well(world: World):
    threads: set[int] = set()

    def notes(world: World) -> list[Finding]:
        threads.add(threading.get_ident())
        return []

    runner.run(world, [Check(f"a.{number}", notes) for number in range(20)], Reach.FILES)
    assert len(threads) == 1


def test_what_one_has_found_before_it_hangs_is_kept(world: World, released: threading.Event):
    found = runner.run(world, [hangs("a.stuck", "x", until=released)], Reach.LOCAL)
    assert brief(found) == [
        ("a.stuck", "error", "x"),
        ("a.stuck", "warning", "not done after 0.2 s, so the rest is not known"),
    ]


@pytest.mark.parametrize(
    "error",
    [ValueError("words"), RecursionError(), SystemExit(3), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)
def test_one_that_fails_becomes_a_finding_with_a_log(world: World, error: BaseException):
    def fails(world: World) -> Iterator[Finding]:
        yield Finding("b.broken", Status.ERROR, "x")
        raise error

    checks = (finds("a.before"), Check("b.broken", fails), finds("c.after"))
    name = type(error).__name__
    found = runner.run(world, checks, Reach.FILES)
    assert brief(found) == [
        ("a.before", "ok", "nothing found"),
        ("b.broken", "error", "x"),
        ("b.broken", "warning", f"the check itself failed ({name}), so the rest is not known"),
        ("c.after", "ok", "nothing found"),
    ]
    log = found[2].path
    assert log is not None
    assert f"raise error\n{name}" in log.read_text(encoding="utf-8")


def test_several_that_fail_have_a_log_each(world: World):
    def fails(what: str) -> Check:
        def run(world: World) -> Iterable[Finding]:
            raise ValueError(what)

        return Check(what, run)

    found = runner.run(world, [fails("a.one"), fails("a.two")], Reach.FILES)
    assert len({one.path for one in found}) == 2
    for one in found:
        assert one.path is not None
        assert f"ValueError: {one.id}" in one.path.read_text(encoding="utf-8")
        assert one.message == "the check itself failed (ValueError), so nothing is known"


def test_a_log_that_cannot_be_written_does_not_hide_the_failure(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def fails(world: World) -> Iterable[Finding]:
        raise ValueError

    monkeypatch.setattr("supervisor_setup.bugs._log_folder", lambda: tmp_path / "none" / "there")
    (found,) = runner.run(world, [Check("a.broken", fails)], Reach.FILES)
    assert (found.status, found.path) == (Status.WARNING, None)


def test_a_program_that_a_late_check_started_is_ended(world: World):
    pids: list[int] = []

    def waits(world: World) -> Iterator[Finding]:
        with Program(python(DEAF), env={}, cwd=Path.cwd()) as program:
            pids.append(program._process.pid)
            program.wait(time.monotonic() + 60)
        yield Finding("a.late", Status.ERROR, "after all")

    (found,) = runner.run(world, [replace(Check("a.late", waits, Reach.LOCAL), timeout_s=1)], Reach.LOCAL)
    assert found.message == "not done after 1 s, so nothing is known"
    assert pids
    assert eventually(lambda: not runs(pids[0]))


def test_a_late_check_starts_nothing_when_the_run_is_over(world: World, released: threading.Event):
    tried: list[object] = []

    def waits(world: World) -> Iterator[Finding]:
        released.wait(30)
        try:
            processes.run(python(SLEEP), env={}, cwd=Path.cwd(), timeout_s=60)
        except OSError as error:
            tried.append(type(error))
        yield Finding("a.late", Status.ERROR, "after all")

    runner.run(world, [replace(Check("a.late", waits, Reach.LOCAL), timeout_s=0.1)], Reach.LOCAL)
    released.set()
    assert eventually(lambda: tried == [OSError])


def test_programs_are_ended_when_the_run_itself_is_interrupted(world: World, released: threading.Event):
    started: list[Program] = []

    def starts(world: World) -> Iterable[Finding]:
        started.append(Program(python(SLEEP), env={}, cwd=Path.cwd()))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        released.wait(30)
        return []

    # A shell lets what it runs in the background ignore this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run(world, [Check("a.starts", starts, Reach.LOCAL)], Reach.LOCAL)
    finally:
        signal.signal(signal.SIGINT, before)
    assert started[0].code is not None


# What checks share


def test_a_shared_value_is_worked_out_once_however_many_ask():
    memo, asked = Memo(), []

    def work() -> int:
        asked.append(1)
        time.sleep(0.05)
        return len(asked)

    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(memo.get("key", work))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 8


def test_a_shared_value_of_none_is_a_value_and_keys_are_apart():
    memo, asked = Memo(), []
    for key in ("a", "a", "b"):
        assert memo.get(key, lambda: asked.append(1)) is None
    assert len(asked) == 2


def test_work_that_fails_is_tried_again_by_the_next_who_asks():
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.get("key", lambda: 1 // 0)
    assert memo.get("key", lambda: 5) == 5


def test_work_may_ask_for_other_shared_values():
    memo = Memo()
    assert memo.get("outer", lambda: memo.get("inner", lambda: 1) + 1) == 2
