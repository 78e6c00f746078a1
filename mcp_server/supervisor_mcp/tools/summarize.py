"""summarize: what files say, in one line each and one text for all."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from supervisor_mcp.delegation import AllFailed
from supervisor_mcp.tools import fences, jobs, survey
from supervisor_mcp.tools.asking import Asker, Form, Said
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import Failed, Unusable
from supervisor_mcp.tools.material import Material
from supervisor_mcp.tools.ports import Bench, Outcome
from supervisor_mcp.tools.survey import OfFile

DEFAULT_WORDS = 150
_LINE_WORDS = 18
_NOTE_WORDS = 60
_TOKENS_PER_WORD = 2
_CHARS_PER_WORD = 8
_SLACK_TOKENS = 20  # for a model that has to come to its end; no part of the answer's length


def serve(bench: Bench, asker: Asker, material: Material, given: Mapping[str, Any]) -> Outcome:
    """The summary of the files.

    Raises:
        AllFailed: Nothing was summarised, and the backends are why.
        CallCancelled: The client cancelled.
    """
    words = given.get("words", DEFAULT_WORDS)
    focus = f" Say above all what it has to do with this: {given['focus']}." if "focus" in given else ""
    whole = _form(f"Summarise the material above in at most {words} words.{focus}", words)
    if len(material.files) == 1:
        return _one(bench, asker, material.files[0], whole, focus)
    form = _form(
        f"Say in one sentence of at most {_LINE_WORDS} words what the text above is.{focus}", _LINE_WORDS
    )
    answers = survey.ask_all(bench, asker, material.files, form, partial(_words, form=form))
    done = [one for one in answers if one.values]
    failed = survey.failures(answers)
    if not done:
        return Outcome.of([failed], bytes_read=0, is_error=True)
    combined = jobs.Jobs(done, partial(_line, asker, form), lambda _number: None).run(asker.threads)
    lines = [
        f"{one.file.path}: {one.values[0] if isinstance(line, Failed) else line}"
        for one, line in zip(done, combined, strict=True)
    ]
    try:
        summary = _folded(asker, lines, whole)
    except (AllFailed, Unusable) as error:
        summary = f"[There is no summary of the whole: {Failed(error).reason}.]"
    return Outcome.of([summary, "\n".join(lines), failed], bytes_read=sum(one.bytes_read for one in answers))


def _one(bench: Bench, asker: Asker, file: Chunk, whole: Form, focus: str) -> Outcome:
    """The summary of a single file, which is all of the result."""
    fits = file.size <= asker.room(whole)
    note = _form(f"Summarise the part of a text above in at most {_NOTE_WORDS} words.{focus}", _NOTE_WORDS)
    form = whole if fits else note
    (answer,) = survey.ask_all(bench, asker, [file], form, partial(_words, form=form))
    failed = survey.failures([answer])
    if not answer.values:
        return Outcome.of([failed], bytes_read=0, is_error=True)
    try:
        summary = _folded(asker, answer.values, whole)
    except (AllFailed, Unusable):  # the parts are worth having all the same
        summary = "\n".join(answer.values)
    return Outcome.of([summary, failed], bytes_read=answer.bytes_read)


def _line(asker: Asker, form: Form, answer: "OfFile[str]") -> str:
    return _folded(asker, answer.values, form)


def _folded(asker: Asker, texts: Sequence[str], form: Form) -> str:
    """The texts made one, in several rounds where they are too long for one prompt."""
    while len(texts) > 1:
        notes = Chunk(path="", text="\n".join(texts), first=1, last=len(texts))
        fewer = asker.ask(notes, form, partial(_words, form=form))
        if len(fewer) >= len(texts):
            return "\n".join(fewer)
        texts = fewer
    return texts[0]


def _form(task: str, words: int) -> Form:
    return Form(
        task=f"{task} Begin with the content itself, without a preamble.",
        max_tokens=words * _TOKENS_PER_WORD + _SLACK_TOKENS,
    )


def _words(said: Said, _chunk: Chunk, *, form: Form) -> str:
    """The answer, bounded by what was asked for."""
    most = (form.max_tokens - _SLACK_TOKENS) // _TOKENS_PER_WORD * _CHARS_PER_WORD
    text = fences.line(said.text, most) if form.max_tokens < 100 else fences.block(said.text, most)
    if not text:
        raise Unusable("the model's answer is empty")
    return f"{text}…" if said.cut and not text.endswith("…") else text
