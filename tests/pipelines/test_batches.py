"""Batches: half the price, every request once, whatever is killed in between."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_desk import ASK, RUN, Desk, Verdict, opened, request
from paid_api import PRICES
from till import killed

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines import batch_api, batches, money
from supervisor_pipelines.batch_api import BatchApi
from supervisor_pipelines.batches import Batcher, Waiting
from supervisor_pipelines.claude import Claude, Unanswered, Why
from supervisor_pipelines.failures import RunStopped
from supervisor_pipelines.money import Wanted
from supervisor_pipelines.paying import BudgetReached, Payer


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(batch_api, "POLL_SECONDS", (0.01, 0.05))
    monkeypatch.setattr(batches, "SETTLING_SECONDS", 0.0)
    with opened(tmp_path) as made:
        yield made


def test_one_batch_answers_all_requests_at_half_price(desk: Desk) -> None:
    desk.ask("one", "two", "three")
    assert desk.sizes() == [3]
    assert [desk.answer(prompt) for prompt in ("one", "two", "three")] == ["one", "two", "three"]
    alone = Payer(desk.store, desk.claude, run_id="alone", executor_id="me").pay(request("four"), Verdict)
    spent = desk.money()
    assert (spent.calls, spent.reserved, spent.lost) == (3, 0, 0)
    assert alone.cost is not None
    assert abs(spent.spent - 3 * alone.cost / 2) <= 6
    assert desk.rows() == 0


def test_what_is_paid_for_is_in_no_batch_again(desk: Desk) -> None:
    desk.ask("one", "two")
    desk.ask("one", "two")
    desk.ask("one", "two", "three")
    assert desk.sizes() == [2, 1]
    assert not desk.api.paid_twice()


def test_equal_requests_are_in_a_batch_once(desk: Desk) -> None:
    desk.ask("one", "one", "two")
    assert desk.sizes() == [2]
    assert desk.answer("one") == "one"


def reserved_by_another_run(desk: Desk, prompt: str) -> money.Reservation:
    asked = request(prompt)
    with desk.store.begin() as connection:
        [made] = money.reserve(connection, "other", "batch:x", [Wanted(asked.key, asked.model, 0, 1)])
    return made


def test_what_another_run_has_asked_is_waited_for_no_longer_than_it_may_be_dead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "OTHERS_SECONDS", 0.2)
    reserved_by_another_run(desk, "one")
    desk.ask("one", "two")
    assert desk.sizes() == [1]
    assert desk.answer("two") == "two"


def test_what_another_run_has_given_up_is_asked_after_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = reserved_by_another_run(desk, "one")

    def gives_up(_self: BatchApi, _seconds: float) -> None:
        with desk.store.begin() as connection:
            money.release(connection, [theirs])

    monkeypatch.setattr(BatchApi, "wait", gives_up)
    desk.ask("one")
    assert desk.sizes() == [1]
    assert desk.answer("one") == "one"


def test_many_requests_go_in_several_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_REQUESTS", 4)
    desk.ask(*(str(number) for number in range(10)))
    assert desk.sizes() == [4, 4, 2]
    assert desk.money().calls == 10


def test_a_batch_holds_no_more_bytes_than_the_api_takes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_BYTES", 5_000)
    desk.ask("a" * 3_000, "b" * 3_000, "c" * 30_000)
    assert desk.sizes() == [1, 1, 1]


@pytest.mark.parametrize("outcome", ["errored", "expired", "canceled"])
def test_what_a_batch_does_not_answer_fails_with_its_reason_and_costs_nothing(
    desk: Desk, outcome: str
) -> None:
    odd = request("odd").key
    desk.api.batches.outcome = lambda name, _params: outcome if name == odd else "succeeded"
    desk.ask("good", "odd")
    assert desk.answer("good") == "good"
    reasons = {
        "errored": "the API: messages.0: text is too odd",
        "expired": "the batch did not get to it within a day",
        "canceled": "the batch was cancelled",
    }
    assert desk.failure("odd") == reasons[outcome]
    assert (desk.money().calls, desk.money().reserved) == (1, 0)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ({"type": "billing_error", "message": "no money is left"}, "settings/keys"),
        ({"type": "permission_error", "message": "no right to it"}, "settings/keys"),
        (
            {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."},
            "settings/billing",
        ),
    ],
)
def test_money_that_ends_within_a_batch_ends_the_run_and_fails_no_document(
    desk: Desk, error: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_REQUESTS", 2)
    desk.api.batches.error = error
    good = request("good").key
    desk.api.batches.outcome = lambda name, _params: "succeeded" if name == good else "errored"
    desk.set_budget(0.03)  # too little for the second batch while the first is under way
    with pytest.raises(RunStopped, match=error["message"]) as raised:
        desk.ask("good", "unpaid", "never sent")
    assert hint in (raised.value.hint or "")
    assert desk.sizes() == [2]
    assert desk.answer("good") == "good"
    assert desk.failure("unpaid") is None
    assert desk.money().reserved == 0

    desk.api.batches.outcome = lambda _name, _params: "succeeded"
    desk.ask("good", "unpaid", "never sent")
    assert desk.answer("unpaid") == "unpaid"
    assert desk.sizes() == [2, 1, 1]


def test_what_has_failed_is_asked_again_by_a_later_attempt_alone(desk: Desk) -> None:
    desk.api.batches.outcome = lambda _name, _params: "expired"
    desk.ask("one")
    desk.api.batches.outcome = lambda _name, _params: "succeeded"
    desk.ask("one")
    assert desk.sizes() == [1]
    desk.ask("one", attempt=1)
    assert desk.sizes() == [1, 1]
    assert desk.answer("one") == "one"
    assert desk.failure("one") is None


def test_killed_before_the_id_has_come_back_the_batch_is_found_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_created", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.ask("one", "two")
    assert desk.sizes() == [2]
    assert desk.money().reserved > 0
    desk.ask("one", "two")
    assert desk.sizes() == [2]
    assert desk.answer("two") == "two"
    assert desk.money().reserved == 0


def test_killed_before_the_batch_was_created_it_is_created_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_create", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.ask("one", "two")
    assert desk.sizes() == []
    desk.ask("one", "two")
    assert desk.sizes() == [2]
    assert desk.money().lost == 0


def test_killed_in_the_midst_of_collecting_the_rest_is_collected_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_COLLECTED_AT_ONCE", 2)
    kept = []
    keep = Batcher._keep

    def dies_at_the_third(self: Batcher, *arguments: object) -> None:
        kept.append(1)
        if len(kept) == 3:
            killed()
        keep(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_keep", dies_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            desk.ask("one", "two", "three", "four", "five")
    assert desk.money().calls == 2
    desk.ask("one", "two", "three", "four", "five")
    assert desk.sizes() == [5]
    assert desk.money().calls == 5
    assert desk.money().spent <= desk.api.spent(PRICES) + 5


def test_somebody_elses_batch_of_the_same_size_is_not_taken_for_ours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_create", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.ask("one", "two")
    theirs = {"requests": [{"custom_id": name, "params": request(name).params} for name in ("x", "y")]}
    desk.api.batches.create(theirs, 1)
    desk.ask("one", "two")
    assert desk.sizes() == [2, 2]
    assert desk.answer("one") == "one"


def test_a_batch_that_might_be_ours_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.api.batches.seconds = None
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_created", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.ask("one")
    thread = threading.Timer(0.2, lambda: desk.api.batches.end(desk.api.batches.all[0]))
    thread.start()
    seen = desk.ask("one")
    thread.join()
    assert desk.sizes() == [1]
    assert seen[0] == Waiting(1, 1)


def test_an_answer_that_is_lost_on_the_way_creates_no_second_batch(desk: Desk) -> None:
    def cut() -> None:
        raise ConnectionResetError

    desk.api.hook("create", "billed", cut)
    desk.ask("one", "two")
    assert desk.sizes() == [2]
    assert desk.answer("one") == "one"


def test_stopped_while_it_waits_the_batch_goes_on_and_the_next_collects_it(desk: Desk) -> None:
    desk.api.batches.seconds = None

    def stop(_waiting: Waiting) -> None:
        batcher.stop()

    batcher = Batcher(desk.store, desk.claude, run_id=RUN)
    with pytest.raises(CallCancelled):
        batcher.ask_all([(request("one"), 0)], Verdict, stop)
    desk.api.batches.end(desk.api.batches.all[0])
    desk.ask("one")
    assert desk.sizes() == [1]
    assert desk.answer("one") == "one"


def test_a_batch_is_sent_as_far_as_the_money_goes(desk: Desk) -> None:
    # One call may cost some 12 thousandths in a batch, and does cost a hundredth of that.
    desk.set_budget(0.03)
    desk.ask(*(str(number) for number in range(12)))
    assert desk.money().calls == 12
    assert len(desk.sizes()) > 1
    desk.set_budget(0.012)
    with pytest.raises(BudgetReached, match=r"the budget of \$0.0120 is reached"):
        desk.ask("more", "and more")
    assert desk.money().reserved == 0


def test_a_batch_that_never_reached_the_api_is_sent_again(desk: Desk) -> None:
    def cut() -> None:
        raise ConnectionResetError

    desk.api.hook("create", "begin", cut)
    desk.ask("one")
    assert desk.sizes() == [1]
    assert desk.answer("one") == "one"


def test_a_wrong_key_ends_the_run_and_nothing_stays_reserved(desk: Desk) -> None:
    desk.claude.close()
    desk.claude = Claude("sk-ant-wrong", desk.api.url)
    with pytest.raises(RunStopped, match="refuses the key"):
        desk.ask("one")
    assert desk.sizes() == []
    assert desk.rows() == 0
    assert desk.money().reserved == 0


def test_a_batch_that_the_api_does_not_take_ends_the_run_and_nothing_stays_reserved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paid_batches.MOST_REQUESTS", 1)
    with pytest.raises(
        RunStopped, match=r"cannot be sent: the API does not take it \(HTTP 400: requests: must have"
    ):
        desk.ask("one", "two")
    assert (desk.rows(), desk.money().reserved) == (0, 0)


def test_a_key_that_ends_between_two_requests_leaves_nothing_reserved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = BatchApi.newest

    def revoked(self: BatchApi) -> str:
        found = newest(self)
        desk.api.key = "sk-ant-another"
        return found

    monkeypatch.setattr(BatchApi, "newest", revoked)
    with pytest.raises(RunStopped, match="refuses the key"):
        desk.ask("one")
    assert (desk.rows(), desk.money().reserved) == (0, 0)


def test_money_that_others_have_in_flight_is_waited_for(desk: Desk) -> None:
    desk.set_budget(0.02)
    with desk.store.begin() as connection:
        theirs = money.reserve(connection, RUN, "somebody", [Wanted("other", ASK.model, 0, 15_000)])

    def settled() -> None:
        with desk.store.begin() as connection:
            money.release(connection, theirs)

    settling = threading.Timer(0.2, settled)
    settling.start()
    desk.ask("one")
    settling.join()
    assert desk.answer("one") == "one"


def test_an_api_that_stays_away_ends_the_run_and_its_batch_is_looked_for_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "PATIENCE_SECONDS", 0.0)
    there, desk.claude = desk.claude, Claude("sk-ant-any", "http://127.0.0.1:9")
    with pytest.raises(RunStopped, match="cannot be reached"):
        desk.ask("one")
    desk.claude.close()
    desk.claude = there
    desk.ask("one")
    assert desk.sizes() == [1]


def test_results_that_break_off_are_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_COLLECTED_AT_ONCE", 1)
    results = BatchApi.results
    times = []

    def breaks_off_once(self: BatchApi, name: str) -> Iterator[object]:
        times.append(name)
        for number, one in enumerate(results(self, name)):
            if number == 1 and len(times) == 1:
                raise Unanswered("broke off", Why.LOST)
            yield one

    monkeypatch.setattr(BatchApi, "results", breaks_off_once)
    desk.ask("one", "two", "three")
    assert len(times) == 2
    assert desk.money().calls == 3


def test_results_that_are_kept_no_longer_may_have_been_billed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchApi, "results", lambda *_: iter(()))
    desk.ask("one")
    assert desk.failure("one") == "the batch has no result for it"
    assert desk.money().lost > 0
