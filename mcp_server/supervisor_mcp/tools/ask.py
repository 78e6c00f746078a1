"""ask: a question about files, answered with places that exist."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from supervisor_mcp.delegation import AllFailed
from supervisor_mcp.records import Record
from supervisor_mcp.tools import citations, fences, json_answers, survey
from supervisor_mcp.tools.asking import Asker, Form, Said
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import Failed, Unusable
from supervisor_mcp.tools.material import Material
from supervisor_mcp.tools.ports import Bench, Outcome

MAX_PLACES = 40
MAX_LINES = 5
"""Lines that one finding names."""
_FINDING_CHARS = 400
_ANSWER_CHARS = 3000
_QUOTED_CHARS = 100
_FINDING = {
    "type": "object",
    "properties": {
        "found": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "integer"}, "maxItems": MAX_LINES},
        "answer": {"type": "string"},
    },
    "required": ["found", "lines", "answer"],
    "additionalProperties": False,
}


class Finding(Record):
    """What one chunk says to the question; `wrong` lines were named that are not in it."""

    path: str
    text: str
    lines: tuple[int, ...]
    quotes: tuple[str, ...]
    wrong: int

    @property
    def cited(self) -> str:
        """The finding in one line, its place first."""
        return f"{self.path}:{self.lines[0] if self.lines else 1} {self.text}"


def serve(bench: Bench, asker: Asker, material: Material, given: Mapping[str, Any]) -> Outcome:
    """The answer to the question.

    Raises:
        AllFailed: Nothing was answered, and the backends are why.
        CallCancelled: The client cancelled.
    """
    question = given["question"]
    form = Form(
        task=(
            f"Each line above begins with its number. Question: {question}\n"
            "If the text does not answer it, say found: false. If it does, say found: true, the numbers of "
            f"the lines that show it, at most {MAX_LINES}, and the answer in at most 40 words."
        ),
        max_tokens=200,
        schema=_FINDING,
        numbered=True,
    )
    answers = survey.ask_all(bench, asker, material.files, form, _finding)
    findings = [finding for one in answers for finding in one.values if finding is not None]
    failed = survey.failures(answers)
    read = sum(one.bytes_read for one in answers)
    if not any(one.values for one in answers):
        return Outcome.of([failed], bytes_read=0, is_error=True)
    if not findings:
        text = f"None of the {len(material.files)} files that were read answers this, the model says."
        return Outcome.of([text, failed], bytes_read=read)
    lines_of = {file.path: file.last for file in material.files}
    answer, wrong = _answer(asker, question, findings, lines_of)
    wrong += sum(finding.wrong for finding in findings)
    notes = [f"[Places that the model named and that do not exist, taken out: {wrong}.]"] if wrong else []
    silent = sum(1 for one in answers if one.values and all(finding is None for finding in one.values))
    notes += [f"[{silent} of {len(answers)} files do not answer it, the model says.]"] if silent else []
    said = "\n".join([*notes, *([failed] if failed else [])])
    return Outcome.of([answer, _places(findings), said], bytes_read=read)


def _answer(
    asker: Asker, question: str, findings: "Sequence[Finding]", lines_of: Mapping[str, int]
) -> tuple[str, int]:
    """The findings made one answer, and how many places in it did not exist."""
    if len(findings) == 1:
        return citations.checked(findings[0].text, lines_of)
    form = Form(
        task=(
            f"Question: {question}\nThe notes above were taken from files, one a line; each begins with its "
            "place, path:line. Answer the question from them in at most 120 words, and put the place behind "
            "each statement in brackets, exactly as it stands in the notes."
        ),
        max_tokens=400,
    )
    notes = Chunk(path="", text="\n".join(one.cited for one in findings), first=1, last=len(findings))
    try:
        texts = asker.ask(notes, form, _text)
    except (AllFailed, Unusable) as error:
        return f"[The findings were not put together: {Failed(error).reason}. They are below.]", 0
    return citations.checked("\n".join(texts), lines_of)


def _text(said: Said, _chunk: Chunk) -> str:
    text = fences.block(said.text, _ANSWER_CHARS)
    if not text:
        raise Unusable("the model's answer is empty")
    return f"{text}…" if said.cut else text


def _finding(said: Said, chunk: Chunk) -> Finding | None:
    """What the model found in the chunk; from a server that ignores the schema, its words as they are."""
    try:
        value = json_answers.parsed(said, mend=True)
    except Unusable:
        if said.text.lstrip().startswith(("{", "[")):
            raise
        named = re.findall(r"(?:\blines?\s+|:)(\d{1,9})\b", said.text)
        value = {"found": True, "answer": said.text, "lines": [int(number) for number in named]}
    if not isinstance(value, dict) or not isinstance(value.get("answer", ""), str):
        raise Unusable("the model's answer has not the form that was asked for")
    text = fences.line(value.get("answer", ""), _FINDING_CHARS)
    if value.get("found") is not True or not text:
        return None
    listed = value.get("lines")
    whole = [one for one in listed if isinstance(one, int)] if isinstance(listed, list) else []
    lines = sorted({one for one in whole[:MAX_LINES] if chunk.first <= one <= chunk.last})
    source = chunk.text.split("\n")
    return Finding(
        path=chunk.path,
        text=text,
        lines=tuple(lines),
        quotes=tuple(fences.line(source[line - chunk.first], _QUOTED_CHARS) for line in lines),
        wrong=len(set(whole[:MAX_LINES])) - len(lines),
    )


def _places(findings: "Sequence[Finding]") -> str:
    """The places with what stands there, so that they can be judged without opening the files."""
    places = [
        f"{finding.path}:{line}: {quote}"
        for finding in findings
        for line, quote in zip(finding.lines, finding.quotes, strict=True)
    ]
    unplaced = [f"{finding.path}: {finding.text}" for finding in findings if not finding.lines]
    shown = [*places, *unplaced][:MAX_PLACES]
    more = len(places) + len(unplaced) - len(shown)
    return "\n".join([*shown, *([f"[{more} more places.]"] if more else [])])
