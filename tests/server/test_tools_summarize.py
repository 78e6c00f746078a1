"""Summaries of files: a line for each and one text for all."""

import re
from pathlib import Path

import pytest
from fake_backend import refuse_with
from scripted_model import core_in, entry, prompts, scripted, serve, too_long

from supervisor_mcp.calls import Call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Code in a few files."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "login.py").write_text("import os\n\ndef login(user):\n    return True\n")
    (folder / "src" / "mail.py").write_text("def send(to):\n    pass\n")
    (folder / "README.md").write_text("A program.\n")
    return folder


def about(asked):
    return f"About {asked.title.rpartition('/')[2]}."


def test_many_files_get_a_line_each_and_one_text_for_all(project, backend):
    scripted(
        backend, lambda asked: "All of it is\na program." if "README.md: " in asked.material else about(asked)
    )
    text = serve(project, backend, "summarize_files", paths=["."]).text
    assert text.split("\n\n")[:2] == [
        "All of it is\na program.",
        "README.md: About README.md.\nsrc/login.py: About login.py.\nsrc/mail.py: About mail.py.",
    ]
    assert len(prompts(backend)) == 4


def test_the_notes_that_are_put_together_are_fenced_like_files(project, backend):
    scripted(backend, about)
    serve(project, backend, "summarize_files", paths=["."])
    last = prompts(backend)[-1]
    assert last.material.startswith("README.md: About README.md.\nsrc/login.py")


def test_a_single_file_is_summarised_at_the_length_that_was_asked_for(project, backend):
    scripted(backend, lambda _asked: "It logs\nin.")
    text = serve(
        project, backend, "summarize_files", paths=["src/login.py"], words=77, focus="the login"
    ).text
    assert text.startswith("It logs\nin.\n\n[local-llama on llama")
    (asked,) = prompts(backend)
    assert "at most 77 words" in asked.task
    assert "the login" in asked.task
    assert asked.body["max_tokens"] == 174


def test_a_single_long_file_is_read_in_parts_that_are_put_together(project, backend):
    (project / "long.txt").write_text("words of a long text\n" * 3000)
    scripted(backend, lambda asked: "The whole." if asked.material.startswith("Part") else "Part.")
    text = serve(project, backend, "summarize_files", paths=["long.txt"]).text
    assert text.startswith("The whole.\n")
    assert len(prompts(backend)) > 3


def test_a_long_file_among_others_still_has_one_line(project, backend):
    (project / "long.txt").write_text("words of a long text\n" * 3000)

    def reply(asked):
        if "long.txt: " in asked.material:
            return "The whole."
        return (
            "Joined."
            if asked.material.startswith("Part")
            else "Part."
            if "long" in asked.title
            else about(asked)
        )

    scripted(backend, reply)
    lines = serve(project, backend, "summarize_files", paths=["."]).text.splitlines()
    assert "long.txt: Joined." in lines


def test_more_notes_than_one_prompt_holds_are_put_together_in_rounds(project, backend):
    for number in range(400):
        (project / f"a_file_with_a_long_name_{number:04}.txt").write_text("x")
    backend.extra = {
        "/v1/models": {"data": [{"id": "local-llama", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]}
    }
    scripted(
        backend,
        lambda asked: "A whole." if "words." in asked.task and "sentence" not in asked.task else about(asked),
    )
    text = serve(project, backend, "summarize_files", paths=["*.txt"]).text
    assert text.startswith("A whole.\n\na_file_with")
    assert len(prompts(backend)) > 405


def test_notes_that_grow_instead_of_shrinking_come_to_an_end(project, backend):
    backend.extra = {
        "/v1/models": {"data": [{"id": "local-llama", "owned_by": "llamacpp", "meta": {"n_ctx": 256}}]}
    }
    for number in range(8):
        (project / f"{number}.txt").write_text("x")
    scripted(
        backend,
        lambda asked: (
            "many words " * 100 if ".txt: " in asked.material or "many" in asked.material else "x" * 130
        ),
    )
    outcome = serve(project, backend, "summarize_files", paths=["*.txt"])
    assert not outcome.is_error
    assert len(prompts(backend)) < 200


def test_a_summary_that_cannot_be_put_together_leaves_the_lines(project, backend):
    scripted(
        backend, lambda asked: refuse_with(400, "broken") if "README.md: " in asked.material else about(asked)
    )
    text = serve(project, backend, "summarize_files", paths=["."]).text
    assert text.startswith(
        "[There is no summary of the whole: llama failed with HTTP 400: broken.]\n\nREADME.md: About"
    )
    (project / "long.txt").write_text("words of a long text\n" * 3000)
    scripted(
        backend, lambda asked: refuse_with(400, "broken") if asked.material.startswith("Part") else "Part."
    )
    assert serve(project, backend, "summarize_files", paths=["long.txt"]).text.startswith("Part.\nPart.")
    assert "long.txt: Part." in serve(project, backend, "summarize_files", paths=["."]).text


def test_long_and_wild_answers_are_cut_and_cleaned(project, backend):
    scripted(
        backend, lambda _asked: ("\x1b[31mred\u202e\n" + ", ".join(f"word{n}" for n in range(500)), "length")
    )
    text = serve(project, backend, "summarize_files", paths=["."]).text
    line = next(line for line in text.splitlines() if line.startswith("src/login.py: "))
    assert line.startswith("src/login.py: red word0")
    assert line.endswith("…")
    assert len(line) < 320
    assert "\x1b" not in text


def test_a_line_and_a_text_are_as_long_as_their_words_and_no_longer(project, backend):
    scripted(backend, lambda _asked: " ".join(map(str, range(10_000, 11_000))))
    text, lines, _ = serve(project, backend, "summarize_files", paths=["."], words=50).text.split("\n\n")
    assert [len(line.partition(": ")[2]) for line in lines.splitlines()] == [18 * 8] * 3
    assert len(text) == 50 * 8


def test_a_file_that_no_context_holds_fails_and_the_others_do_not(project, backend):
    scripted(backend, lambda asked: too_long if asked.title == "README.md" else about(asked))
    outcome = serve(project, backend, "summarize_files", paths=["."])
    assert not outcome.is_error
    assert "[Failed: README.md: llama the prompt exceeds" in outcome.text


@pytest.mark.parametrize("paths", [["."], ["README.md"]])
def test_answers_without_a_single_letter_are_failures(project, backend, paths):
    scripted(backend, lambda _asked: "\u202e\u2066")
    outcome = serve(project, backend, "summarize_files", paths=paths)
    assert outcome.is_error
    assert "[Failed: README.md: the model's answer is empty.]" in outcome.text


def test_pages_of_a_long_answer_are_got_with_lists_of_the_token(project, backend):
    for number in range(200):
        (project / f"a_rather_long_name_of_a_file_{number:03}.txt").write_text("x\n")
    scripted(backend, lambda asked: "One line about it." if "sentence" in asked.task else "All.")
    core = core_in(project, entry(backend), tools={"summarize_files": {"max_output_chars": 2000}})
    text = core.call("summarize_files", {"paths": ["*.txt"]}, Call()).text
    token = text.rpartition('paths=["')[2].partition('"')[0]
    assert f'For them call summarize_files(paths=["{token}"]).]' in text
    names = set(re.findall(r"name_of_a_file_(\d+)", text))
    while "characters follow" in text:
        token = text.rpartition('paths=["')[2].partition('"')[0]
        text = core.call("summarize_files", {"paths": [token]}, Call()).text
        names |= set(re.findall(r"name_of_a_file_(\d+)", text))
    assert len(names) == 200
    assert text.endswith("kept out of your context]") or "local-llama on llama" in text
