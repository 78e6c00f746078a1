"""Gateways before the API make nothing be paid for unseen; what it refuses always, is not asked for long."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from paid_behaviour import Behaviour, bad_request
from till import Till, opened

from supervisor_pipelines import paying
from supervisor_pipelines.failures import RunStopped, StepFailure


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


@pytest.mark.parametrize(
    "said",
    [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
    ],
)
def test_an_account_without_money_ends_the_run_at_its_first_request(till: Till, said: str) -> None:
    till.pay("one")
    till.api.next(bad_request(said))
    with pytest.raises(RunStopped, match=said.split(".", maxsplit=1)[0]) as told:
        till.pay("two")
    assert "billing" in (told.value.hint or "")
    assert (till.money.lost, till.money.reserved) == (0, 0)


def test_an_api_that_takes_none_of_the_first_requests_ends_the_run(till: Till) -> None:
    till.api.behave = lambda _asked: bad_request()
    for number in range(9):
        with pytest.raises(StepFailure):
            till.pay(str(number))
    with pytest.raises(RunStopped, match=r"HTTP 400: messages\.0: text is too odd") as told:
        till.pay("9")
    assert "--retry-failed" in (told.value.hint or "")
    assert till.money.reserved == 0


def test_once_one_was_answered_those_that_it_does_not_take_end_nothing(till: Till) -> None:
    till.pay("one")
    till.api.behave = lambda _asked: bad_request()
    for number in range(20):
        with pytest.raises(StepFailure):
            till.pay(str(number))
