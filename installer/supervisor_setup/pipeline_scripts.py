"""The scripts of pipelines, from their templates: the user's own, and the skill's."""

import json
import re
from enum import StrEnum
from pathlib import Path

from supervisor_setup import assets, render


class Kind(StrEnum):
    """What a new script does, for the user to change."""

    ANALYZE = "analyze"
    TRIAGE = "triage"
    DIGEST = "digest"


def own_script(kind: Kind, *, name: str, model: str, file_name: str, requirement: str) -> bytes:
    """A script of the user's: all options, and inline metadata by which `uv run` finds the package.

    `requirement` is as in pyproject.toml; `file_name` is what its own description calls it by.
    """
    # It stands inside a docstring, which an odd name could end.
    shown = file_name if re.fullmatch(r"[\w.-]+", file_name) else "SCRIPT.py"
    return _script(
        kind, name=name, model=model, command=f"uv run {shown}", requirement=requirement, config=None
    )


def skill_script(*, model: str, config: Path) -> bytes:
    """The script of the skill, which a permission rule lets run: started by this installation's Python.

    `config` is the config.yaml whose bounds hold for it.
    """
    return _script(Kind.ANALYZE, name="document-pipeline", model=model, requirement=None, config=config)


def pipeline_name(stem: str) -> str:
    """The name of the pipeline in a file of this name: one word, as `Pipeline` wants it."""
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-") or "pipeline"


def _script(kind: Kind, *, requirement: str | None, config: Path | None, **values: object) -> bytes:
    return render.render_template(
        assets.templates() / "pipelines" / f"{kind}.py.j2",
        # JSON's quoting is TOML's, as long as nothing is written as \u pairs.
        requirement=None if requirement is None else json.dumps(requirement, ensure_ascii=False),
        config=None if config is None else repr(str(config)),
        **values,
    )
