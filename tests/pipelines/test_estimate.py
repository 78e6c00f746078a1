"""`--estimate` says what a run would cost, and what it rests on; and nothing is paid for it."""

import datetime
import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from paid_api import PaidApi
from paid_behaviour import says
from pydantic import AwareDatetime, BaseModel, Field

from supervisor_pipelines.claude import Claude, PaidRequest
from supervisor_pipelines.definition import Ask, Digest, Document, Extract, Pipeline
from supervisor_pipelines.emptiest import emptiest
from supervisor_pipelines.estimate import Estimate, Span, estimate, lines
from supervisor_pipelines.failures import RunStopped
from supervisor_pipelines.paying import Payer
from supervisor_pipelines.store import Store
from supervisor_pipelines.tariff import Tariff, Usage, dollars


class Facts(BaseModel):
    title: str
    urgent: bool


class Answer(BaseModel):
    verdict: str


EXTRACT = Extract(Facts, "Read it.", max_tokens=500)
ASK = Ask[Facts, Answer](
    Answer, "Judge it.", lambda document, facts: f"{facts.title}\n{document.text}", max_tokens=1000
)
DIGEST = Digest[Facts, Answer](
    Answer, "Sum it up.", lambda document, _: document.text, max_tokens=1000, prompt_tokens=5_000
)


def document(text: str) -> Document:
    return Document(f"/docs/{text[:5]}.md", hashlib.sha256(text.encode()).hexdigest(), text)


def texts(number: int) -> list[tuple[Document, Facts | None]]:
    return [(document(f"{each} " * 500), None) for each in range(100, 100 + number)]


def asking(
    found: Iterable[tuple[Document, Facts | None]], step: Ask[Any, Any] = ASK, **more: Any
) -> Estimate:
    return estimate(Pipeline("triage", EXTRACT, ask=step), found, **more)


def test_the_true_cost_lies_between_both_ends(tmp_path: Path) -> None:
    with PaidApi() as api, Store.opened(tmp_path, None) as store:
        store.create_tables()
        claude = Claude(api.key, api.url)
        told = asking(texts(30), api=claude)
        assert api.billed() == []
        assert len(api.counted) == told.counted == 20
        api.behave = lambda _asked: says(json.dumps({"verdict": "x" * 2000}))
        payer = Payer(store, claude, run_id="run", executor_id="me")
        facts = Facts(title="some title", urgent=True)
        paid = [payer.pay(PaidRequest.of(ASK, ASK.prompt(one, facts)), Answer) for one, _ in texts(30)]
        claude.close()
    spent = sum(one.cost or 0 for one in paid)
    assert told.cost is not None
    assert told.cost.low < spent < told.cost.high
    read = sum(one.usage.prompt for one in paid)
    assert told.prompt_tokens.low < read < told.prompt_tokens.high


def test_half_of_it_in_batches() -> None:
    told = asking(texts(10))
    assert told.cost is not None
    assert told.batch_cost is not None
    assert abs(told.cost.high - 2 * told.batch_cost.high) <= 20


def test_without_a_key_tokens_are_reckoned_from_bytes_and_that_is_said() -> None:
    told = asking(texts(10))
    assert told.counted == 0
    assert told.prompt_tokens.low < told.prompt_tokens.high
    assert "reckoned from bytes; with SUPERVISOR_ANTHROPIC_API_KEY set" in "\n".join(lines(told))


def test_an_api_that_is_away_is_done_without_and_a_wrong_key_is_told() -> None:
    away = Claude("key", "http://127.0.0.1:9")
    assert asking(texts(1), api=away).counted == 0
    with PaidApi() as api:
        wrong = Claude("sk-ant-wrong", api.url)
        with pytest.raises(RunStopped, match="refuses the key"):
            asking(texts(1), api=wrong)
        wrong.close()


def test_the_same_content_is_counted_once() -> None:
    assert asking([*texts(3), *texts(3)]).documents == 3


def test_what_is_paid_for_already_costs_nothing_more(tmp_path: Path) -> None:
    facts = Facts(title="", urgent=True)
    known = [(one, facts) for one, _ in texts(3)]
    with PaidApi() as api, Store.opened(tmp_path, None) as store:
        store.create_tables()
        claude = Claude(api.key, api.url)
        payer = Payer(store, claude, run_id="run", executor_id="me")
        payer.pay(PaidRequest.of(ASK, ASK.prompt(known[0][0], facts)), Answer)
        told = asking(known, store=store)
        claude.close()
    assert (told.documents, told.settled, told.requests) == (3, 1, Span(2, 2))


def test_which_documents_the_script_picks_is_known_once_their_facts_are() -> None:
    picky = Ask[Facts, Answer](Answer, "Judge.", lambda one, _: one.text, when=lambda facts: facts.urgent)
    assert asking(texts(4), picky).requests == Span(0, 4)
    urgent, calm = (Facts(title="x", urgent=each) for each in (True, False))
    [one, other, third] = [one for one, _ in texts(3)]
    told = asking([(one, urgent), (other, calm), (third, None)], picky)
    assert (told.requests, told.settled) == (Span(1, 2), 1)


def test_a_digest_of_much_is_asked_in_parts_and_once_more_over_them() -> None:
    told = estimate(Pipeline("digest", EXTRACT, digest=DIGEST), texts(36))
    # 72 kB are some 18,000 tokens: four parts, and one over their answers.
    assert told.requests.low == 5
    assert told.requests.high > 5
    assert told.cost == told.batch_cost
    few = estimate(Pipeline("digest", EXTRACT, digest=DIGEST), texts(1))
    assert few.requests == Span(1, 1)


def test_a_digest_is_counted_by_the_api_too() -> None:
    with PaidApi() as api:
        claude = Claude(api.key, api.url)
        assert estimate(Pipeline("digest", EXTRACT, digest=DIGEST), texts(3), api=claude).counted == 3
        claude.close()


def test_what_stays_local_costs_nothing() -> None:
    told = estimate(Pipeline("local", EXTRACT), texts(3))
    assert told.cost == Span(0, 0)
    assert list(lines(told))[-1] == "Claude would not be asked: this costs nothing"


def test_a_model_without_a_price_is_said_to_have_none() -> None:
    told = asking(texts(1), Ask[Facts, Answer](Answer, "", lambda one, _: one.text, model="claude-next"))
    assert told.cost is None
    assert "not in the price table" in "\n".join(lines(told))


def test_a_script_that_makes_nothing_of_empty_facts_is_estimated_all_the_same() -> None:
    def fails(_document: Document, facts: Facts) -> str:
        return facts.title[0]

    assert asking(texts(2), Ask[Facts, Answer](Answer, "", fails)).requests == Span(2, 2)


def test_the_lines_say_what_it_rests_on() -> None:
    said = "\n".join(lines(asking(texts(1200))))
    tariff = Tariff.load()
    assert said.startswith("1,200 different documents of 2.5 MB in all; 0 of them are settled")
    assert "claude-sonnet-5-5: 1,200 requests" in said
    assert f"list prices of {tariff.date}: {tariff.source}" in said
    assert "; with --batch: $" in said


class Kind(StrEnum):
    ONE = "one"


class Part(BaseModel):
    name: Annotated[str, Field(min_length=2)]


class Everything(BaseModel):
    kind: Kind
    literal: Literal["a", "b"]
    part: Part
    parts: Annotated[list[Part], Field(min_length=2)]
    pair: tuple[int, str]
    maybe: str | None
    either: int | str
    day: datetime.date
    at: AwareDatetime
    name: UUID
    share: Annotated[float, Field(gt=2, le=5)]
    cold: Annotated[int, Field(le=-5)]
    with_default: int = 7


class Recursive(BaseModel):
    child: "Recursive"


def test_the_emptiest_answer_is_one_that_the_form_allows() -> None:
    found = emptiest(Everything)
    assert found is not None
    assert (found.part.name, len(found.parts), found.maybe, found.with_default) == ("xx", 2, None, 7)


def test_a_form_without_an_emptiest_answer_has_none() -> None:
    class Odd(BaseModel):
        code: Annotated[str, Field(pattern="^[A-Z]{3}$")]

    assert emptiest(Odd) is None
    assert emptiest(Recursive) is None
    pipeline = Pipeline("odd", Extract(Odd, "Read."), digest=Digest(Answer, "", lambda one, _: one.text))
    assert estimate(pipeline, [(document("a"), None)]).requests == Span(1, 1)


@pytest.mark.parametrize(
    ("model", "usage", "batch", "micros"),
    [
        ("claude-sonnet-5-5", Usage(1_000_000, 0), False, 2_000_000),
        ("claude-sonnet-5-5", Usage(0, 1_000_000), False, 10_000_000),
        ("claude-sonnet-5-5", Usage(0, 0, cache_write=1_000_000), False, 2_500_000),
        ("claude-sonnet-5-5", Usage(0, 0, cache_read=1_000_000), False, 100_000),
        ("claude-sonnet-5-5", Usage(1_000_000, 0), True, 1_000_000),
        ("claude-haiku-5-5", Usage(100_000, 0), False, 10_000),
        ("claude-haiku-5-5", Usage(50_000, 1_000, cache_read=50_001), False, 30_001),
        ("claude-haiku-5-5", Usage(1, 0), False, 1),
        ("claude-haiku-4-5-20251001", Usage(7, 0), False, 7),
        ("claude-next", Usage(7, 0), False, None),
    ],
)
def test_what_a_call_costs(model: str, usage: Usage, batch: bool, micros: int | None) -> None:
    assert Tariff.load().cost(model, usage, batch=batch) == micros


def test_no_call_can_cost_more_than_what_is_reserved_for_it() -> None:
    tariff = Tariff.load()
    for model in tariff.models:
        most = tariff.most(model, 120_000, 1_000)
        assert most is not None
        for usage in (Usage(121_000, 1_000), Usage(0, 1_000, cache_write=121_000), Usage(30_000, 1_000)):
            assert (tariff.cost(model, usage) or 0) <= most


def test_dollars_are_fine_where_they_are_few() -> None:
    assert [dollars(micros) for micros in (0, 190, 9_000, 1_234_567, 2_000_000_000)] == [
        "$0.00",
        "$0.0002",
        "$0.0090",
        "$1.23",
        "$2,000.00",
    ]
