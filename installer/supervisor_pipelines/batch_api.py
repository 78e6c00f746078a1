"""The Message Batches API, asked with patience: what costs nothing is asked again while the API fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor_mcp.calls import CallCancelled
from supervisor_pipelines.claude import Claude, PaidRequest, Unanswered
from supervisor_pipelines.failures import RunStopped, StepFailure

if TYPE_CHECKING:
    from anthropic.resources.messages.batches import Batches
    from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

PATIENCE_SECONDS = 600.0
"""How long an API is asked again that fails or cannot be reached."""
POLL_SECONDS = (2.0, 60.0)
"""The first pause between two looks at a batch, and the longest."""

Item = TypeVar("Item")


class BatchApi:
    """Batches as the API knows them. Methods raise RunStopped when it refuses or stays away."""

    def __init__(self, api: Claude) -> None:
        self._api = api
        self._stopped = threading.Event()

    @property
    def _batches(self) -> Batches:
        return self._api.client.messages.batches

    def stop(self) -> None:
        """Have every wait end with CallCancelled."""
        self._stopped.set()

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            CallCancelled: `stop` was called.
        """
        if self._stopped.wait(seconds):
            raise CallCancelled

    def create(self, requests: Sequence[PaidRequest]) -> str:
        """Create a batch and return its id. Asked once: an attempt without an answer may have made one.

        Raises:
            StepFailure, RunStopped, Unanswered: as `Claude.send`.
        """
        body: list[Any] = [{"custom_id": one.key, "params": one.params} for one in requests]
        with self._api.explained(requests[0].model):
            return self._batches.create(requests=body).id

    def newest(self) -> str:
        """A mark of the newest batch that there is, for `since`."""
        page = self._patiently(lambda: self._batches.list(limit=1)).data
        return json.dumps({"id": page[0].id, "at": _time(page[0])}) if page else "{}"

    def since(self, newest: str) -> list[MessageBatch]:
        """The batches that were created after that mark; by the API's own clock."""
        mark = {"id": "", "at": "", **json.loads(newest)}

        def found() -> list[MessageBatch]:
            since = []
            for one in self._batches.list(limit=100):
                if one.id == mark["id"] or _time(one) < mark["at"]:
                    break
                since.append(one)
            return since

        return self._patiently(found)

    def has_ended(self, name: str) -> bool:
        """Whether the batch has its results, or will never have any, since the API knows it no longer."""
        found = self._patiently(lambda: self._known(name))
        return found is None or found.processing_status == "ended"

    def results(self, name: str) -> Iterator[MessageBatchIndividualResponse]:
        """The results of a batch that has ended, one after the other; none when they are kept no longer.

        Raises:
            Unanswered: they broke off.
        """
        with self._explained():
            found = self._known(name)
            if found is not None and found.results_url is not None:
                yield from self._batches.results(name)

    def is_of(self, name: str, keys: Collection[str]) -> bool:
        """Whether a batch that has ended has one of these requests."""

        def first() -> list[str]:
            return [one.custom_id for one in islice(self.results(name), 1)]

        return any(key in keys for key in self._patiently(first))

    def _known(self, name: str) -> MessageBatch | None:
        """The batch; None where it was deleted, or is not this workspace's."""
        from anthropic import NotFoundError

        try:
            return self._batches.retrieve(name)
        except NotFoundError:
            self._batches.list(limit=1)  # an address that has no batches at all says so here
            return None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What is asked here is about no single document, so a refusal is not either."""
        try:
            with self._api.explained():
                yield
        except StepFailure as error:
            raise RunStopped(f"{self._api.url}: has no batches: {error.reason}", hint="--no-batch") from error

    def _patiently(self, ask: Callable[[], Item]) -> Item:
        began = time.monotonic()
        for pause in pauses():
            try:
                with self._explained():
                    return ask()
            except Unanswered as error:
                self.pause_after(error, pause, began)
        raise AssertionError

    def pause_after(self, error: Unanswered, pause: float, began: float) -> None:
        """Wait for the next attempt of what has begun at `began` (monotonic).

        Raises:
            RunStopped: it has been tried for long enough.
            CallCancelled: `stop` was called.
        """
        if time.monotonic() >= began + PATIENCE_SECONDS:
            raise RunStopped(error.reason, hint="run the same command again later") from error
        self.wait(error.wait_seconds or pause)


def size(batch: MessageBatch) -> int:
    """How many requests it has."""
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired


def pauses() -> Iterator[float]:
    """Seconds between looks, without an end."""
    pause, longest = POLL_SECONDS
    while True:
        yield pause
        pause = min(1.5 * pause, longest)


def _time(batch: MessageBatch) -> str:
    return batch.created_at.isoformat()
