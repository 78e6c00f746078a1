"""Batches at an API, or behind a gateway, that does not behave."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_desk import Desk, opened, request

from supervisor_pipelines import batch_api, batches


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(batch_api, "POLL_SECONDS", (0.01, 0.05))
    with opened(tmp_path) as made:
        yield made


def test_a_batch_that_appears_after_a_long_attempt_to_create_it_has_failed_is_not_created_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SETTLING_SECONDS", 1.5)
    ours = [{"custom_id": request(name).key, "params": request(name).params} for name in ("one", "two")]
    appears = threading.Timer(0.5, desk.api.batches.create, [{"requests": ours}, 1])

    def breaks_off() -> None:
        time.sleep(2.0)
        appears.start()
        raise ConnectionResetError

    desk.api.hook("create", "begin", breaks_off)
    desk.ask("one", "two")
    appears.join()
    assert desk.sizes() == [2]
    assert desk.answer("two") == "two"
