"""Checks agent files and folders for people and for CI; without a path, what this package ships."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor_setup import __version__, assets, frontmatter
from supervisor_setup.checks import agent_search, surroundings
from supervisor_setup.checks.agent_explanations import EXPLANATIONS
from supervisor_setup.checks.agent_search import AgentFile
from supervisor_setup.checks.agents import check_agents
from supervisor_setup.checks.vocabulary import Vocabulary
from supervisor_setup.findings import Finding, Status, printable

_LEVELS: Mapping[Status, str] = {Status.ERROR: "error", Status.WARNING: "warning"}


def validate(paths: Sequence[Path]) -> list[Finding]:
    """What is wrong with the agent files at `paths`; without paths, with the bundled agents and templates.

    Of a folder these are the files below its `agents` folders, or all that look like an agent's when it has
    none; nothing is known of the client and the machine that they are for.

    Raises:
        UserError: a path does not exist.
    """
    if not paths:
        return validate_bundled()
    files = [file for path in paths for file in agent_search.below(path)]
    return check_agents(files, surroundings.anywhere())


def vocabulary() -> Vocabulary:
    """The keys, values, models and tools of agent-frontmatter.schema.json."""
    return surroundings.vocabulary()


def validate_bundled() -> list[Finding]:
    """What is wrong with the bundled agents as they are rendered by default, and with the templates."""
    from jsonschema import Draft202012Validator  # 140 ms, for this mode only

    from supervisor_mcp import settings  # likewise
    from supervisor_setup import compiled, config, render

    rendered, _ = compiled.rendered(config.Config(Path("config.yaml"), server=settings.merge({})))
    files = [
        AgentFile(assets.agents() / name, assets.agents(), frontmatter.parse(content))
        for name, content in rendered.items()
    ]
    findings = check_agents(files, surroundings.anywhere())
    validator = Draft202012Validator(frontmatter_schema())
    for file in files:
        fields = file.frontmatter.fields if file.frontmatter else {}
        findings += [
            Finding("agents.schema", Status.ERROR, error.message, file.path, 1)
            for error in validator.iter_errors({key: field.value for key, field in fields.items()})
        ]
    for template in sorted(assets.templates().rglob("*.j2")):
        if fault := render.template_fault(template):
            line, reason = fault
            findings.append(Finding("templates.syntax", Status.ERROR, reason, template, line))
    return findings


def frontmatter_schema() -> dict[str, Any]:
    """The JSON Schema of an agent file's frontmatter."""
    return surroundings.schema()


def to_text(findings: Sequence[Finding]) -> str:
    """One line for each finding, its hint below it, and a line of counts."""
    lines: list[str] = []
    for finding in findings:
        lines.append(printable(f"{_place(finding)}: {finding.status}: {finding.message} [{finding.id}]"))
        if finding.hint:
            lines.append(f"  hint: {printable(finding.hint)}")
    counts = [f"{count} {status}" for status, count in _counts(findings).items() if count]
    return "\n".join([*lines, ", ".join(counts) or "no findings"])


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as data; the shape belongs to `schema_version` 1."""
    return {
        "schema_version": 1,
        "findings": [
            {
                "id": finding.id,
                "family": finding.family,
                "status": str(finding.status),
                "message": finding.message,
                "path": None if finding.path is None else str(finding.path),
                "line": finding.line,
                "hint": finding.hint,
                "fixable": finding.fixable,
            }
            for finding in findings
        ],
        "counts": _counts(findings),
    }


def to_github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows as annotations on the lines."""
    return "\n".join(_annotation(finding) for finding in findings)


def to_sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A SARIF 2.1.0 log, with paths relative to the current folder where they lie below it."""
    rules = sorted({finding.id for finding in findings})
    driver = {
        "name": "supervisor-setup",
        "version": __version__,
        "rules": [_rule(rule) for rule in rules],
    }
    results = [
        {
            "ruleId": finding.id,
            "level": _LEVELS.get(finding.status, "note"),
            "message": {"text": finding.message + (f" ({finding.hint})" if finding.hint else "")},
            "locations": _locations(finding),
        }
        for finding in findings
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _rule(check: str) -> dict[str, Any]:
    explanation = EXPLANATIONS.get(check)
    if explanation is None:
        return {"id": check, "shortDescription": {"text": check}}
    return {
        "id": check,
        "shortDescription": {"text": explanation.catches},
        "fullDescription": {"text": f"{explanation.catches} {explanation.why}"},
        "help": {"text": explanation.mend},
    }


def _locations(finding: Finding) -> list[dict[str, Any]]:
    if finding.path is None:
        return []
    location = {
        "artifactLocation": {"uri": _relative(finding.path).as_posix()},
        "region": {"startLine": finding.line or 1},
    }
    return [{"physicalLocation": location}]


def _annotation(finding: Finding) -> str:
    level = _LEVELS.get(finding.status, "notice")
    place = {"file": str(_relative(finding.path)), "line": str(finding.line or 1)} if finding.path else {}
    properties = ",".join(
        f"{key}={_escape(value, ',:')}" for key, value in {**place, "title": finding.id}.items()
    )
    return (
        f"::{level} {properties}::{_escape(finding.message + (f' ({finding.hint})' if finding.hint else ''))}"
    )


def _escape(text: str, also: str = "") -> str:
    for char in "%\r\n" + also:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def _relative(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _place(finding: Finding) -> str:
    if finding.path is None:
        return "supervisor-setup"
    return f"{_relative(finding.path)}:{finding.line}" if finding.line else str(_relative(finding.path))


def _counts(findings: Iterable[Finding]) -> dict[str, int]:
    counts = {str(status): 0 for status in (Status.ERROR, Status.WARNING, Status.INFO)}
    for finding in findings:
        counts[str(finding.status)] = counts.get(str(finding.status), 0) + 1
    return counts
