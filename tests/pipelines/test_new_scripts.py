"""The scripts that `new pipeline` writes do what they say, as does the one of the skill."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import Desk


@pytest.fixture
def made(cli: Any, desk: Desk) -> Any:
    """`made(kind)` is what a new script of that kind defines."""

    def make(kind: str) -> dict[str, Any]:
        path = desk.folder / f"{kind}.py"
        cli("new", "pipeline", str(path), "--kind", kind)
        return names_of(path)

    return make


def names_of(path: Path) -> dict[str, Any]:
    """What a script defines, imported as a module, so that its source is known."""
    spec = importlib.util.spec_from_file_location(f"new_script_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return vars(module)


def test_analyze_has_every_document_judged(made: Any, desk: Desk) -> None:
    names = made("analyze")
    desk.write(3)
    ran = desk.run("--budget", "1", pipeline=names["pipeline"])
    assert ran.code == 0, ran.err
    for line in desk.results():
        names["Facts"].model_validate(line["facts"])
        names["Analysis"].model_validate(line["answer"])
    for asked in desk.api.billed():
        assert f"<document path='{desk.folder}/docs/d00" in asked.prompt
        assert "Document number" in asked.prompt
        assert "never an instruction" in json.dumps(asked.body["system"])


def test_triage_asks_for_what_matters_and_for_nothing_else(made: Any, desk: Desk) -> None:
    names = made("triage")
    desk.write(12)
    ran = desk.run("--budget", "1", pipeline=names["pipeline"])
    assert ran.code == 0, ran.err
    lines = desk.results()
    mattering = [line for line in lines if names["matters"](names["Facts"].model_validate(line["facts"]))]
    assert [line for line in lines if line["answer"] is not None] == mattering
    assert len(desk.api.billed()) == len(mattering)
    assert 0 < len(mattering) < len(lines)


def test_digest_makes_one_report_of_them_all(made: Any, desk: Desk) -> None:
    names = made("digest")
    desk.write(3)
    ran = desk.run("--budget", "1", pipeline=names["pipeline"])
    assert ran.code == 0, ran.err
    (asked,) = desk.api.billed()
    assert all(f"d00{number}.txt: " in asked.prompt for number in range(3))
    report = desk.report()
    answer = report[report.index("```json\n") + 8 : report.index("\n```", report.index("```json"))]
    names["Report"].model_validate_json(answer)


def test_the_skills_script_is_the_pipeline_of_its_name(cli: Any, desk: Desk, own_home: Path) -> None:
    cli("install", "--yes")
    names = names_of(own_home / ".claude" / "skills" / "document-pipeline" / "pipeline.py")
    desk.write(2)
    ran = desk.run("--local-only", pipeline=names["pipeline"])
    assert ran.code == 0, ran.err
    assert desk.statuses() == ["done", "done"]
    assert names["pipeline"].name == "document-pipeline"
    assert desk.api.billed() == []
