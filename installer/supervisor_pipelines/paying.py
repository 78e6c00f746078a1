"""Never pays twice: every answer that came is kept, and who asks the same waits for who asked first.

Where a database cannot be written, not even after a while, the answers of that time are put aside on this
machine (`spool`). A process that was held up for so long that it was taken for dead may have its request made
a second time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines import money
from supervisor_pipelines.books import NO_BOOKS, Books
from supervisor_pipelines.claude import Claude, PaidRequest, Reply, Unanswered, Why, answer_of, is_usable
from supervisor_pipelines.failures import RunStopped, StepFailure, Streak
from supervisor_pipelines.money import Money, Reservation, Wanted
from supervisor_pipelines.spool import Spool
from supervisor_pipelines.store import Store
from supervisor_pipelines.tariff import Tariff, Usage, dollars
from supervisor_setup.errors import UserError

Answer = TypeVar("Answer", bound=BaseModel)

PATIENCE_SECONDS = 600.0
"""How long an API that has too much to do is waited for."""
FAULT_PATIENCE_SECONDS = 60.0
"""How long one that fails, or cannot be reached, is."""
LONGEST_PAUSE_SECONDS = 30.0
MOST_LOST = 3
"""Times that a request whose answer was lost on the way is asked; each may have been billed."""
LOST_PAUSE_SECONDS = 5.0
"""After an answer that was lost, so that what loses them may come to itself before more is paid for."""
KEEPING_SECONDS = 60.0
"""How long a database that cannot be written is tried again, for an answer that is paid."""
_KEEPING_PAUSES = (0.5, 5.0)
OTHERS_SECONDS = 1800.0
"""How long somebody else who asks the same is waited for. A batch may take a day, or be nobody's any more."""
_LOOK_SECONDS = (0.02, 0.5)


class BudgetReached(RunStopped):
    """The next call could cost more than what is left of the budget."""


@dataclass(frozen=True)
class Paid(Generic[Answer]):
    """An answer, and what it cost in millionths of a dollar (None: its model's price is not known).

    `again`: it had been paid for before, and cost nothing now.
    """

    answer: Answer
    usage: Usage
    cost: int | None
    again: bool


class Payer:
    """Asks Claude on behalf of one run and one executor; from several threads at once."""

    def __init__(  # noqa: PLR0913 - whom it pays for, and where that is written down
        self,
        store: Store,
        api: Claude,
        *,
        run_id: str,
        executor_id: str,
        books: Books = NO_BOOKS,
        spool: Spool | None = None,
    ) -> None:
        """Pay out of the budget of `run_id` (`money.set_budget`), reserving in the name of `executor_id`."""
        self._store = store
        self._api = api
        self._tariff = Tariff.load()
        self._run_id = run_id
        self._executor_id = executor_id
        self._books = books
        self._spool = spool
        self._streak = Streak()
        self._stopped = threading.Event()
        self._paused_until = 0.0

    def pay(self, request: PaidRequest, form: type[Answer], *, attempt: int = 0) -> Paid[Answer]:
        """The answer to `request`, from what was paid for before or from Claude.

        A paid answer that is no good is kept, and asked for again by a later `attempt` alone.

        Raises:
            StepFailure: this request comes to nothing.
            BudgetReached: it could exceed the budget; whatever is in flight has been waited for.
            RunStopped: none would come to anything: the key or the model is wrong, the API is down.
            CallCancelled: `stop` was called while it waited.
        """
        lost = 0
        while True:
            claimed = self._claim(request, form, attempt)
            if isinstance(claimed, Reply):
                return Paid(answer_of(claimed, form), claimed.usage, 0, again=True)
            began = time.monotonic()
            try:
                reply = self._patiently(request)
            except Unanswered as error:
                self._lose(claimed)
                lost += 1
                if lost == MOST_LOST:
                    reason = f"{error.reason}, {lost} times; each may have been billed"
                    raise self._meaning(reason) from error
                self._wait(lost * LOST_PAUSE_SECONDS if error.wait_seconds is None else error.wait_seconds)
            except (StepFailure, RunStopped, CallCancelled):
                with self._store.begin() as connection:
                    money.release(connection, [claimed])
                raise
            except BaseException:
                self._lose(claimed)
                raise
            else:
                return self._settled(claimed, request, reply, form, time.monotonic() - began)

    def stop(self) -> None:
        """Wait for nothing any more; what is under way at the API is still taken."""
        self._stopped.set()

    def _claim(self, request: PaidRequest, form: type[BaseModel], attempt: int) -> Reply | Reservation:
        """The stored reply, or the right to ask; waits for who asks the same, and for money in flight."""
        key, most = request.key, self._tariff.most(request.model, len(request.body), request.max_tokens)
        look, longest = _LOOK_SECONDS
        until = time.monotonic() + OTHERS_SECONDS
        while True:
            with self._store.begin() as connection:
                account = money.money(connection, self._run_id, lock=True)
                kept = money.stored(connection, key)
                if kept is not None and (kept[1] >= attempt or is_usable(kept[0], form)):
                    return kept[0]
                check(account, request, most)
                if most is None or account.free is None or most <= account.free:
                    wanted = Wanted(key, request.model, attempt, most or 0)
                    made = money.reserve(connection, self._run_id, self._executor_id, [wanted])
                    if made:
                        return made[0]
                    if time.monotonic() >= until:
                        raise StepFailure("another run is having it answered; --retry-failed finds it")
            self._wait(look)
            look = min(2 * look, longest)

    def _patiently(self, request: PaidRequest) -> Reply:
        """Ask until there is an answer; attempts that cost nothing are repeated.

        Raises:
            Unanswered: it may have been billed.
        """
        began = time.monotonic()
        mean_pause = 1.0
        while True:
            self._wait(self._paused_until - time.monotonic())
            try:
                reply = self._api.send(request)
            except Unanswered as error:
                if error.why is Why.LOST:
                    raise
                pause = error.wait_seconds
                if pause is None:
                    pause = mean_pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                    mean_pause = min(2 * mean_pause, LONGEST_PAUSE_SECONDS)
                patience = PATIENCE_SECONDS if error.why is Why.BUSY else FAULT_PATIENCE_SECONDS
                if time.monotonic() + pause >= began + patience:
                    may_be_of_request = error.why is Why.FAULT and self._streak.has_succeeded
                    raise self._meaning(error.reason, of_all=not may_be_of_request) from error
                if error.why is Why.BUSY:  # the limits are for all requests of this process together
                    self._paused_until = max(self._paused_until, time.monotonic() + pause)
                else:
                    self._wait(pause)
            except StepFailure as error:
                # One of many is odd; where it is the first ones, one after the other, all are.
                if not self._streak.has_succeeded and self._streak.failed():
                    hint = "mend what it names, then run the same command with --retry-failed"
                    raise RunStopped(error.reason, hint=hint) from error
                raise
            else:
                self._streak.succeeded()
                return reply

    def _meaning(self, reason: str, *, of_all: bool = False) -> StepFailure | RunStopped:
        """A failure of this request, or of the API when it is one of all or there were many in a row."""
        if self._streak.failed() or of_all:
            return RunStopped(reason, hint="run the same command again later")
        return StepFailure(reason)

    def _settled(
        self, claimed: Reservation, request: PaidRequest, reply: Reply, form: type[Answer], seconds: float
    ) -> Paid[Answer]:
        cost = self._tariff.cost(request.model, reply.usage)
        self._books.paid(request.model, reply.usage, cost, seconds)
        self._keep(claimed, reply, cost)
        return Paid(answer_of(reply, form), reply.usage, cost, again=False)

    def _keep(self, claimed: Reservation, reply: Reply, cost: int | None) -> None:
        """Settle, for as long as it takes a server to start again or somebody to free some space.

        Not even `stop` ends it, since others wait for the answer.

        Raises:
            UserError: the database cannot be written. The answer is put aside.
        """
        until = time.monotonic() + KEEPING_SECONDS
        pause, longest = _KEEPING_PAUSES
        settle: Callable[..., None] = money.settle
        while True:
            try:
                with self._store.begin() as connection:
                    settle(connection, claimed, reply, cost)
            except UserError:
                if time.monotonic() + pause >= until:
                    if self._spool is not None:
                        with suppress(UserError):  # the database's is the one that has to be mended
                            self._spool.put(claimed, reply, cost)
                    raise
                settle = money.settle_once  # where the connection broke at the very end, it may have held
                time.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                return

    def _lose(self, claimed: Reservation) -> None:
        with self._store.begin() as connection:
            money.lose(connection, [claimed])

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(max(0.0, seconds)):
            raise CallCancelled


def check(account: Money, request: PaidRequest, most: int | None) -> None:
    """See that a request which costs `most` can be paid for, once all that is in flight has proved cheap.

    Raises:
        BudgetReached: it cannot.
        RunStopped: its price is not known, so that no budget could hold.
    """
    if account.budget is None or account.left is None:
        return
    if most is None:
        raise RunStopped(
            f"{request.model}: has no price in the table of this release, so no budget can hold",
            hint="run it without --budget, or with --model claude-sonnet-5-5",
        )
    if most > account.left:
        spent = f"{dollars(account.spent)} are spent"
        if account.lost:
            spent += f", {dollars(account.lost)} may be,"
        raise BudgetReached(
            f"the budget of {dollars(account.budget)} is reached: {spent} and the next call can cost "
            f"{dollars(most)}",
            hint="run the same command with a higher --budget; nothing that is paid for is asked again",
        )
