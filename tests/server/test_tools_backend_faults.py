"""Every fault of a backend, met by the tools that read files: one clear error each, in time."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_backend import (
    LITELLM_CONTEXT,
    LITELLM_UNKNOWN_MODEL,
    closed_port,
    cut_in_the_middle,
    event,
    hang,
    litellm,
    refuse_with,
    say_raw,
    slow,
)
from scripted_model import FILE_TOOLS, core_in, serve

from supervisor_mcp.calls import Call

CUT_STREAM = event({"choices": [{"delta": {"content": "It is a f"}}]})
NO_ANSWER = event({"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"
LONG_SECONDS = 60.0  # for a fault that answers at once, however busy the machine
FAULTS = {
    "hanging": (hang, "gave no answer within 0.5 s"),
    "slow": (slow(2), "gave no answer within 0.5 s"),
    "401": (refuse_with(401, "Invalid proxy server token"), "wants an API key and none is set"),
    "400 No connected db": (refuse_with(400, "No connected db."), "refused the API key"),
    "500": (refuse_with(500, "boom"), "failed with HTTP 500: boom"),
    "429": (refuse_with(429, "slow down"), "is busy (HTTP 429): slow down"),
    "cut in the reply": (cut_in_the_middle, "broke off its answer"),
    "cut in the stream": (say_raw(CUT_STREAM), "broke off its answer"),
    "invalid JSON": (say_raw(b"<html>welcome</html>"), "something that is not JSON"),
    "empty answer": (say_raw(NO_ANSWER), "answer is empty"),
    "context exceeded": (refuse_with(400, LITELLM_CONTEXT), "exceeds the model's context of 8192 tokens"),
    "unknown model": (refuse_with(400, LITELLM_UNKNOWN_MODEL), "local-llama"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One file: what a fault does to many is tested elsewhere."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text("first line\nsecond line\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_clear_error_of_each_tool(project, backend, name):
    backend.fault, said = FAULTS[name]
    seconds = 0.5 if name in ("hanging", "slow") else LONG_SECONDS
    core = core_in(project, litellm(backend, timeout=seconds, local=True, parallel=8))

    def use(tool: str) -> None:
        result = core.call(tool, FILE_TOOLS[tool], Call())
        assert result.is_error, result.text
        assert said in result.text
        assert "o the task yourself" in result.text

    began = time.monotonic()
    with ThreadPoolExecutor() as tools:
        list(tools.map(use, FILE_TOOLS))
    assert time.monotonic() - began < 5


def test_a_backend_that_is_not_there_is_told_in_milliseconds(project):
    dead = {"name": "litellm", "kind": "litellm", "url": f"http://127.0.0.1:{closed_port()}", "local": True}
    core = core_in(project, dead)
    for tool, given in FILE_TOOLS.items():
        text = core.call(tool, given, Call()).text
        assert "connection refused" in text
    began = time.monotonic()
    assert core.call("classify", FILE_TOOLS["classify"], Call()).is_error
    assert time.monotonic() - began < 0.5


class AllKnown:
    """A memory that has the answer for every file."""

    def recall(self, key):
        return '{"label": "code"}' if key[0] % 2 else '{"label": "text"}'

    def remember(self, *_):
        raise AssertionError("nothing was asked")


@pytest.mark.slow
def test_ten_thousand_files_are_labelled_from_memory_in_a_bounded_answer(tmp_path, backend):
    for number in range(100):
        folder = tmp_path / "project" / f"folder{number}"
        folder.mkdir(parents=True)
        for name in range(100):
            (folder / f"{name}.txt").write_text(f"{number} {name}\n", encoding="utf-8")
    began = time.monotonic()
    limits = {"files": {"max_files": 20_000}}
    given = FILE_TOOLS["classify"]
    outcome = serve(tmp_path / "project", backend, "classify", memory=AllKnown(), config=limits, **given)
    assert time.monotonic() - began < 60
    assert not outcome.is_error, outcome.text
    assert (
        sum(int(size) for size in re.findall(r"^(?:code|text) \((\d+)\)", outcome.text, re.MULTILINE))
        == 10_000
    )
    assert not backend.asked("/v1/chat/completions")


def test_ten_thousand_files_are_too_many_unless_allowed_and_that_is_said_at_once(tmp_path, backend):
    for number in range(10_000):
        (tmp_path / f"{number}.txt").touch()
    began = time.monotonic()
    for tool, given in FILE_TOOLS.items():
        outcome = serve(tmp_path, backend, tool, **given)
        assert outcome.is_error
        assert "more than 2,000 files" in outcome.text
    assert time.monotonic() - began < 20
