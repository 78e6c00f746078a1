"""Nothing is paid for twice, no budget is exceeded, and every error of the API means one thing."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from paid_api import PRICES
from paid_behaviour import (
    Behaviour,
    bad_request,
    cut_off,
    dropped,
    forbidden,
    lost_reply,
    overloaded,
    rate_limited,
    refusal,
    says,
    server_error,
    unauthorized,
    unknown_model,
)
from till import RUN, Till, Verdict, opened, request

from supervisor_mcp.calls import CallCancelled
from supervisor_mcp.ledger import Ledger
from supervisor_pipelines import money, paying
from supervisor_pipelines.books import Books
from supervisor_pipelines.claude import Claude, PaidRequest
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.money import Wanted
from supervisor_pipelines.paying import BudgetReached, Payer
from supervisor_setup import usage


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    monkeypatch.setattr(paying, "LOST_PAUSE_SECONDS", 0.0)
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No API is waited for."""
    monkeypatch.setattr(paying, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(paying, "FAULT_PATIENCE_SECONDS", 0.0)


def test_an_answer_is_paid_for_once_and_kept(till: Till) -> None:
    first, second = till.pay("one"), till.pay("one")
    assert first.answer == second.answer
    assert (first.again, second.again, second.cost) == (False, True, 0)
    assert len(till.api.billed()) == 1
    assert till.money.spent == first.cost
    assert first.cost is not None
    assert 0 <= first.cost - till.api.spent(PRICES) < 1


def test_another_process_finds_the_answer_too(till: Till) -> None:
    till.pay("one")
    assert till.another("second", "another run").pay(request("one"), Verdict).again


def test_equal_requests_at_the_same_time_are_made_once(till: Till) -> None:
    till.api.open.clear()
    with ThreadPoolExecutor(8) as threads:
        payers = [till.another(f"process {number}") for number in range(8)]
        found = [threads.submit(payer.pay, request("one"), Verdict) for payer in payers]
        till.api.wait_in_flight(1)
        time.sleep(0.1)
        till.api.open.set()
        answers = [one.result() for one in found]
    assert len(till.api.billed()) == 1
    assert sorted(one.again for one in answers) == [False] + [True] * 7


def test_what_a_batch_of_another_run_has_asked_is_not_waited_for_for_ever(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    with till.store.begin() as connection:
        one = request("one")
        money.reserve(connection, "another run", "batch:1", [Wanted(one.key, one.model, 0, 5)])
    monkeypatch.setattr(paying, "OTHERS_SECONDS", 0.1)
    with pytest.raises(StepFailure, match="another run is having it answered"):
        till.pay("one")
    assert till.api.billed() == []
    assert till.money.reserved == 0


def test_any_difference_makes_another_request() -> None:
    same = request("one")
    assert same.key == request("one").key
    others = [
        request("two"),
        request("one", "claude-haiku-5-5"),
        PaidRequest(same.model, "Other.", same.prompt, same.schema, same.max_tokens),
        PaidRequest(same.model, same.system, same.prompt, {"type": "object"}, same.max_tokens),
        PaidRequest(same.model, same.system, same.prompt, same.schema, 501),
    ]
    assert len({one.key for one in [same, *others]}) == 6


def test_the_budget_is_never_exceeded_however_many_threads_pay(till: Till) -> None:
    till.api.latency = 0.01
    till.set_budget(60_000)
    till.api.behave = lambda _asked: says(json.dumps({"verdict": "x" * 1500, "score": 3}))

    def pay(number: int) -> bool:
        try:
            till.another(f"process {number % 3}").pay(request(str(number)), Verdict)
        except BudgetReached:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        paid = sum(threads.map(pay, range(40)))
    assert 0 < paid < 40
    assert till.api.spent(PRICES) <= 60_000
    assert till.api.spent(PRICES) <= till.money.spent <= 60_000
    assert till.money.reserved == 0
    # It ends because money is short and not because others are asking: one more would not have fitted.
    assert till.money.spent + 10_000 > 60_000


def test_a_budget_that_is_reached_says_what_was_spent_and_a_higher_one_goes_on(till: Till) -> None:
    till.set_budget(9_000)
    till.pay("one")
    with pytest.raises(BudgetReached) as told:
        _until_it_raises(till.pay)
    assert told.value.message.startswith("the budget of $0.0090 is reached: $0.00")
    assert "higher --budget" in (told.value.hint or "")
    till.set_budget(None)
    assert till.pay("two").cost


def test_who_may_have_the_money_is_waited_for(till: Till) -> None:
    # The answers cost little of what is reserved for them, so all three fit, one after the other.
    till.set_budget(10_000)
    till.api.open.clear()
    with ThreadPoolExecutor(3) as threads:
        found = [threads.submit(till.pay, str(number)) for number in range(3)]
        till.api.wait_in_flight(1)
        till.api.open.set()
        assert [one.result().again for one in found] == [False] * 3
    assert till.api.most_in_flight == 1


def test_a_model_without_a_price_cannot_be_held_to_a_budget(till: Till) -> None:
    till.api.models = ("claude-next",)
    paid = till.payer.pay(request("one", "claude-next"), Verdict)
    assert paid.cost is None
    assert (till.money.calls, till.money.unpriced, till.money.spent) == (1, 1, 0)
    till.set_budget(1_000_000)
    with pytest.raises(RunStopped, match="claude-next: has no price"):
        till.payer.pay(request("two", "claude-next"), Verdict)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (refusal(), "the model refused to answer"),
        (cut_off(), "the answer exceeds max_tokens"),
        (says("no json"), "Claude's answer does not fit the form at the top: Invalid JSON"),
        (says('{"verdict": "yes", "score": 11}'), "does not fit the form at score: Input should be less"),
    ],
)
def test_an_answer_that_is_no_good_is_paid_kept_and_asked_again_by_a_later_attempt_alone(
    till: Till, behaviour: Behaviour, reason: str
) -> None:
    till.api.next(behaviour)
    for _ in range(2):
        with pytest.raises(StepFailure, match=reason):
            till.pay("one")
    assert len(till.api.billed()) == 1
    assert till.money.spent > 0
    assert not till.pay("one", attempt=1).again
    assert till.pay("one", attempt=1).again
    assert till.pay("one", attempt=2).again  # it is good now
    assert len(till.api.billed()) == 2
    assert till.money.calls == 2


def test_what_the_api_does_not_take_fails_with_its_words_and_costs_nothing(till: Till) -> None:
    till.api.next(bad_request("messages.0: text is too odd"))
    with pytest.raises(StepFailure, match=r"HTTP 400: messages\.0: text is too odd"):
        till.pay("one")
    assert (till.money.spent, till.money.reserved, till.money.lost) == (0, 0, 0)
    assert till.pay("one").answer


@pytest.mark.parametrize(
    ("behaviour", "said", "hint"),
    [
        (unauthorized(), "refuses the key", "export SUPERVISOR_ANTHROPIC_API_KEY"),
        (forbidden(), "does not allow it", "export SUPERVISOR_ANTHROPIC_API_KEY"),
        (unknown_model("claude-sonnet-5-5"), "has no model claude-sonnet-5-5", "--model"),
    ],
)
def test_what_holds_for_every_document_ends_the_run(
    till: Till, behaviour: Behaviour, said: str, hint: str
) -> None:
    till.api.next(behaviour)
    with pytest.raises(RunStopped, match=said) as told:
        till.pay("one")
    assert hint in (told.value.hint or "")
    assert till.money.reserved == 0
    assert till.money.lost == 0


@pytest.mark.parametrize(
    "behaviour", [rate_limited("0"), overloaded("0"), server_error(), rate_limited(None)]
)
def test_what_is_over_in_a_moment_is_asked_again_and_paid_once(
    till: Till, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.01)
    till.api.next(behaviour, behaviour)
    assert till.pay("one").answer
    assert len(till.api.asked) == 3
    assert len(till.api.billed()) == 1
    assert (till.money.calls, till.money.lost, till.money.reserved) == (1, 0, 0)


def test_a_rate_limit_pauses_every_request_of_the_process(till: Till) -> None:
    till.api.next(rate_limited("0.4"))
    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(till.pay, "one")
        till.api.wait_asked(1)
        time.sleep(0.1)
        threads.submit(till.pay, "two").result()
        first.result()
    assert all(asked.began - began >= 0.4 for asked in till.api.asked[1:])


def test_an_api_that_has_too_much_to_do_for_long_ends_the_run(till: Till, impatient: None) -> None:
    till.api.next(overloaded("30"))
    with pytest.raises(RunStopped, match="HTTP 529: Overloaded") as told:
        till.pay("one")
    assert told.value.hint == "run the same command again later"


def test_an_api_that_fails_for_one_request_fails_that_document(till: Till, impatient: None) -> None:
    till.pay("one")
    till.api.behave = lambda asked: server_error() if "odd" in asked.prompt else None
    with pytest.raises(StepFailure, match="HTTP 500"):
        till.pay("odd")
    assert till.pay("two").answer


def test_an_api_that_fails_for_everything_ends_the_run(till: Till, impatient: None) -> None:
    till.api.behave = lambda _asked: server_error()
    with pytest.raises(RunStopped, match="HTTP 500"):
        till.pay("one")


def test_an_api_that_is_not_there_ends_the_run_and_costs_nothing(till: Till, impatient: None) -> None:
    payer = Payer(till.store, Claude("key", "http://127.0.0.1:9"), run_id=RUN, executor_id="me")
    with pytest.raises(RunStopped, match=r"http://127\.0\.0\.1:9: cannot be reached"):
        payer.pay(request("one"), Verdict)
    assert (till.money.reserved, till.money.lost) == (0, 0)


def test_an_answer_that_is_lost_on_the_way_counts_as_if_it_was_billed(till: Till) -> None:
    till.api.next(lost_reply())
    assert till.pay("one").answer
    assert len(till.api.billed()) == 2
    assert till.money.lost > 0
    assert till.api.spent(PRICES) <= till.money.spent + till.money.lost


def test_a_request_whose_answer_is_lost_each_time_is_not_asked_for_ever(till: Till) -> None:
    till.api.behave = lambda _asked: dropped()
    with pytest.raises(StepFailure, match="3 times; each may have been billed"):
        till.pay("one")
    assert len(till.api.asked) == 3
    assert till.money.reserved == 0


def test_an_api_whose_answers_are_all_lost_ends_the_run(till: Till) -> None:
    till.api.behave = lambda _asked: lost_reply()
    for number in range(9):
        till.lose(str(number))
    with pytest.raises(RunStopped, match="each may have been billed"):
        till.pay("9")


def test_answers_that_are_lost_exceed_no_budget(till: Till) -> None:
    till.api.behave = lambda _asked: lost_reply()
    till.set_budget(12_000)
    with pytest.raises(BudgetReached, match=r"are spent, \$0\.0\d+ may be, and the next call"):
        _until_it_raises(till.lose)
    assert till.api.spent(PRICES) <= 12_000


def test_what_a_dead_process_had_reserved_is_written_off_and_can_be_asked_by_another(till: Till) -> None:
    with till.store.begin() as connection:
        money.reserve(connection, RUN, "dead", [Wanted(request("one").key, "claude-sonnet-5-5", 0, 7_000)])
        money.reserve(connection, RUN, "batch:1", [Wanted("other", "claude-sonnet-5-5", 0, 1_000)])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(till.pay, "one")
        time.sleep(0.1)
        assert not waiting.done()
        with till.store.begin() as connection:
            assert money.holders(connection) == {"dead", "batch:1"}
            assert money.write_off(connection, {"dead"}) == 7_000
        assert not waiting.result(5).again
    assert (till.money.lost, till.money.reserved) == (7_000, 1_000)


def test_an_answer_that_comes_after_it_was_written_off_is_kept_and_counted_once(till: Till) -> None:
    def write_off() -> None:
        with till.store.begin() as connection:
            money.write_off(connection, {"first"})

    till.api.hook("message", "begin", write_off)
    paid = till.pay("one")
    assert (till.money.lost, till.money.spent, till.money.reserved) == (0, paid.cost, 0)
    assert till.pay("one").again


def test_stopped_it_waits_no_longer_and_owes_nothing(till: Till) -> None:
    till.api.next(rate_limited("60"))
    timer = threading.Timer(0.2, till.payer.stop)
    timer.start()
    with pytest.raises(CallCancelled):
        till.pay("one")
    timer.join()
    assert till.money.reserved == 0


def test_paid_calls_are_in_the_ledger_with_their_cost(till: Till, tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    payer = Payer(till.store, till.claude, run_id=RUN, executor_id="me", books=Books(ledger, "triage"))
    paid = payer.pay(request("one"), Verdict)
    payer.pay(request("one"), Verdict)
    ledger.close()
    [group] = usage.read(tmp_path / "ledger.db", None, time.time()).groups
    assert (group.tool, group.backend, group.model) == ("pipeline:triage", "anthropic", "claude-sonnet-5-5")
    assert (group.figures.calls, group.figures.cost_micros) == (1, paid.cost)


def _until_it_raises(pay: Callable[[str], object]) -> None:
    for number in range(100):
        pay(str(number))
