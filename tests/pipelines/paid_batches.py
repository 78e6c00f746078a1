"""The Message Batches API of the stand-in: what was created and what became of it."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from paid_behaviour import Behaviour, bad_request

Json = dict[str, Any]

MOST_REQUESTS = 100_000
MOST_BYTES = 256_000_000
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OUTCOMES = ("succeeded", "errored", "canceled", "expired")


@dataclass(slots=True)
class Batch:
    """One batch: its requests by custom id, and each one's result once it has ended."""

    id: str
    requests: dict[str, Json]
    created: datetime
    cancelled: bool = False
    results: dict[str, Json] | None = None

    @property
    def status(self) -> str:
        """`in_progress`, `canceling` or `ended`."""
        return "ended" if self.results is not None else "canceling" if self.cancelled else "in_progress"

    def told(self, url: str) -> Json:
        """The batch as the API tells of it; `url` is the API's own."""
        counts = Counter(result["type"] for result in (self.results or {}).values())
        ended = None if self.results is None else datetime.now(UTC).isoformat()
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": {
                "processing": 0 if ended else len(self.requests),
                **{outcome: counts[outcome] for outcome in _OUTCOMES},
            },
            "created_at": self.created.isoformat(),
            "expires_at": (self.created + timedelta(days=1)).isoformat(),
            "ended_at": ended,
            "cancel_initiated_at": self.created.isoformat() if self.cancelled else None,
            "archived_at": None,
            "results_url": f"{url}/v1/messages/batches/{self.id}/results" if ended else None,
        }

    def lines(self) -> bytes:
        """The results, one a line, in another order than the requests came in."""
        found = [{"custom_id": name, "result": result} for name, result in (self.results or {}).items()]
        return b"".join(json.dumps(line).encode() + b"\n" for line in reversed(found))


@dataclass(slots=True)
class Batches:
    """All batches, oldest first. `seconds` passes before one ends; None: until a test calls `end`.

    `outcome` says what becomes of a request, by its custom id and its parameters: `succeeded`, `errored`,
    `canceled` or `expired`. `error` is that of an `errored` one.
    """

    finish: Callable[[Json, str], Json]
    """Makes the message for one request that succeeds, and bills it; the second is the batch's id."""
    seconds: float | None = 0.0
    outcome: Callable[[str, Json], str] = lambda _name, _params: "succeeded"
    error: Json = field(
        default_factory=lambda: {"type": "invalid_request_error", "message": "messages.0: text is too odd"}
    )
    all: list[Batch] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def create(self, body: object, size: int) -> Batch | Behaviour:
        """Take a batch; the refusal when it breaks a limit."""
        if size > MOST_BYTES:
            return Behaviour(413, "request_too_large", "Request exceeds the maximum size")
        requests = body.get("requests") if isinstance(body, dict) else None
        if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
            return bad_request(f"requests: must have between 1 and {MOST_REQUESTS} items")
        names = [request.get("custom_id") for request in requests]
        for index, name in enumerate(names):
            if not isinstance(name, str) or not _CUSTOM_ID.fullmatch(name):
                return bad_request(f"requests.{index}.custom_id: must match ^[a-zA-Z0-9_-]{{1,64}}$")
        if len(set(names)) < len(names):
            return bad_request("requests: custom_id must be unique within a batch")
        with self._lock:
            batch = Batch(
                id=f"msgbatch_{len(self.all) + 1:06}",
                requests={request["custom_id"]: request["params"] for request in requests},
                created=datetime.now(UTC),
            )
            self.all.append(batch)
        return batch

    def get(self, name: str) -> Batch | None:
        """The batch of this id as it is now."""
        with self._lock:
            batch = next((one for one in self.all if one.id == name), None)
            if batch is not None and batch.results is None and self._is_due(batch):
                self.end(batch)
            return batch

    def end(self, batch: Batch) -> None:
        """Let the batch end now."""
        with self._lock:
            batch.results = {
                name: self._result(name, params, batch) for name, params in batch.requests.items()
            }

    def page(self, url: str, query: Mapping[str, str]) -> Json:
        """A page of the list, newest first, as `limit`, `after_id` and `before_id` ask."""
        with self._lock:
            names = [batch.id for batch in reversed(self.all)]
            found = [batch for name in names if (batch := self.get(name)) is not None]
        limit = int(query.get("limit", "20"))
        if "after_id" in query:
            found = found[names.index(query["after_id"]) + 1 :]
        elif "before_id" in query:
            found = found[: names.index(query["before_id"])][-limit:]
        shown = found[:limit]
        return {
            "data": [batch.told(url) for batch in shown],
            "has_more": len(found) > limit,
            "first_id": shown[0].id if shown else None,
            "last_id": shown[-1].id if shown else None,
        }

    def _is_due(self, batch: Batch) -> bool:
        if batch.cancelled:
            return True
        passed = datetime.now(UTC) - batch.created
        return self.seconds is not None and passed >= timedelta(seconds=self.seconds)

    def _result(self, name: str, params: Json, batch: Batch) -> Json:
        outcome = "canceled" if batch.cancelled else self.outcome(name, params)
        if outcome == "succeeded":
            return {"type": outcome, "message": self.finish(params, batch.id)}
        if outcome == "errored":
            return {"type": outcome, "error": {"type": "error", "error": self.error, "request_id": "req_1"}}
        return {"type": outcome}
