"""The local step: documents of any length in a form, and what each failure of the server means."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_backend import (
    FakeBackend,
    FakeServer,
    Handler,
    closed_port,
    cut_in_the_middle,
    deployment,
    refuse_with,
)
from local_api import answer_with, answering, asked, local_api, prompt_of, schema_of
from pydantic import BaseModel, Field

from supervisor_mcp.backends import retries
from supervisor_mcp.calls import CallCancelled
from supervisor_mcp.ledger import Ledger
from supervisor_mcp.settings_types import Backend, Files
from supervisor_pipelines import local
from supervisor_pipelines.books import Books
from supervisor_pipelines.definition import Document, Extract
from supervisor_pipelines.failures import RunStopped, StepFailure
from supervisor_pipelines.local import LocalModel
from supervisor_setup import config, usage


class Facts(BaseModel):
    title: str = Field(max_length=40)
    tags: list[str]


STEP = Extract(Facts, "Read carefully.")
LONG = "".join(f"line {number} of a long text\n" for number in range(3000))


def document(text: str = "A text about cats.") -> Document:
    return Document("/somewhere/deep/note.md", "0" * 64, text)


def model_at(backend: FakeBackend, name: str = "local-llama", **more: Any) -> LocalModel:
    settings = Backend(name="litellm", kind="litellm", url=backend.url, key_env="LITELLM_API_KEY")
    return LocalModel(settings, name, environment={"LITELLM_API_KEY": backend.key or ""}, **more)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBackend]:
    monkeypatch.setattr(local, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(retries, "PAUSES", (0.01, 0.01))
    with local_api() as backend:
        yield backend


def saying(*texts: str) -> Any:
    """Say these, one after the other, and then what fits."""
    left = list(texts)

    def answer(handler: Handler) -> None:
        if left:
            answer_with(handler, left.pop(0))
        else:
            answering()(handler)

    return answer


def test_facts_come_in_the_form_with_what_they_took(server: FakeBackend) -> None:
    answer = model_at(server).extract(document(), STEP)
    assert isinstance(answer.facts, Facts)
    assert answer.prompts == 1
    assert answer.prompt_tokens
    assert answer.answer_tokens
    [request] = asked(server)
    assert request.body["messages"][0]["content"] == "Read carefully."
    assert "A text about cats." in prompt_of(request.body)
    assert "note.md" in prompt_of(request.body)
    assert "/somewhere" not in prompt_of(request.body)
    assert schema_of(request.body)["properties"].keys() == {"title", "tags"}
    assert request.body["response_format"]["json_schema"]["strict"] is True
    assert request.body["disable_fallbacks"] is True


def test_a_long_document_is_read_in_pieces_and_its_facts_put_together(server: FakeBackend) -> None:
    def lines_seen(handler: Handler) -> None:
        seen = [line for line in prompt_of(handler.body).splitlines() if line.endswith(" of a long text")]
        answer_with(handler, json.dumps({"title": seen[0][:20], "tags": [seen[0], seen[-1]]}))

    server.fault = lines_seen
    answer = model_at(server).extract(document(LONG), STEP)
    assert answer.prompts == len(asked(server)) > 2
    assert answer.facts.title == "line 0 of a long tex"
    assert answer.facts.tags[0] == "line 0 of a long text"
    assert answer.facts.tags[-1] == "line 2999 of a long text"
    assert len(answer.facts.tags) == 2 * answer.prompts


def test_the_script_may_put_the_pieces_together_itself(server: FakeBackend) -> None:
    step = Extract(Facts, "Read.", merge=lambda found: Facts(title=f"{len(found)} pieces", tags=[]))
    answer = model_at(server).extract(document(LONG), step)
    assert answer.facts.title == f"{answer.prompts} pieces"


def test_pieces_shrink_when_the_server_says_that_they_do_not_fit(server: FakeBackend) -> None:
    def small(handler: Handler) -> None:
        if len(prompt_of(handler.body)) > 6_000:
            refuse_with(400, "the request exceeds the available context size (2048 tokens)")(handler)
        else:
            answering()(handler)

    server.fault = small
    assert model_at(server).extract(document(LONG[:20_000]), STEP).facts


def test_an_answer_that_does_not_fit_is_asked_for_once_more_otherwise(server: FakeBackend) -> None:
    server.fault = saying('{"title": "no tags"}')
    assert model_at(server).extract(document(), STEP).prompts == 2
    assert [one.body["temperature"] for one in asked(server)] == [0.0, 0.5]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"title": "no tags"}', "the model's answer does not fit the form at tags: Field required"),
        ('{"title": "' + "x" * 50 + '", "tags": []}', "at title: String should have at most 40"),
        ("no json", "the model's answer is no JSON"),
        ('{"title": "\\ud800", "tags": []}', "does not fit the form"),
    ],
)
def test_an_answer_that_does_not_fit_twice_fails_the_document(
    server: FakeBackend, said: str, reason: str
) -> None:
    server.fault = saying(said, said)
    with pytest.raises(StepFailure) as told:
        model_at(server).extract(document(), STEP)
    assert reason in told.value.reason
    assert len(asked(server)) == 2


def test_a_model_that_says_nothing_fails_the_document(server: FakeBackend) -> None:
    server.fault = saying("", "", "", "")
    with pytest.raises(StepFailure, match="local-llama the model's answer is empty"):
        model_at(server).extract(document(), STEP)


def test_a_server_that_is_not_there_ends_the_run_at_once() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    model = LocalModel(Backend(name="litellm", kind="litellm", url=url))
    began = time.monotonic()
    with pytest.raises(RunStopped) as told:
        model.extract(document(), STEP)
    assert time.monotonic() - began < 5
    assert told.value.message == f"{url}: local-llama on litellm cannot be reached: connection refused"
    assert "start the server" in (told.value.hint or "")


def test_a_server_that_goes_away_for_a_moment_is_waited_for(
    server: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PAUSES", (0.05, 0.05))
    backend = FakeBackend(answer='{"title": "x", "tags": []}')
    backend.deployments = [deployment("local-llama", "http://127.0.0.1:1", max_input_tokens=8192)]
    first = FakeServer(backend)
    model = model_at(backend)
    model.extract(document(), STEP)
    first.shutdown()
    first.server_close()
    again: list[FakeServer] = []
    starting = threading.Timer(1.0, lambda: again.append(FakeServer(backend, backend.port)))
    starting.start()
    assert model.extract(document(), STEP).facts
    starting.join()
    again[0].shutdown()
    again[0].server_close()


def test_without_the_key_the_variable_is_named(server: FakeBackend) -> None:
    model = LocalModel(
        Backend(name="litellm", kind="litellm", url=server.url, key_env="LITELLM_API_KEY"), environment={}
    )
    with pytest.raises(RunStopped, match="wants an API key and none is set") as told:
        model.extract(document(), STEP)
    assert told.value.hint == "export LITELLM_API_KEY=…  # the key of litellm"


def test_a_model_that_is_not_served_ends_the_run_with_those_that_are(server: FakeBackend) -> None:
    with pytest.raises(RunStopped, match="it serves local-coder, local-llama") as told:
        model_at(server, "local-lama").extract(document(), STEP)
    assert told.value.hint == "--local-model NAME"


def test_a_model_of_a_cloud_is_given_no_document_unless_the_user_allows_it(server: FakeBackend) -> None:
    server.deployments = [deployment("local-llama", None, model="openai/gpt-9")]
    with pytest.raises(RunStopped, match="not known to run on the user's own machines") as told:
        model_at(server).extract(document(), STEP)
    assert "cloud_models" in (told.value.hint or "")
    assert asked(server) == []
    allowed = model_at(server, files=Files(cloud_models=("local-llama",)))
    assert allowed.extract(document(), STEP).facts


@pytest.mark.parametrize("fault", [refuse_with(503, "loading"), refuse_with(429, "busy"), cut_in_the_middle])
def test_what_is_over_in_a_moment_is_tried_again(server: FakeBackend, fault: Any) -> None:
    times: list[int] = []

    def failing_first(handler: Handler) -> None:
        times.append(1)
        (fault if len(times) <= 2 else answering())(handler)

    server.fault = failing_first
    assert model_at(server).extract(document(), STEP).facts


def test_one_document_that_the_server_fails_over_does_not_end_the_run(server: FakeBackend) -> None:
    def failing_over_one(handler: Handler) -> None:
        odd = "odd" in prompt_of(handler.body)
        (refuse_with(500, "something broke") if odd else answering())(handler)

    server.fault = failing_over_one
    model = model_at(server)
    for _ in range(12):
        with pytest.raises(StepFailure, match="failed with HTTP 500: something broke"):
            model.extract(document("odd"), STEP)
        assert model.extract(document(), STEP).facts


def test_a_server_that_fails_over_everything_ends_the_run(
    server: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PAUSES", ())
    server.fault = refuse_with(500, "something broke")
    model = model_at(server)
    for _ in range(9):
        with pytest.raises(StepFailure):
            model.extract(document(), STEP)
    with pytest.raises(RunStopped, match="something broke"):
        model.extract(document(), STEP)


def test_stopped_it_ends_what_is_in_flight_at_once_and_begins_nothing_more(server: FakeBackend) -> None:
    hanging = threading.Event()
    server.fault = answering(gate=hanging)
    model = model_at(server)
    stopping = threading.Timer(0.3, model.stop)
    stopping.start()
    began = time.monotonic()
    with pytest.raises(CallCancelled):
        model.extract(document(), STEP)
    assert time.monotonic() - began < 5
    with pytest.raises(CallCancelled):
        model.extract(document(), STEP)
    hanging.set()
    stopping.join()


def test_the_config_names_the_server_and_options_go_before_it(tmp_path: Path, server: FakeBackend) -> None:
    path = tmp_path / "config.yaml"
    mine = {"name": "l", "kind": "litellm", "url": server.url, "api_key": {"env": "THE_KEY"}}
    body = json.dumps({"backends": [{"name": "o", "kind": "ollama", "url": "http://o"}, mine]})
    loaded = config.parse(path, body.encode())
    model = LocalModel.from_config(loaded, environment={"THE_KEY": server.key or ""})
    assert (model.backend.name, model.model) == ("l", "local-llama")
    assert model.extract(document(), STEP).facts
    other = LocalModel.from_config(loaded, url="http://koala:4000/v1/", model="local-coder")
    assert (other.backend.url, other.backend.key_env, other.model) == (
        "http://koala:4000",
        "THE_KEY",
        "local-coder",
    )


def test_a_config_without_any_backend_says_what_to_give(tmp_path: Path) -> None:
    loaded = config.parse(tmp_path / "config.yaml", b"backends: []\n")
    with pytest.raises(config.ConfigError, match="no backend with local models is enabled") as told:
        LocalModel.from_config(loaded)
    assert "--litellm-url" in (told.value.hint or "")
    assert LocalModel.from_config(loaded, url="http://koala:4000").backend.key_env == "LITELLM_API_KEY"


def test_local_calls_are_in_the_ledger_with_how_they_ended(server: FakeBackend, tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    model = model_at(server, books=Books(ledger, "triage"))
    model.extract(document(), STEP)
    server.fault = saying("no", "no")
    with pytest.raises(StepFailure):
        model.extract(document(), STEP)
    model.stop()
    with pytest.raises(CallCancelled):
        model.extract(document(), STEP)
    ledger.close()
    groups = usage.read(tmp_path / "ledger.db", None, time.time()).groups
    assert {group.outcome: group.figures.prompts for group in groups} == {
        "ok": 1,
        "failed": 2,
        "cancelled": 0,
    }
    assert {(group.tool, group.model, group.backend) for group in groups} == {
        ("pipeline:triage", "local-llama", "litellm")
    }
