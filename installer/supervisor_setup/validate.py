"""Checks agent files and folders for people and for CI; without a path, what this package ships."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor_setup import __version__, assets, frontmatter
from supervisor_setup.checks.agents import IDS, AgentFile, check_agents
from supervisor_setup.checks.vocabulary import Vocabulary
from supervisor_setup.errors import UserError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter, NoFrontmatter

_DOCUMENT = re.compile(r"[A-Z0-9_.-]+")
_SKIPPED_FOLDERS = frozenset({".git", "node_modules", ".venv"})
_LEVELS: Mapping[Status, str] = {Status.ERROR: "error", Status.WARNING: "warning"}


def validate(paths: Sequence[Path]) -> list[Finding]:
    """What is wrong with the agent files at `paths`; without paths, with the bundled agents and templates.

    A file is checked whatever its name. Of a folder, every `*.md` below its `agents` folders is, or every one
    when it has no such folder; without a frontmatter, README.md, CLAUDE.md and other names in capitals are
    passed over.

    Raises:
        UserError: a path does not exist.
    """
    if not paths:
        return validate_bundled()
    files = [file for path in paths for file in _agent_files(path)]
    return check_agents(files, vocabulary())


def vocabulary() -> Vocabulary:
    """The keys, values, models and tools of agent-frontmatter.schema.json."""
    return Vocabulary.from_schema(frontmatter_schema())


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
    findings = check_agents(files, vocabulary())
    validator = Draft202012Validator(frontmatter_schema())
    for file in files:
        fields = file.parsed.fields if isinstance(file.parsed, Frontmatter) else {}
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
    schema: dict[str, Any] = json.loads((assets.templates() / "agent-frontmatter.schema.json").read_bytes())
    return schema


def _agent_files(path: Path) -> Iterator[AgentFile]:
    if path.is_file():
        yield AgentFile(path, path.parent, _parse(path))
        return
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder", hint="supervisor-setup validate PATH")
    found = sorted(_markdown(path))
    scopes = {file: _scope(path, file) for file in found}
    among_agents = [file for file in found if scopes[file] is not None]
    for file in among_agents or found:
        parsed = _parse(file)
        if not (isinstance(parsed, NoFrontmatter) and _DOCUMENT.fullmatch(file.stem)):
            yield AgentFile(file, scopes[file] or path, parsed)


def _markdown(folder: Path) -> Iterator[Path]:
    """Every `*.md` below `folder`; as the client does, it follows links and takes no file or folder twice."""
    seen: set[tuple[int, int]] = set()
    _is_new(folder, seen)
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [
            name for name in folders if name not in _SKIPPED_FOLDERS and _is_new(Path(place, name), seen)
        ]
        files = (Path(place, name) for name in sorted(names) if name.endswith(".md"))
        yield from (file for file in files if _is_new(file, seen))


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return True  # reading it will tell
    known = (stat.st_dev, stat.st_ino) in seen
    seen.add((stat.st_dev, stat.st_ino))
    return not known


def _scope(root: Path, file: Path) -> Path | None:
    """The outermost `agents` folder around the file: the client loads all that is below it together."""
    below = [folder for folder in reversed(file.parents) if folder.is_relative_to(root)]
    return next((folder for folder in below if folder.absolute().name == "agents"), None)


def _parse(path: Path) -> frontmatter.Parsed:
    try:
        return frontmatter.parse(path.read_bytes())
    except OSError as error:
        return frontmatter.Unreadable(1, error.strerror or str(error))


def to_text(findings: Sequence[Finding]) -> str:
    """One line for each finding, its hint below it, and a line of counts."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{_place(finding)}: {finding.status}: {finding.message} [{finding.id}]")
        if finding.hint:
            lines.append(f"  hint: {finding.hint}")
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
        "rules": [{"id": rule, "shortDescription": {"text": IDS.get(rule, rule)}} for rule in rules],
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
