"""Whatever is killed, and whenever: each document ends once, and what was paid for is not paid for again."""

import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from filled import filled
from paid_api import PRICES, Asked, PaidApi
from paid_rules import schema_of

from .pipeline_place import Place, Process, eventually, expect, notes, place
from .postgres import Postgres

pytestmark = pytest.mark.e2e

DOCUMENTS = 200
KILLS = 20
WORKERS_KEY = "sk-ant-key-of-the-worker"
JUST_NOW = 3.0
"""Seconds within which an answer that has arrived must be in the database, with much else to do."""

Stored = Callable[[], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Kill:
    """An instant: what was safe then, and how many requests had been made."""

    at: float
    stored: frozenset[str]
    asked: int


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path, paid_s=0.02, local_s=0.01) as made:
        yield made


def stored_in_file(pipeline: Place) -> frozenset[str]:
    """The keys of the requests whose answers the run's own database holds."""
    path = pipeline.out / ".pipeline" / "state.db"
    if not path.exists():
        return frozenset()
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'paid'").fetchone():
            return frozenset()  # killed before there were tables
        found = connection.execute("SELECT key FROM paid WHERE reply IS NOT NULL")
        return frozenset(key for (key,) in found)


def stored_in(url: str) -> frozenset[str]:
    """The same of a database."""
    with psycopg.connect(url) as connection:
        query = "SELECT key FROM supervisor_pipelines.paid WHERE reply IS NOT NULL"
        return frozenset(key for (key,) in connection.execute(query))


def kill(process: Process, api: PaidApi, stored: Stored) -> Kill:
    """Kill it, then look at what it has left."""
    process.kill()
    at = time.monotonic()
    # What was in flight has nobody to answer to; its work is billed all the same.
    assert eventually(lambda: api.in_flight == 0)
    return Kill(at, stored(), len(api.asked))


def everything_ended_once(pipeline: Place, count: int = DOCUMENTS) -> None:
    """As many lines as documents, each with the answer that Claude gave for this one."""
    lines = pipeline.lines()
    assert len(lines) == count
    assert Counter(line["status"] for line in lines) == {"done": count}
    assert len({line["path"] for line in lines}) == len({line["sha256"] for line in lines}) == count
    answers = {
        asked.prompt: filled(schema_of(asked.body) or {}, asked.prompt) for asked in pipeline.api.billed()
    }
    for line in lines:
        text = Path(line["path"]).read_text(encoding="utf-8")
        given = [answer for prompt, answer in answers.items() if text in prompt]
        assert line["answer"] in given


def repeats(api: PaidApi, kills: Sequence[Kill]) -> int:
    """The requests that were paid for more than once; each must have been in flight at a kill."""
    for one in kills:
        again = {asked.key for asked in api.asked[one.asked :]} & one.stored
        assert not again, f"{len(again)} answers that were safe at a kill were asked for again"
    by_key: dict[str, list[Asked]] = {}
    for asked in api.billed():
        by_key.setdefault(asked.key, []).append(asked)
    for same in by_key.values():
        for first, second in pairwise(same):
            between = [one.at for one in kills if first.began <= one.at <= second.began]
            assert between, "asked again without a kill in between"
            assert first.ended is None or between[0] - first.ended < JUST_NOW, "had ended before the kill"
    return sum(len(same) - 1 for same in by_key.values())


def wait_for_instant(process: Process, api: PaidApi, requests: int, seconds: float) -> None:
    """Let so many further paid requests come in, and then so many seconds pass."""
    goal = len(api.asked) + requests
    assert eventually(lambda: len(api.asked) >= goal or not process.runs, 60)
    time.sleep(seconds)


def test_killed_at_twenty_random_instants_nothing_is_missing_or_paid_twice(
    pipeline: Place, record_property: Callable[[str, object], None]
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201 - a failed test shows it
    pipeline.write(notes(DOCUMENTS))
    stored: Stored = lambda: stored_in_file(pipeline)  # noqa: E731 - a name for the type
    kills: list[Kill] = []
    while len(kills) < KILLS:
        process = pipeline.start_run()
        left = DOCUMENTS - len(kills[-1].stored) if kills else DOCUMENTS
        requests = chance.randint(0, max(0, 2 * left // (KILLS - len(kills)) - 8))
        wait_for_instant(process, pipeline.api, requests, chance.uniform(0, 1.5 if requests == 0 else 0.05))
        kills.append(kill(process, pipeline.api, stored))
    pipeline.run()
    everything_ended_once(pipeline)
    found = repeats(pipeline.api, kills)
    line = f"{KILLS} kills, {DOCUMENTS} documents: {found} requests in flight at a kill were repeated"
    print(line, f"{[len(one.stored) for one in kills]} answers safe at each kill")  # noqa: T201
    record_property("in-flight repeats", found)
    assert found <= KILLS * 8
    assert (
        pipeline.api.most_in_flight <= 8 + 8
    )  # those of a process that was just killed may still be answered


def test_of_two_workers_one_is_lost_for_good_and_the_other_ends_everything(
    pipeline: Place, postgres: Postgres
) -> None:
    """A run and a worker share PostgreSQL. The worker is killed with its hands full and never comes back."""
    url = postgres.fresh()
    pipeline.options += ("--db", url)
    pipeline.api.further_keys = (WORKERS_KEY,)
    pipeline.write(notes(DOCUMENTS))
    options = ("--db", url, "--concurrency", "4", *pipeline.options[:2])
    run = pipeline.start_run("--concurrency", "4")
    pipeline.api.wait_asked(1)
    pipeline.api.open.clear()
    worker = pipeline.start("work", *options, SUPERVISOR_ANTHROPIC_API_KEY=WORKERS_KEY)
    assert eventually(lambda: len(asked_by_worker(pipeline.api)) == 4)
    worker.kill()
    killed = Kill(time.monotonic(), stored_in(url), len(pipeline.api.asked))
    pipeline.api.open.set()
    expect(run)
    everything_ended_once(pipeline)
    assert repeats(pipeline.api, [killed]) == 4
    assert {asked.key for asked in asked_by_worker(pipeline.api)} == set(pipeline.api.paid_twice())
    assert pipeline.status("--db", url)["usd"]["lost"] > 0


def asked_by_worker(api: PaidApi) -> list[Asked]:
    """The requests that came with the worker's key."""
    return [one for one in api.asked if one.headers.get("authorization", "").endswith(WORKERS_KEY)]


def test_a_worker_ends_what_a_run_has_begun_that_was_killed(pipeline: Place, postgres: Postgres) -> None:
    url = postgres.fresh()
    pipeline.options += ("--db", url)
    pipeline.write(notes(DOCUMENTS))
    run = pipeline.start_run("--concurrency", "4")
    pipeline.api.wait_asked(40)
    killed = kill(run, pipeline.api, lambda: stored_in(url))
    expect(pipeline.start("work", "--db", url, "--drain", *pipeline.options[:2]))
    asked = len(pipeline.api.asked)
    pipeline.run()
    assert len(pipeline.api.asked) == asked
    everything_ended_once(pipeline)
    repeats(pipeline.api, [killed])


def test_a_server_that_goes_away_takes_no_paid_answer_with_it(pipeline: Place, postgres: Postgres) -> None:
    url = postgres.fresh()
    pipeline.options += ("--db", url)
    pipeline.pace("paying", "KEEPING_SECONDS", 2)
    pipeline.write(notes(40))
    pipeline.api.open.clear()
    run = pipeline.start_run("--concurrency", "4")
    pipeline.api.wait_in_flight(4)
    with postgres.away(url):
        pipeline.api.open.set()
        assert "hint: " in expect(run, 1).err
        assert len(pipeline.api.billed()) == 4
    pipeline.run()
    everything_ended_once(pipeline, 40)
    assert len(pipeline.api.billed()) == 40
    assert pipeline.status("--db", url)["usd"]["lost"] == 0


def interrupted(pipeline: Place) -> Process:
    """A run over 40 documents that was told to end while the API had four requests, and has answered none."""
    pipeline.write(notes(40))
    # As with many documents, where it looks around seldom: the signal has to be heeded between two looks.
    pipeline.pace("run", "_LOOK_SECONDS", 2)
    pipeline.api.open.clear()
    run = pipeline.start_run("--concurrency", "4")
    pipeline.api.wait_in_flight(4)
    run.send(signal.SIGINT)
    time.sleep(1)
    return run


def test_an_interrupt_lets_what_is_in_flight_end_and_starts_nothing_more(pipeline: Place) -> None:
    run = interrupted(pipeline)
    pipeline.api.open.set()
    ended = expect(run, 130)
    assert len(pipeline.api.billed()) == 4
    assert len(stored_in_file(pipeline)) == 4, ended.err
    pipeline.run()
    assert len(pipeline.api.billed()) == 40
    everything_ended_once(pipeline, 40)


def test_a_second_interrupt_ends_at_once(pipeline: Place) -> None:
    run = interrupted(pipeline)
    run.send(signal.SIGINT)
    expect(run, 130)
    pipeline.api.open.set()
    pipeline.run()
    everything_ended_once(pipeline, 40)
    assert len(pipeline.api.billed()) <= 44


def test_the_budget_holds_across_kills_and_workers(pipeline: Place, postgres: Postgres) -> None:
    url = postgres.fresh()
    pipeline.options += ("--db", url)
    pipeline.write(notes(DOCUMENTS))
    # A call costs some 1,600 micro-dollars; what it may cost at most is set aside, and lost with a kill.
    pipeline.edit("prompt=question,", "prompt=question, max_tokens=300,")
    budget = 0.2
    limit = int(budget * 1_000_000)
    chance = random.Random(1)
    for _ in range(3):
        run = pipeline.start_run("--budget", str(budget), "--concurrency", "4")
        worker = pipeline.start("work", "--db", url, "--concurrency", "4", *pipeline.options[:2])
        wait_for_instant(run, pipeline.api, chance.randint(1, 12), chance.uniform(0, 0.05))
        run.kill()
        worker.kill()
        assert pipeline.api.spent(PRICES) <= limit
    ended = pipeline.run("--budget", str(budget), code=1)
    assert "budget" in ended.err
    spent = pipeline.api.spent(PRICES)
    assert spent <= limit
    assert Counter(line["status"] for line in pipeline.lines())["done"] > 0
    pipeline.run("--budget", "100")
    everything_ended_once(pipeline)
