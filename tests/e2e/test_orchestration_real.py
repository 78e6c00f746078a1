"""Fifty real documents through the rendered script, by `uv run` and as installed, with a real local model."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filled import filled
from paid_api import PaidApi
from paid_rules import schema_of

from real_parts import RealParts

from .pipeline_place import ROOT, Place, environment, render, sections
from .stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1300)]

DOCUMENTS = 50
BY_UV = 25
MOST_CHARACTERS = 400  # a processor without a graphics card reads some hundred tokens a second
_KINDS = {"question", "complaint", "report", "notice", "other"}


@pytest.fixture
def pipeline(tmp_path: Path, stack: Stack) -> Iterator[Place]:
    """A triage, since its form bounds what a small model can write."""
    with PaidApi() as api:
        made = Place(tmp_path, api, environment(api, stack.key), ("--litellm-url", stack.litellm_url))
        render(made.script, "triage")
        try:
            yield made
        finally:
            made.end()


def by_uv(pipeline: Place, parts: RealParts) -> None:
    """Have uv run the script: it makes the environment that the script names, of wheels alone."""
    if parts.missing("uv"):
        pytest.fail(f"{parts.uv}: is missing\nhint: python tests/real_parts.py", pytrace=False)
    pipeline.runner = (str(parts.uv), "run", "--quiet", "--script")
    pipeline.env |= {
        "UV_CACHE_DIR": str(pipeline.folder / "uv-cache"),
        "UV_FIND_LINKS": str(parts.wheels),
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }


def each_has_its_facts_and_the_urgent_ones_an_answer(pipeline: Place, count: int) -> None:
    lines = pipeline.lines()
    assert [Path(line["path"]).name for line in lines] == [
        f"{number:04}.md" for number in range(1, count + 1)
    ]
    answers = {
        asked.prompt: filled(schema_of(asked.body) or {}, asked.prompt) for asked in pipeline.api.billed()
    }
    assert not pipeline.api.paid_twice()
    done = [line for line in lines if line["status"] == "done"]
    # A model of 135 million parameters may miss the form of a document or two.
    assert len(done) >= count - 2, [line["error"] for line in lines if line["error"]]
    for line in done:
        facts = line["facts"]
        assert facts["kind"] in _KINDS
        urgent = facts["urgency"] != "none" or facts["kind"] == "complaint"
        text = Path(line["path"]).read_text(encoding="utf-8")
        given = [answer for prompt, answer in answers.items() if text in prompt]
        assert given == ([line["answer"]] if urgent else [])


def test_fifty_real_documents_by_uv_run_and_as_installed(pipeline: Place, parts: RealParts) -> None:
    """uv does the first half; the installed program goes on with the same folder, and does the rest."""
    assert f'"supervisor-setup[orchestrate] @ {ROOT.as_uri()}"' in pipeline.script.read_text(encoding="utf-8")
    installed = pipeline.runner
    texts = sections(DOCUMENTS, most=MOST_CHARACTERS)
    pipeline.write(texts[:BY_UV])
    by_uv(pipeline, parts)
    ended = pipeline.start_run().wait(600)
    assert ended.code in (0, 1), ended.err
    each_has_its_facts_and_the_urgent_ones_an_answer(pipeline, BY_UV)

    pipeline.runner = installed
    pipeline.write(texts)
    ended = pipeline.start_run().wait(600)
    assert ended.code in (0, 1), ended.err
    assert ended.out.splitlines()[-1] == str(pipeline.out / "results.jsonl")
    each_has_its_facts_and_the_urgent_ones_an_answer(pipeline, DOCUMENTS)
    told = pipeline.status()
    assert told["documents"]["done"] + told["documents"]["failed"] == DOCUMENTS
    assert told["paid_calls"] == len(pipeline.api.billed())
    report = (pipeline.out / "report.md").read_text(encoding="utf-8")
    assert str(told["documents"]["done"]) in report

    asked = len(pipeline.api.asked)
    pipeline.start_run().wait(60)
    assert len(pipeline.api.asked) == asked
