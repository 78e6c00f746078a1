"""One label for each text, from the labels that were given and no other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import prompts, scripted, serve

from supervisor_mcp.tools import classify

LABELS = ["bug", "feature request", "question"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Notes to sort and to take data out of."""
    folder = tmp_path / "project"
    (folder / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.md", "in/b.md", "in/c.md", "in/deep/d.md", "e.md"):
        (folder / name).write_text(f"note {name}: it does not work\n")
    return folder


def label_of(text):
    return lambda _asked: json.dumps({"label": text})


def test_each_file_gets_one_label_in_a_table_grouped_by_label_and_folder(project, backend):
    def reply(asked):
        label = "question" if asked.title == "e.md" else "feature request" if "deep" in asked.title else "bug"
        return json.dumps({"label": label})

    scripted(backend, reply)
    text = serve(project, backend, "classify", paths=["."], labels=LABELS).text
    assert text.splitlines()[:3] == [
        "bug (3): in/{a.md,b.md,c.md}",
        "feature request (1): in/deep/d.md",
        "question (1): e.md",
    ]
    assert prompts(backend)[0].schema == {
        "type": "object",
        "properties": {"label": {"enum": LABELS}},
        "required": ["label"],
        "additionalProperties": False,
    }


def test_few_files_are_told_one_by_one_where_that_is_shorter(project, backend):
    scripted(backend, label_of("bug"))
    text = serve(project, backend, "classify", paths=["e.md"], labels=LABELS).text
    assert text.startswith("e.md: bug\n")


def test_texts_are_called_by_their_numbers(project, backend):
    scripted(
        backend, lambda asked: json.dumps({"label": "bug" if "broken" in asked.material else "question"})
    )
    items = ["it is broken", "how do I?", "broken again", "why?", "what?"]
    text = serve(project, backend, "classify", items=items, labels=LABELS, criteria="A bug is a defect.").text
    assert text.startswith("bug (2): 1, 3\nquestion (3): 2, 4, 5\n")
    assert "Criteria: A bug is a defect." in prompts(backend)[0].task
    assert "- feature request" in prompts(backend)[0].task


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ('{"label": "bug"}', "bug"),
        ('{"label": "BUG "}', "bug"),
        ('"bug"', "bug"),
        ("bug", "bug"),
        ("**Bug.**", "bug"),
        ("Feature Request", "feature request"),
        ('```json\n{"label": "question"}\n```', "question"),
    ],
)
def test_a_server_that_ignores_the_schema_may_still_say_a_label(project, backend, said, label):
    scripted(backend, lambda _asked: said)
    assert serve(project, backend, "classify", paths=["e.md"], labels=LABELS).text.startswith(
        f"e.md: {label}\n"
    )


@pytest.mark.parametrize(
    "said",
    ['{"label": "defect"}', "I think it is a bug", '{"label": 5}', '{"lab', "[]", '{"label": ["bug"]}'],
)
def test_what_is_none_of_the_labels_is_a_failure_and_never_a_guess(project, backend, said):
    scripted(backend, lambda asked: said if asked.title == "e.md" else '{"label": "bug"}')
    outcome = serve(project, backend, "classify", paths=["."], labels=LABELS)
    assert not outcome.is_error
    assert "[Failed: e.md: the model's answer is none of the labels.]" in outcome.text
    assert "e.md" not in outcome.text.partition("[Failed")[0]


def test_no_label_at_all_is_an_error(project, backend):
    scripted(backend, lambda _asked: "I do not know")
    outcome = serve(project, backend, "classify", paths=["."], labels=LABELS)
    assert outcome.is_error
    assert outcome.text.startswith("Nothing came of it. Do the task yourself.\n[Failed: e.md: ")


def test_of_a_long_file_the_beginning_decides_and_that_is_said(project, backend):
    (project / "long.md").write_text("BEGINNING\n" + "word\n" * 20_000)
    scripted(backend, label_of("bug"))
    text = serve(project, backend, "classify", paths=["long.md", "e.md"], labels=LABELS).text
    assert "[1 files were judged by their beginning, being long.]" in text
    assert len(prompts(backend)) == 2
    (long,) = [asked for asked in prompts(backend) if asked.title.startswith("long.md")]
    assert long.material.startswith("BEGINNING")


def test_two_hundred_files_fit_into_a_few_lines(project, backend):
    for number in range(200):
        (project / "in" / f"note{number:03}.md").write_text("x" * 2000)
    scripted(backend, label_of("bug"))
    text = serve(project, backend, "classify", paths=["in/*.md"], labels=LABELS).text
    assert len(text) < 3000
    assert "kept out of your context]" in text


names = st.lists(
    st.sampled_from(["a/x", "a/y", "b/c/z", "w", "/r/s", "/t", "a b/c"]), min_size=1, unique=True
)


@given(names)
def test_grouping_by_folder_loses_no_file(paths):
    text = classify._by_folder(paths)
    found = []
    for part in text.split(", "):
        folder, brace, rest = part.partition("{")
        found += [folder + name for name in rest.rstrip("}").split(",")] if brace else [part]
    assert sorted(found) == sorted(paths)
