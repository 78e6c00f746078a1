"""What is wrong with the model that an agent's file names.

Every statement about the client's behaviour was measured on 2.1.197 and 2.1.330 with planted files.
"""

from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.surroundings import Retirement, Surroundings
from supervisor_setup.checks.vocabulary import kind, nearest
from supervisor_setup.findings import Finding, Status
from supervisor_setup.frontmatter import Frontmatter

_FAMILIES = ("haiku", "sonnet", "opus", "fable")


def model(path: Path, parsed: Frontmatter, around: Surroundings) -> Iterator[Finding]:
    """A model that the agent will not run on, or not for long."""
    field = parsed.fields.get("model")
    if field is None:
        return
    if not isinstance(field.value, str) or not field.value.strip():
        found = "empty" if field.value is None or isinstance(field.value, str) else kind(field.value)
        message = f"`model` is {found}, not a text, and is ignored: the agent runs on the main model"
        yield Finding("agents.model", Status.ERROR, message, path, field.line, hint="model: haiku")
        return
    if around.foreign_models:
        return
    written = field.value.strip()
    asked = written.lower()
    retirement = around.retirements.get(asked.removesuffix("[1m]"))
    if retirement is not None:
        yield _retired(path, field.line, written, retirement, around)
    elif not (asked in around.vocabulary.aliases or around.vocabulary.model_id.fullmatch(asked)):
        yield Finding(
            "agents.model",
            Status.ERROR,
            f"the client passes the model `{written}` on as it is, and the API answers 404: every delegation "
            "fails",
            path,
            field.line,
            hint=_meant(asked, around),
        )


def _retired(path: Path, line: int, written: str, retirement: Retirement, around: Surroundings) -> Finding:
    hint = f"model: {retirement.alias}, which follows the newest one, or model: {retirement.replacement}"
    status = Status.WARNING
    if around.today < retirement.retired:
        message = (
            f"the model `{written}` is retired on {retirement.retired}: every delegation fails from then on"
        )
    elif retirement.resent and around.resends:
        message = (
            f"the model `{written}` was retired on {retirement.retired}, and the client sends its newest "
            f"{retirement.alias} instead: the agent does not run on what its file names"
        )
    else:
        status = Status.ERROR
        message = (
            f"the model `{written}` was retired on {retirement.retired}, and the API answers 404: "
            "every delegation fails"
        )
    return Finding("agents.model", status, message, path, line, hint=hint)


def _meant(asked: str, around: Surroundings) -> str:
    near = nearest(asked, around.vocabulary.aliases, cutoff=0.5)
    near = near or next((family for family in _FAMILIES if family in asked), None)
    return (
        f"did you mean `model: {near}`?" if near else "use haiku, sonnet, opus, inherit or a full claude- id"
    )
