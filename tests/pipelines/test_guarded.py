"""What the skill's script may be told by Claude, whose rule bounds no more than how its command begins."""

import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from supervisor_pipelines import Extract, Pipeline, cli, guarded
from supervisor_pipelines.guarded import Bounds, permitted
from supervisor_setup import config
from supervisor_setup.errors import UsageError


class Facts(BaseModel):
    subject: str


PIPELINE = Pipeline(name="test", extract=Extract(answer=Facts, instructions="Note it."))


@pytest.fixture
def work(tmp_path):
    """The working directory, in which the documents are."""
    folder = tmp_path / "work"
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("a", encoding="utf-8")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "diary.md").write_text("dear diary", encoding="utf-8")
    return folder


@pytest.fixture
def bounds(work):
    return Bounds.of(config.parse(Path("config.yaml"), b"pipeline: {budget_usd: 3}\n"), work)


def run(bounds, *arguments, out="results"):
    return permitted(["run", *arguments, "--out", out], bounds)


def test_an_ordinary_run_is_passed_on_with_absolute_paths_and_the_budget_of_the_config(bounds, work):
    assert run(bounds, "docs") == [
        *("run", "--out", str(work / "results"), "--budget", "3.000000"),
        *("--", str(work / "docs")),
    ]


def test_every_option_that_it_knows_reaches_the_script(bounds):
    options = ("--concurrency", "3", "--estimate", "--local-only", "--batch", "--retry-failed")
    assert run(bounds, *options, "docs")[5:-2] == list(options)


def test_the_unbounded_script_understands_what_is_passed_on(bounds, monkeypatch):
    orders = []
    monkeypatch.setattr(
        "supervisor_pipelines.commands.run", lambda _pipeline, order, _layout: orders.append(order)
    )
    arguments = run(bounds, "--local-only", "--concurrency", "2", "docs", "--budget", "0.25")
    assert cli.run(PIPELINE, arguments) == 0
    (order,) = orders
    assert (order.budget, order.concurrency, order.db) == (250_000, 2, None)
    assert [Path(path).name for path in order.paths] == ["docs"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--db", "postgresql://elsewhere/x"),
        ("--litellm-url", "http://elsewhere"),
        ("--local-model", "other"),
        ("--model", "claude-opus-5-5"),
        ("--model=claude-opus-5-5",),
        ("--d", "postgresql://elsewhere/x"),
    ],
)
def test_other_addresses_models_and_databases_are_not_open_to_it(bounds, arguments):
    with pytest.raises(UsageError, match="is not open to a command that Claude Code runs without asking"):
        run(bounds, "docs", *arguments)


@pytest.mark.parametrize("budget", ["3.01", "1e9", "inf", "nan"])
def test_no_more_may_be_spent_than_the_config_says(bounds, budget):
    with pytest.raises(UsageError, match="more than the 3 USD that config"):
        run(bounds, "docs", "--budget", budget)


@pytest.mark.parametrize(("given", "passed"), [("0", "0.000000"), ("0.5", "0.500000"), ("3", "3.000000")])
def test_less_may_be_spent(bounds, given, passed):
    assert run(bounds, "docs", "--budget", given)[4] == passed


@pytest.mark.parametrize("budgets", [("1", "100"), ("100", "1")])
def test_of_two_budgets_the_one_that_counts_is_checked(bounds, budgets):
    given = [word for budget in budgets for word in ("--budget", budget)]
    if budgets[-1] == "100":
        with pytest.raises(UsageError):
            run(bounds, "docs", *given)
    else:
        assert run(bounds, "docs", *given)[4] == "1.000000"


@pytest.mark.parametrize(
    "path",
    [
        "../private/diary.md",
        "docs/../../private",
        "{private}",
        "/etc/hos*",
        "*/../../private/*.md",
        "../*",
        "/",
        "{work}-else",
        "door",
        "door/diary.md",
        "door/*.md",
        "docs/link.md",
    ],
)
def test_documents_elsewhere_are_refused(bounds, work, path):
    (work / "door").symlink_to(work.parent / "private")
    (work / "docs" / "link.md").symlink_to(work.parent / "private" / "diary.md")
    named = path.format(private=work.parent / "private", work=work)
    with pytest.raises(UsageError, match="lies outside of"):
        run(bounds, "docs", named)


@pytest.mark.parametrize(
    "path", ["docs/a.md", ".", "docs/*.md", "*", "docs/{a,b}.md", "gone.md", "{work}/docs"]
)
def test_documents_inside_are_taken_also_when_they_are_not_there(bounds, work, path):
    named = path.replace("{work}", str(work))
    assert run(bounds, named)[-1] == os.path.normpath(work / named)


def test_the_roots_of_the_config_may_be_read_too(work, own_home):
    (own_home / "notes").mkdir()
    found = config.parse(Path("config.yaml"), b"files: {roots: ['~/notes']}\n")
    bounds = Bounds.of(found, work)
    assert run(bounds, str(own_home / "notes" / "*.md"))
    with pytest.raises(UsageError, match="of `files"):
        run(bounds, str(own_home))


def test_a_name_with_wild_characters_that_exists_is_that_file(bounds, work):
    (work / "a[b]").symlink_to(work.parent / "private")
    with pytest.raises(UsageError, match="lies outside of"):
        run(bounds, "a[b]")


@pytest.mark.parametrize(
    "out", [".", "..", "../elsewhere", "/tmp/elsewhere", ".git/x", "a/.claude", "door/x", "docs", "docs/a.md"]
)
def test_results_go_into_a_folder_of_their_own_below_the_working_directory(bounds, work, out):
    (work / "door").symlink_to(work.parent / "private")
    with pytest.raises(UsageError, match=r"is not a folder below|holds other things"):
        run(bounds, "docs", out=out)
    with pytest.raises(UsageError):
        permitted(["status", "--out", out], bounds)


def test_the_results_of_an_earlier_run_may_be_gone_on_with(bounds, work):
    (work / "results" / ".pipeline").mkdir(parents=True)
    (work / "results" / "report.md").write_text("# Report", encoding="utf-8")
    assert run(bounds, "docs")
    (work / "empty").mkdir()
    assert run(bounds, "docs", out="empty")


@pytest.mark.parametrize("name", ["results.jsonl", "report.md", ".pipeline/state.db"])
def test_a_link_in_the_place_of_a_result_is_refused(bounds, work, name):
    (work / "results" / ".pipeline").mkdir(parents=True)
    (work / "results" / name).symlink_to(work.parent / "private" / "diary.md")
    with pytest.raises(UsageError, match="is a link"):
        run(bounds, "docs")


@pytest.mark.parametrize(
    "arguments", [["run", "--out", "results"], ["run", "docs"], ["status"], ["work"], []]
)
def test_a_run_needs_documents_and_a_place_and_there_is_no_other_command(
    bounds, capsys, monkeypatch, arguments
):
    monkeypatch.setattr(sys, "argv", ["pipeline.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        guarded.main(PIPELINE, config="/nowhere/config.yaml")
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_refusal_is_one_line_and_a_hint_and_nothing_is_run(bounds, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pipeline.py", "run", "docs", "--out", "o", "--model", "x"])
    monkeypatch.setattr(cli, "main", lambda *_a, **_k: pytest.fail("it ran"))
    with pytest.raises(SystemExit) as ended:
        guarded.main(PIPELINE, config="/nowhere/config.yaml")
    assert ended.value.code == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: --model: is not open")
    assert hint.startswith("hint: ")


def test_its_help_names_no_option_that_it_refuses(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pipeline.py", "run", "--help"])
    with pytest.raises(SystemExit) as ended:
        guarded.main(PIPELINE, config="/nowhere/config.yaml")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "--budget" in shown
    assert "--db" not in shown


def refused(monkeypatch, capsys, *arguments):
    """What the whole command says when it comes to nothing."""
    monkeypatch.setattr(sys, "argv", ["pipeline.py", *arguments])
    monkeypatch.setattr(cli, "main", lambda *_a, **_k: pytest.fail("it ran"))
    with pytest.raises(SystemExit) as ended:
        guarded.main(PIPELINE, config="/nowhere/config.yaml")
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_a_working_directory_that_is_gone_is_told(tmp_path, capsys, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = refused(monkeypatch, capsys, "run", "docs", "--out", "o")
    assert said.startswith("error: the working directory: cannot be read (")


def test_a_results_folder_that_cannot_be_looked_into_is_told(work, capsys, monkeypatch):
    def closed(self):
        raise PermissionError(13, "Permission denied", str(self))

    (work / "o").mkdir()
    monkeypatch.setattr(Path, "iterdir", closed)
    said = refused(monkeypatch, capsys, "run", "docs", "--out", "o")
    assert said.startswith(f"error: {work}/o: cannot be read (Permission denied)")


def test_the_hint_for_documents_elsewhere_keeps_the_roots_that_are_there(work, own_home):
    (own_home / "notes").mkdir()
    bounds = Bounds.of(config.parse(Path("config.yaml"), b"files: {roots: ['~/notes']}\n"), work)
    with pytest.raises(UsageError) as refusal:
        run(bounds, str(work.parent / "private"))
    roots = f'["{own_home}/notes", "{work.parent}/private"]'
    assert f"config set files.roots '{roots}'" in refusal.value.hint


def test_a_config_that_is_broken_is_told(home, capsys, monkeypatch):
    home.write(home.config, "pipeline: 5\n")
    monkeypatch.setattr(sys, "argv", ["pipeline.py", "status", "--out", "o"])
    with pytest.raises(SystemExit) as ended:
        guarded.main(PIPELINE, config=str(home.config))
    assert ended.value.code == 1
    assert f"{home.config}:1: `pipeline`" in capsys.readouterr().err


def test_what_is_allowed_reaches_the_script_with_the_config_of_the_install(work, home, monkeypatch):
    calls = []
    monkeypatch.setattr(sys, "argv", ["pipeline.py", "status", "--out", "o", "--json"])
    monkeypatch.setattr(cli, "main", lambda *arguments, **named: calls.append((arguments, named)))
    guarded.main(PIPELINE, config=str(home.config))
    assert calls == [((PIPELINE, ["status", "--out", str(work / "o"), "--json"]), {"config": home.config})]
