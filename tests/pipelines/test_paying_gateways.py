"""What stands between us and the API, or guards it, makes nothing be paid for that nobody knows of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from paid_behaviour import Behaviour
from till import Till, opened

from supervisor_pipelines import paying
from supervisor_pipelines.failures import StepFailure


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    monkeypatch.setattr(paying, "LOST_PAUSE_SECONDS", 0.0)
    with opened(tmp_path) as made:
        yield made


def gateway(status: int) -> Behaviour:
    """A gateway gives up the request that it has passed on."""
    return Behaviour(status, "gateway_error", "Gateway Timeout", "0")


@pytest.mark.parametrize("status", [408, 502, 504, 520, 521, 522, 523, 524])
def test_what_a_gateway_gave_up_counts_as_if_it_was_billed(till: Till, status: int) -> None:
    till.api.next(gateway(status))
    assert till.pay("one").answer
    assert len(till.api.asked) == 2
    assert till.money.lost > 0
    assert till.money.reserved == 0


def test_what_a_gateway_gives_up_each_time_is_not_asked_for_ever(till: Till) -> None:
    till.api.behave = lambda _asked: gateway(504)
    with pytest.raises(StepFailure, match=r"HTTP 504.*, 3 times; each may have been billed"):
        till.pay("one")
    assert len(till.api.asked) == 3


def test_a_gateway_that_has_nobody_to_pass_it_on_to_is_waited_for_and_nothing_is_owed(till: Till) -> None:
    till.api.next(*[gateway(503)] * 4)
    assert till.pay("one").answer
    assert (till.money.lost, till.money.reserved) == (0, 0)
