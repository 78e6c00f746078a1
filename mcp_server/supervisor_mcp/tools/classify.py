"""classify: one label for each file or text, from the labels that were given and no other."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from supervisor_mcp.tools import chunks, json_answers, survey
from supervisor_mcp.tools.asking import Asker, Form, Said
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.jobs import Unusable
from supervisor_mcp.tools.ports import Bench, Outcome, Refused
from supervisor_mcp.tools.survey import OfFile

MAX_LABEL_CHARS = 100


def checked_labels(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels, each once.

    Raises:
        Refused: There are too few, or one is no label.
    """
    labels = tuple(dict.fromkeys(label.strip() for label in given["labels"]))
    if len(labels) < 2:
        raise Refused("`labels` must name at least two different labels.")
    for label in labels:
        if len(label) > MAX_LABEL_CHARS or not label.isprintable():
            raise Refused(
                f"A label is a line of {MAX_LABEL_CHARS} characters at most; `criteria` say what it means."
            )
    return labels


def items(given: Mapping[str, Any]) -> tuple[Chunk, ...]:
    """The texts of the call, each called by its number."""
    return tuple(chunks.whole(str(number), text) for number, text in enumerate(given["items"], start=1))


def serve(bench: Bench, asker: Asker, texts: Sequence[Chunk], given: Mapping[str, Any]) -> Outcome:
    """The label of each text, as a table.

    Raises:
        AllFailed: Nothing was labelled, and the backends are why.
        CallCancelled: The client cancelled.
    """
    labels = given["labels"]
    unit = "texts" if "items" in given else "files"
    listed = "\n".join(f"- {label}" for label in labels)
    criteria = f"\nCriteria: {given['criteria']}" if "criteria" in given else ""
    form = Form(
        task=f"Give the one label that fits the text above best. The labels are:\n{listed}{criteria}",
        max_tokens=16 + max(len(label.encode("utf-8")) for label in labels),
        schema={
            "type": "object",
            "properties": {"label": {"enum": list(labels)}},
            "required": ["label"],
            "additionalProperties": False,
        },
        beginning=True,
        unit=unit,
    )
    beginnings = sum(1 for text in texts if text.size > asker.room(form))
    answers = survey.ask_all(bench, asker, texts, form, partial(_label, labels=labels))
    failed = survey.failures(answers)
    done = [one for one in answers if one.values]
    if not done:
        return Outcome.of([failed], bytes_read=0, is_error=True)
    notes = [f"[{beginnings} {unit} were judged by their beginning, being long.]"] if beginnings else []
    read = 0 if "items" in given else sum(one.bytes_read for one in answers)
    return Outcome.of(
        [_table(done, labels), "\n".join([*notes, *([failed] if failed else [])])], bytes_read=read
    )


def _label(said: Said, _chunk: Chunk, *, labels: Sequence[str]) -> str:
    """The label; also where a server ignored the schema and the model said nothing else."""
    bare = said.text.strip().strip("\"'`*. ")
    try:
        value = json_answers.parsed(said)
    except Unusable:
        value = {"label": bare}
    label = value.get("label") if isinstance(value, dict) else value
    known = {one.casefold(): one for one in labels}
    if isinstance(label, str) and label in labels:
        return label
    if isinstance(label, str) and label.strip().casefold() in known:
        return known[label.strip().casefold()]
    raise Unusable("the model's answer is none of the labels")


def _table(done: "Sequence[OfFile[str]]", labels: Sequence[str]) -> str:
    """One line a label, or one a text where that is shorter."""
    grouped = []
    for label in labels:
        paths = [one.file.path for one in done if one.values[0] == label]
        if paths:
            grouped.append(f"{label} ({len(paths)}): {_by_folder(paths)}")
    single = "\n".join(f"{one.file.path}: {one.values[0]}" for one in done)
    table = "\n".join(grouped)
    return single if len(single) <= len(table) else table


def _by_folder(paths: Sequence[str]) -> str:
    """The paths, those in one folder together behind its name."""
    folders: dict[str, list[str]] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        folders.setdefault(path[: len(path) - len(name)], []).append(name)
    return ", ".join(
        f"{folder}{{{','.join(names)}}}"
        if folder and len(names) > 1
        else ", ".join(folder + one for one in names)
        for folder, names in folders.items()
    )
