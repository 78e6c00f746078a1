"""Several processes on one database: who lives, who takes over from the dead, and what each may do."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_api import answering, asked
from runs import TRIAGE, Desk, eventually

from supervisor_pipelines import executors as executors_module
from supervisor_pipelines import journal
from supervisor_pipelines.crew import Crew
from supervisor_pipelines.executors import DEAD_AFTER_SECONDS, Executors
from supervisor_pipelines.leaving import Leaving
from supervisor_pipelines.outlet import Outlet
from supervisor_pipelines.progress import progress
from supervisor_pipelines.store import Store
from supervisor_pipelines.tables import State
from supervisor_pipelines.worker import Worker
from supervisor_pipelines.workshop import Workshop
from supervisor_setup import config

pytestmark = pytest.mark.slow  # each is a whole run, of two seconds or more


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.opened(tmp_path / "out", None) as opened:
        yield opened


def test_an_executor_is_dead_when_its_beats_stand_still_by_the_other_s_clock(store: Store) -> None:
    one, other = Executors.join(store, run=None), Executors.join(store, run=None)
    one.bury(now=1000.0)
    one.bury(now=1000.0 + DEAD_AFTER_SECONDS - 1)
    assert one.dead({other.id}) == set()
    other.beat()
    one.bury(now=1000.0 + DEAD_AFTER_SECONDS + 1)
    assert one.dead({other.id}) == set()
    one.bury(now=1000.0 + 2 * DEAD_AFTER_SECONDS + 1)
    assert one.dead({other.id, one.id}) == {other.id}


def test_one_that_was_only_held_up_lives_again_with_its_next_beat(store: Store) -> None:
    one, other = Executors.join(store, run=None), Executors.join(store, run=None)
    one.bury(now=0.0)
    one.bury(now=DEAD_AFTER_SECONDS)
    assert one.dead({other.id}) == {other.id}
    other.beat()
    assert one.dead({other.id}) == set()


def test_whoever_gets_the_lock_of_a_run_knows_that_those_before_are_dead(store: Store) -> None:
    before, elsewhere = Executors.join(store, run="r"), Executors.join(store, run=None)
    now = Executors.join(store, run="r")
    assert now.dead({before.id, elsewhere.id, now.id}) == {before.id}


def test_one_that_leaves_is_gone_at_once(store: Store) -> None:
    one, other = Executors.join(store, run=None), Executors.join(store, run=None)
    other.leave()
    assert one.dead({other.id}) == {other.id}


def test_every_process_has_an_id_of_its_own(store: Store) -> None:
    assert len({Executors.join(store, run=None).id for _ in range(20)}) == 20
    assert executors_module.PREFIX == "executor:"


def worker(desk: Desk, store: Store, *, concurrency: int = 2) -> Worker:
    """One that works on this machine, with the desk's APIs."""
    defaults = config.parse(desk.folder / "config.yaml", b"")
    tools = Workshop(store, defaults, Executors.join(store, run=None), litellm_url=desk.local.url)
    with progress() as shown:
        return Worker(Crew(TRIAGE, tools, concurrency, Leaving()), desk.out / ".pipeline", shown)


def test_a_worker_finishes_what_a_killed_run_has_left_and_does_nothing_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors_module, "DEAD_AFTER_SECONDS", 1.0)
    monkeypatch.setattr("supervisor_pipelines.engine.BEAT_SECONDS", 0.2)
    desk.write(12)
    gate = threading.Event()
    desk.local.fault = answering(gate=gate)
    run = desk.start("--concurrency", "3")
    eventually(lambda: len(asked(desk.local)) == 3 and desk.status()["documents"]["queued"] == 12)
    run.popen.kill()
    run.ended()
    gate.set()

    with Store.opened(desk.out, None) as store:
        outlet = Outlet.found(desk.out)
        assert outlet is not None
        book = journal.Journal(store, outlet.run)
        helper = worker(desk, store)
        helper.go(drain=True)
        helper.crew.workshop.close()
        assert book.counts()[State.DONE] == 12
    assert len(desk.api.billed()) == 12
    assert not desk.api.paid_twice()
