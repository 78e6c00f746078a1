"""What makes two pieces of work the same: digests of the script, of a local step, of a document's work.

A script is named by the text of its files. A change that means nothing (a comment) then has each document
looked at again, but costs neither money nor the local model's time: facts are kept by what they come of, and
paid answers by their requests. Workers on other machines and other Pythons come to the same digest.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from supervisor_pipelines.definition import Extract, Pipeline
from supervisor_setup.errors import UserError


def form(pipeline: Pipeline[Any, Any]) -> str:
    """A digest of the files that say what `pipeline` does, and of its own values: another file may set those.

    Raises:
        UserError: a part of it was not written in a file.
    """
    files = sorted({_file_of(part) for part in _parts(pipeline)})
    # The names and places of the files differ between machines, and their order with them.
    texts = sorted(file.read_text(encoding="utf-8") for file in files)
    return digest(pipeline.name, _values(pipeline), *texts)


@lru_cache(maxsize=64)  # the schema alone takes a millisecond, for each document
def facts_key(step: Extract[Any], model: str) -> str:
    """A digest of all that a local answer comes of, beside the document."""
    merge = inspect.getsource(step.merge) if step.merge is not None else None
    return digest(step.answer.model_json_schema(), step.instructions, step.max_tokens, merge, model)


def digest(*parts: object) -> str:
    """SHA-256 of values that JSON can say, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _values(pipeline: Pipeline[Any, Any]) -> list[dict[str, str | int]]:
    steps = [step for step in (pipeline.extract, pipeline.ask, pipeline.digest) if step is not None]
    return [
        {name: value for name, value in vars(step).items() if isinstance(value, str | int)} for step in steps
    ]


def _parts(pipeline: Pipeline[Any, Any]) -> Iterator[Any]:
    yield pipeline.extract.answer
    if pipeline.extract.merge is not None:
        yield pipeline.extract.merge
    if pipeline.ask is not None:
        yield from (pipeline.ask.answer, pipeline.ask.prompt)
        if pipeline.ask.when.__module__ != Pipeline.__module__:  # the default is ours
            yield pipeline.ask.when
    if pipeline.digest is not None:
        yield from (pipeline.digest.answer, pipeline.digest.line)


def _file_of(part: Any) -> Path:
    module = sys.modules.get(getattr(part, "__module__", ""))
    file = getattr(module, "__file__", None)
    if file is None:
        raise UserError(f"{part!r}: was not written in a file, so that its changes could not be noticed")
    return Path(file)
