"""The stand-ins, held against the SDK: what they play must be worth believing."""

import json
import threading
from collections.abc import Iterator
from enum import StrEnum

import anthropic
import httpx2
import pytest
from filled import filled
from local_api import MODEL, asked, local_api
from paid_api import PRICES, PaidApi
from paid_behaviour import (
    bad_request,
    cut_off,
    dropped,
    lost_reply,
    overloaded,
    rate_limited,
    refusal,
    says,
    unauthorized,
)
from pydantic import BaseModel

SONNET = "claude-sonnet-5-5"


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Point(BaseModel):
    about: str
    weight: float


class Verdict(BaseModel):
    mood: Mood
    urgent: bool
    points: list[Point]
    note: str | None


@pytest.fixture
def api() -> Iterator[PaidApi]:
    with PaidApi() as running:
        yield running


def client(api: PaidApi, *, retries: int = 0, key: str | None = None) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=key or api.key, base_url=api.url, max_retries=retries)


def ask(api: PaidApi, prompt: str = "Is it well?", *, retries: int = 0, system: str = "Judge."):
    with client(api, retries=retries) as sdk:
        return sdk.messages.parse(
            model=SONNET,
            max_tokens=100,
            system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": prompt}],
            output_format=Verdict,
        )


def test_a_message_fits_the_schema_that_was_asked_for(api: PaidApi):
    said = ask(api)
    assert isinstance(said.parsed_output, Verdict)
    assert said.stop_reason == "end_turn"
    assert [one.message_id for one in api.billed()] == [said.id]
    assert api.asked[0].prompt == "Is it well?"


def test_answers_depend_on_the_prompt_alone():
    schema = Verdict.model_json_schema()
    made = [json.dumps(filled(schema, f"document {n}")) for n in (1, 2, 1)]
    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (bad_request(), anthropic.BadRequestError),
        (unauthorized(), anthropic.AuthenticationError),
        (rate_limited(), anthropic.RateLimitError),
        (overloaded(), anthropic.OverloadedError),
        (dropped(), anthropic.APIConnectionError),
        (lost_reply(), anthropic.APIConnectionError),
    ],
)
def test_a_failure_is_the_sdks_error(api: PaidApi, behaviour, error: type[Exception]):
    api.next(behaviour)
    with pytest.raises(error):
        ask(api)
    assert len(api.billed()) == (1 if behaviour == lost_reply() else 0)


def test_a_reply_that_is_lost_and_asked_for_again_is_paid_twice(api: PaidApi):
    api.next(lost_reply())
    ask(api, retries=1)
    assert list(api.paid_twice().values()) == [2]


def test_the_sdk_tries_again_when_it_is_told_to(api: PaidApi):
    api.next(overloaded(), rate_limited("0.01"))
    ask(api, retries=2)
    assert [one.behaviour.status for one in api.asked] == [529, 429, 200]
    assert not api.paid_twice()


def test_odd_messages_are_billed(api: PaidApi):
    api.next(refusal(), cut_off(), says("no JSON"))
    assert ask(api).stop_reason == "refusal"
    for _ in range(2):
        with pytest.raises(ValueError, match="validation error"):
            ask(api)
    assert len(api.billed()) == 3


def test_a_wrong_key_and_an_unknown_model_are_refused(api: PaidApi):
    with client(api, key="wrong") as sdk, pytest.raises(anthropic.AuthenticationError):
        sdk.messages.create(model=SONNET, max_tokens=1, messages=[{"role": "user", "content": "x"}])
    with client(api) as sdk, pytest.raises(anthropic.NotFoundError, match="model: gone"):
        sdk.messages.create(model="gone", max_tokens=1, messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"n": {"type": "integer", "minimum": 1}},
        },
    ],
)
def test_a_schema_that_the_api_does_not_take_is_refused(api: PaidApi, schema: dict):
    form = {"type": "json_schema", "schema": schema}
    with client(api) as sdk, pytest.raises(anthropic.BadRequestError, match=r"output_config\.format\.schema"):
        sdk.messages.create(
            model=SONNET,
            max_tokens=9,
            messages=[{"role": "user", "content": "x"}],
            output_config={"format": form},
        )


def test_a_long_shared_prefix_is_written_once_and_read_afterwards(api: PaidApi):
    long = "Judge with care. " * 400
    first, second = (ask(api, f"document {n}", system=long).usage for n in (1, 2))
    assert first.cache_creation_input_tokens > 1024
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert ask(api, "document 3").usage.cache_read_input_tokens == 0


def test_the_bill_is_that_of_the_table(api: PaidApi):
    used = ask(api).usage
    assert api.spent(PRICES) == used.input_tokens * 2 + used.output_tokens * 10


def test_tokens_are_counted_without_a_bill(api: PaidApi):
    with client(api) as sdk:
        counted = sdk.messages.count_tokens(model=SONNET, messages=[{"role": "user", "content": "x" * 400}])
    assert counted.input_tokens > 100
    assert len(api.counted) == 1
    assert api.spent(PRICES) == 0


def test_calls_can_be_held_in_flight(api: PaidApi):
    api.open.clear()
    threads = [threading.Thread(target=ask, args=(api, f"document {n}")) for n in range(3)]
    for thread in threads:
        thread.start()
    api.wait_in_flight(3)
    assert not api.billed()
    api.open.set()
    for thread in threads:
        thread.join(10)
    assert len(api.billed()) == api.most_in_flight == 3


def params(prompt: str) -> dict:
    return {"model": SONNET, "max_tokens": 50, "messages": [{"role": "user", "content": prompt}]}


def test_a_batch_ends_and_costs_half(api: PaidApi):
    api.batches.outcome = lambda name, _params: {"b": "errored", "c": "expired"}.get(name, "succeeded")
    with client(api) as sdk:
        made = sdk.messages.batches.create(
            requests=[{"custom_id": name, "params": params(name)} for name in "abcd"]
        )
        assert made.processing_status == "in_progress"
        ended = sdk.messages.batches.retrieve(made.id)
        assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 2)
        found = {line.custom_id: line.result for line in sdk.messages.batches.results(made.id)}
    assert [found[name].type for name in "abcd"] == ["succeeded", "errored", "expired", "succeeded"]
    used = found["a"].message.usage
    assert api.spent(PRICES) == used.input_tokens * 2 + used.output_tokens * 10  # two of them, each half


def test_batches_are_listed_in_pages_newest_first(api: PaidApi):
    api.batches.seconds = None
    with client(api) as sdk:
        made = [
            sdk.messages.batches.create(requests=[{"custom_id": "x", "params": params("x")}]).id
            for _ in range(5)
        ]
        assert [batch.id for batch in sdk.messages.batches.list(limit=2)] == made[::-1]
        api.batches.end(api.batches.all[0])
        assert sdk.messages.batches.retrieve(made[0]).processing_status == "ended"
        sdk.messages.batches.cancel(made[1])
        assert sdk.messages.batches.retrieve(made[1]).request_counts.canceled == 1


@pytest.mark.parametrize("names", [["twice", "twice"], ["not allowed"], ["x" * 65], []])
def test_a_batch_that_breaks_a_rule_is_refused(api: PaidApi, names: list[str]):
    with client(api) as sdk, pytest.raises(anthropic.BadRequestError):
        sdk.messages.batches.create(requests=[{"custom_id": name, "params": params("x")} for name in names])
    assert api.batches.all == []


def test_a_hook_runs_once_at_its_instant(api: PaidApi):
    seen = []
    api.hook("create", "billed", lambda: seen.append(len(api.batches.all)))
    with client(api) as sdk:
        for _ in range(2):
            sdk.messages.batches.create(requests=[{"custom_id": "x", "params": params("x")}])
    assert seen == [1]


def test_the_local_model_fits_the_schema_too():
    form = {"type": "json_schema", "json_schema": {"name": "v", "schema": Verdict.model_json_schema()}}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "a letter"}], "response_format": form}
    with local_api() as local:
        for stream in (False, True):
            headers = {"Authorization": f"Bearer {local.key}"}
            url = f"{local.url}/v1/chat/completions"
            said = httpx2.post(url, json={**body, "stream": stream}, headers=headers, trust_env=False)
            if stream:
                assert said.text.endswith("data: [DONE]\n\n")
            else:
                Verdict.model_validate_json(said.json()["choices"][0]["message"]["content"])
        refused = httpx2.post(url, json=body, trust_env=False)
        assert (refused.status_code, len(asked(local))) == (400, 3)
