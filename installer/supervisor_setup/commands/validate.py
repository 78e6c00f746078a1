"""`validate`: agent files as the client reads them, for people and for CI."""

import json
from collections.abc import Sequence
from pathlib import Path

from supervisor_setup import validate as engine
from supervisor_setup.errors import Exit, UserError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout


def validate(paths: Sequence[Path], form: str, layout: Layout) -> tuple[str, Exit]:
    """The findings in one of the formats text, json, github and sarif; exit code 1 where one is an error.

    Raises:
        UserError: a path does not exist, or is a folder without any agent file.
    """
    full = [layout.cwd / path for path in paths]
    for path in full:
        if path.is_dir() and not any(path.rglob("*.md")):
            raise UserError(
                f"{path}: holds no agent file",
                hint="name the folder that does: supervisor-setup validate DIR",
            )
    findings = engine.validate(full)
    return _render(findings, form), _exit_code(findings)


def _render(findings: Sequence[Finding], form: str) -> str:
    if form == "json":
        return json.dumps({"command": "validate", **engine.to_json(findings)}, indent=2)
    if form == "sarif":
        return json.dumps(engine.to_sarif(findings), indent=2)
    return engine.to_github(findings) if form == "github" else engine.to_text(findings)


def _exit_code(findings: Sequence[Finding]) -> Exit:
    return Exit.ERROR if any(finding.status is Status.ERROR for finding in findings) else Exit.OK
