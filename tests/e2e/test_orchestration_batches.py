"""A batch is created once, whatever is killed around its creation, and its answers are kept."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pipeline_place import Place, eventually, expect, notes, place

pytestmark = pytest.mark.e2e

DOCUMENTS = 30


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        made.write(notes(DOCUMENTS))
        made.options += ("--batch",)
        made.pace("batches", "SETTLING_SECONDS", 5)
        yield made


def ended_in_one_batch(pipeline: Place) -> None:
    assert Counter(line["status"] for line in pipeline.lines()) == {"done": DOCUMENTS}
    assert [len(batch.requests) for batch in pipeline.api.batches.all] == [DOCUMENTS]
    assert len(pipeline.api.billed()) == DOCUMENTS
    assert all(asked.batch for asked in pipeline.api.asked)


def test_one_batch_answers_for_all_documents(pipeline: Place) -> None:
    pipeline.run()
    ended_in_one_batch(pipeline)
    asked = pipeline.api.calls.copy()
    pipeline.run()
    assert pipeline.api.calls == asked


def test_killed_before_the_batch_has_reached_the_api_it_is_created_by_the_next_run(pipeline: Place) -> None:
    def kill_first() -> None:
        pipeline.end()
        raise ConnectionResetError

    pipeline.api.hook("create", "begin", kill_first)
    run = pipeline.start_run()
    assert eventually(lambda: not run.runs, 60)
    assert pipeline.api.batches.all == []
    pipeline.run()
    ended_in_one_batch(pipeline)


def test_killed_before_the_batchs_id_has_come_back_it_is_found_again(pipeline: Place) -> None:
    pipeline.api.hook("create", "billed", pipeline.end)
    run = pipeline.start_run()
    assert eventually(lambda: not run.runs, 60)
    assert len(pipeline.api.batches.all) == 1
    pipeline.run()
    ended_in_one_batch(pipeline)


def test_another_pipelines_batches_are_not_taken_for_ones_own(pipeline: Place) -> None:
    pipeline.api.hook("create", "billed", pipeline.end)
    run = pipeline.start_run()
    assert eventually(lambda: not run.runs, 60)
    mine = pipeline.api.batches.all[0]
    params = next(iter(mine.requests.values()))
    for number in range(3):
        pipeline.api.batches.create({"requests": [{"custom_id": f"{number:064x}", "params": params}]}, 1)
    pipeline.run()
    assert Counter(line["status"] for line in pipeline.lines()) == {"done": DOCUMENTS}
    assert len(pipeline.api.batches.all) == 4


def test_killed_while_it_waits_the_next_run_waits_on(pipeline: Place) -> None:
    def waits() -> int:
        return pipeline.api.calls["GET /v1/messages/batches/:id"]

    pipeline.api.batches.seconds = None
    run = pipeline.start_run()
    assert eventually(lambda: pipeline.api.batches.all and waits() > 0, 60)
    run.kill()
    again = pipeline.start_run()
    asked = waits()
    assert eventually(lambda: waits() > asked, 60)
    pipeline.api.batches.end(pipeline.api.batches.all[0])
    expect(again)
    ended_in_one_batch(pipeline)
