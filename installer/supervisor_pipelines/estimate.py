"""`--estimate`: what a run would cost, before anything is spent."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from supervisor_pipelines import money
from supervisor_pipelines.claude import KEY_VARIABLE, Claude, PaidRequest, Unanswered
from supervisor_pipelines.definition import Ask, Digest, Document, Pipeline
from supervisor_pipelines.documents import Skipped
from supervisor_pipelines.emptiest import emptiest
from supervisor_pipelines.failures import StepFailure
from supervisor_pipelines.status import counted
from supervisor_pipelines.store import Store
from supervisor_pipelines.tariff import Tariff, Usage, dollars
from supervisor_setup.figures import count, size

SAMPLE = 20
"""Requests whose tokens the API counts, for nothing; the others are taken to be like them."""
SHORT_ANSWER = Decimal("0.1")
"""The share of `max_tokens` that an answer has at the lower end; at the upper end it is all."""
_EVERY = next(one.default for one in fields(Ask) if one.name == "when")


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do and cost.

    `documents` are those with different contents; `settled` of them cost nothing more, and `skipped` paths
    are none. `counted` is how many
    requests the API counted the tokens of; 0: tokens were reckoned from bytes. `cost` and `batch_cost` are in
    millionths of a dollar, None where the model's price is not known.
    """

    documents: int
    settled: int
    skipped: int
    document_bytes: int
    model: str | None
    requests: Span
    prompt_tokens: Span
    counted: int
    cost: Span | None
    batch_cost: Span | None


def estimate(
    pipeline: Pipeline[Any, Any],
    documents: Iterable[tuple[Document, BaseModel | None] | Skipped],
    store: Store | None = None,
    api: Claude | None = None,
) -> Estimate:
    """What the pipeline would cost for these documents, each with its facts where they are known already.

    Facts that are not known are taken to be between the emptiest that the form allows and `max_tokens` of
    them; a `when` of the script's own may pick none of such documents, or all.

    Raises:
        RunStopped: the API refuses the key or the model.
    """
    tally = _Tally(pipeline, store)
    seen: set[bytes] = set()
    for one in documents:
        if isinstance(one, Skipped):
            tally.skipped += 1
            continue
        document, facts = one
        name = bytes.fromhex(document.sha256)
        if name not in seen:
            seen.add(name)
            tally.add(document, facts)
    return tally.estimate(len(seen), api)


def lines(found: Estimate) -> Iterator[str]:
    """The estimate for people."""
    tariff = Tariff.load()
    yield (
        f"{counted(found.documents, 'different document')} of {size(found.document_bytes)} in all; "
        f"{count(found.settled)} of them are settled and cost nothing more"
    )
    if found.skipped:
        yield f"{counted(found.skipped, 'further path')} would be skipped; the run's report says why"
    if found.model is None or not found.requests.high:
        yield "Claude would not be asked: this costs nothing"
        return
    how = f"reckoned from bytes; with {KEY_VARIABLE} set, the API counts some, for nothing"
    if found.counted:
        how = f"as the API counts {count(found.counted)} of them"
    noun = "request" if found.requests == Span(1, 1) else "requests"
    yield f"{found.model}: {_span(found.requests, count)} {noun}"
    yield f"{_span(found.prompt_tokens, count)} tokens to read ({how})"
    if found.cost is None or found.batch_cost is None:
        yield "what it costs is not known: the model is not in the price table of this release"
        return
    yield f"cost: {_span(found.cost, dollars)}; with --batch: {_span(found.batch_cost, dollars)}"
    yield "without what the prompt cache saves; local models cost nothing"
    yield f"list prices of {tariff.date}: {tariff.source}"


@dataclass(slots=True)
class _Tally:
    """Adds up the requests of a run: their sizes alone, and a few whole ones to be counted."""

    pipeline: Pipeline[Any, Any]
    store: Store | None
    settled: int = 0
    skipped: int = 0
    document_bytes: int = 0
    certain: array[int] = field(default_factory=lambda: array("Q"))
    """Bytes of each request whose facts are known."""
    likely: array[int] = field(default_factory=lambda: array("Q"))
    """Bytes of each other one, with the emptiest facts."""
    line_bytes: int = 0
    unknown_lines: int = 0
    sample: dict[str, PaidRequest] = field(default_factory=dict)
    nothing: BaseModel | None = field(init=False)

    def __post_init__(self) -> None:
        self.nothing = emptiest(self.pipeline.extract.answer)

    def add(self, document: Document, facts: BaseModel | None) -> None:
        """Count one document."""
        self.document_bytes += len(document.text.encode("utf-8", "replace"))
        if self.pipeline.digest is not None:
            line = _text(self.pipeline.digest.line, document, facts or self.nothing)
            self.line_bytes += len(line.encode("utf-8", "replace")) + 1
            self.unknown_lines += facts is None
            self._sample(PaidRequest.of(self.pipeline.digest, line))
        elif self.pipeline.ask is not None:
            self._add_request(self.pipeline.ask, document, facts)
        else:
            self.settled += facts is not None

    def _add_request(self, ask: Ask[Any, Any], document: Document, facts: BaseModel | None) -> None:
        if facts is not None and not _is_wanted(ask, facts):
            self.settled += 1
            return
        request = PaidRequest.of(ask, _text(ask.prompt, document, facts or self.nothing))
        if facts is not None and self._is_paid(request.key):
            self.settled += 1
            return
        (self.likely if facts is None else self.certain).append(len(request.body))
        self._sample(request)

    def _sample(self, request: PaidRequest) -> None:
        """Keep some requests, the same of the same documents and in no order that documents could have."""
        self.sample[request.key] = request
        if len(self.sample) > SAMPLE:
            del self.sample[min(self.sample)]

    def _is_paid(self, key: str) -> bool:
        if self.store is None:
            return False
        with self.store.read() as connection:
            return money.stored(connection, key) is not None

    def estimate(self, documents: int, api: Claude | None) -> Estimate:
        """What it comes to."""
        step = self.pipeline.ask or self.pipeline.digest
        if step is None:
            none = Span(0, 0)
            return Estimate(
                documents, self.settled, self.skipped, self.document_bytes, None, none, none, 0, none, none
            )
        tariff = Tariff.load()
        counted, rates = self._rates(tariff, api)
        low = list(self._requests(step, rates[0], fewest=True))
        high = list(self._requests(step, rates[1], fewest=False))
        short = int(step.max_tokens * SHORT_ANSWER)

        def cost(*, batch: bool) -> Span | None:
            if not tariff.knows(step.model):
                return None
            ends = ((low, short), (high, step.max_tokens))
            sums = [
                sum(tariff.cost(step.model, Usage(tokens, answer), batch=batch) or 0 for tokens in end)
                for end, answer in ends
            ]
            return Span(*sums)

        return Estimate(
            documents=documents,
            settled=self.settled,
            skipped=self.skipped,
            document_bytes=self.document_bytes,
            model=step.model,
            requests=Span(len(low), len(high)),
            prompt_tokens=Span(sum(low), sum(high)),
            counted=counted,
            cost=cost(batch=False),
            # What is asked over all documents is one request after the other, which no batch speeds up.
            batch_cost=cost(batch=self.pipeline.ask is not None),
        )

    def _rates(self, tariff: Tariff, api: Claude | None) -> tuple[int, tuple[Decimal, Decimal]]:
        """How many requests the API has counted, and the fewest and the most tokens of a byte."""
        unknown = (1 / tariff.bytes_per_token, 1 / tariff.least_bytes_per_token)
        if api is None or not self.sample:
            return 0, unknown
        requests = self.sample.values()
        try:
            tokens = sum(map(api.count_tokens, requests))
        except (Unanswered, StepFailure):
            return 0, unknown
        rate = Decimal(tokens) / sum(len(request.body) for request in requests)
        return len(requests), (rate, rate)

    def _requests(
        self, step: Ask[Any, Any] | Digest[Any, Any], rate: Decimal, *, fewest: bool
    ) -> Iterator[int]:
        """The tokens of each prompt."""
        facts = 0 if fewest else self.pipeline.extract.max_tokens
        if isinstance(step, Digest):
            yield from self._parts(step, rate, facts, fewest=fewest)
            return
        picks = step.when is not _EVERY
        for bytes_ in self.certain:
            yield int(bytes_ * rate)
        for bytes_ in () if fewest and picks else self.likely:
            yield int(bytes_ * rate) + facts

    def _parts(self, step: Digest[Any, Any], rate: Decimal, facts: int, *, fewest: bool) -> Iterator[int]:
        answer = int(step.max_tokens * (SHORT_ANSWER if fewest else 1))
        system = int(len(step.system.encode()) * rate)
        tokens = math.ceil(self.line_bytes * rate) + self.unknown_lines * facts
        while tokens:
            parts = math.ceil(tokens / step.prompt_tokens)
            yield from [tokens // parts + system] * parts
            # The answers about several parts are put together, by another request or more.
            tokens = parts * answer if parts > 1 and parts * answer < tokens else 0


def _text(function: Callable[..., str], document: Document, facts: BaseModel | None) -> str:
    """What the script makes of the document; the document itself where it makes nothing of empty facts."""
    try:
        return str(function(document, facts)) if facts is not None else document.text
    except Exception:
        return document.text


def _is_wanted(ask: Ask[Any, Any], facts: BaseModel) -> bool:
    try:
        return bool(ask.when(facts))
    except Exception:
        return True


def _span(span: Span, form: Callable[[int], str]) -> str:
    low, high = form(span.low), form(span.high)
    return low if low == high else f"{low} to {high}"
