"""Serves one call of a tool that reads files, from its arguments to the text that Claude reads."""

import time
from collections.abc import Mapping
from typing import Any

from supervisor_mcp.tools import ask, classify, extract, material, schemas, summarize, survey
from supervisor_mcp.tools.asking import Asker
from supervisor_mcp.tools.material import Material
from supervisor_mcp.tools.ports import Bench, Outcome, Refused

_WITH_FILES = {"summarize": summarize.serve, "ask": ask.serve, "extract": extract.serve}


def serve(bench: Bench, given: Mapping[str, Any]) -> Outcome:
    """The answer to a call with checked arguments.

    Raises:
        AllFailed: No model answered.
        CallCancelled: The client cancelled.
    """
    began = time.monotonic()
    try:
        given = _prepared(bench.tool.kind, given)
        found = _material(bench, given)
        asker = Asker(bench)
        if bench.tool.kind == "classify":
            outcome = classify.serve(bench, asker, found.files, given)
        else:
            outcome = _WITH_FILES[bench.tool.kind](bench, asker, found, given)
    except Refused as refused:
        return Outcome(text=str(refused), is_error=True, cause="arguments")
    text = "\n".join(part for part in (outcome.text, material.passed_over(found.skipped)) if part)
    if outcome.is_error:
        return outcome.but(text=f"Nothing came of it. Do the task yourself.\n{text}")
    bench.accounts.kept_out(outcome.bytes_read)
    seconds = time.monotonic() - began
    return outcome.but(text=f"{text}\n\n{survey.closing(asker, seconds, outcome.bytes_read, text)}")


def _prepared(kind: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments as the tool works with them; Refused where they make no sense."""
    if kind == "classify":
        return {**given, "labels": classify.checked_labels(given)}
    return {**given, "schema": schemas.prepared(given["schema"])} if kind == "extract" else given


def _material(bench: Bench, given: Mapping[str, Any]) -> Material:
    """The files to work on; what Claude sent itself is not counted as read for it."""
    if "items" in given:
        return Material(files=classify.items(given), skipped=())
    return material.gathered(bench, given["paths"])
