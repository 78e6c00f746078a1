"""Findings for people, for programs, for GitHub and for code scanning."""

import json
from pathlib import Path

import pytest

from supervisor_setup import validate
from supervisor_setup.checks.agent_explanations import EXPLANATIONS
from supervisor_setup.findings import Finding, Status

TWO = [
    Finding("agents.model", Status.ERROR, "100% wrong,\nreally", Path("/x/a:b.md"), 5, hint="model: haiku"),
    Finding("agents.parse", Status.INFO, "odd", Path("/x/c.md")),
]


def test_text_names_place_status_id_and_hint_and_ends_with_counts():
    assert validate.to_text(TWO).splitlines() == [
        r"/x/a:b.md:5: error: 100% wrong,\nreally [agents.model]",
        "  hint: model: haiku",
        "/x/c.md: info: odd [agents.parse]",
        "1 error, 1 info",
    ]
    assert validate.to_text([]) == "no findings"


def test_paths_below_the_current_folder_are_shown_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    findings = [Finding("agents.parse", Status.ERROR, "odd", tmp_path / "a" / "b.md", 3)]
    assert validate.to_text(findings).startswith("a/b.md:3: ")
    assert validate.to_github(findings).startswith("::error file=a/b.md,line=3,")
    location = validate.to_sarif(findings)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "a/b.md"


def test_json_has_a_schema_version_the_findings_and_their_counts():
    data = json.loads(json.dumps(validate.to_json(TWO)))
    assert data["schema_version"] == 1
    assert data["counts"] == {"error": 1, "warning": 0, "info": 1}
    assert data["findings"][0] == {
        "id": "agents.model",
        "family": "agents",
        "status": "error",
        "message": "100% wrong,\nreally",
        "path": "/x/a:b.md",
        "line": 5,
        "hint": "model: haiku",
        "fixable": False,
    }


def test_github_annotations_escape_what_would_break_the_command():
    assert validate.to_github(TWO).splitlines() == [
        "::error file=/x/a%3Ab.md,line=5,title=agents.model::100%25 wrong,%0Areally (model: haiku)",
        "::notice file=/x/c.md,line=1,title=agents.parse::odd",
    ]


def test_sarif_has_its_rules_levels_and_places():
    log = json.loads(json.dumps(validate.to_sarif(TWO)))
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["agents.model", "agents.parse"]
    assert [result["level"] for result in run["results"]] == ["error", "note"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 5}


def test_sarif_rules_say_what_the_check_catches_why_and_how_to_mend_it():
    rule = validate.to_sarif(TWO)["runs"][0]["tool"]["driver"]["rules"][0]
    explanation = EXPLANATIONS["agents.model"]
    assert rule["shortDescription"]["text"] == explanation.catches
    assert explanation.why in rule["fullDescription"]["text"]
    assert rule["help"]["text"] == explanation.mend


def test_sarif_knows_the_ids_of_the_bundled_files_too():
    findings = [Finding("templates.syntax", Status.ERROR, "odd", Path("/x/a.j2"), 1)]
    rules = validate.to_sarif(findings)["runs"][0]["tool"]["driver"]["rules"]
    assert rules == [{"id": "templates.syntax", "shortDescription": {"text": "templates.syntax"}}]


def test_a_finding_without_a_file_is_shown_all_the_same():
    findings = [Finding("agents.parse", Status.ERROR, "odd")]
    assert validate.to_text(findings).startswith("supervisor-setup: error: odd")
    assert validate.to_github(findings) == "::error title=agents.parse::odd"
    assert validate.to_sarif(findings)["runs"][0]["results"][0]["locations"] == []


def test_a_name_cannot_steer_the_terminal():
    name = "\x1b]0;owned\x07\n\u202eok"
    (line, hint, _) = validate.to_text(
        [Finding("agents.model", Status.ERROR, f"`{name}`", Path(f"/x/{name}.md"), 1, name)]
    ).split("\n")
    shown = r"\x1b]0;owned\x07\n\u202eok"
    assert line == f"/x/{shown}.md:1: error: `{shown}` [agents.model]"
    assert hint == f"  hint: {shown}"
