"""The command line of a script: its exit codes, its usage, and the estimate."""

import subprocess
import sys
from pathlib import Path

import pytest
from local_api import asked
from runs import TRIAGE, Desk

from supervisor_pipelines import cli
from supervisor_pipelines.flow import Flow


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "docs", "--out", "out", "--concurrency", "0"],
        ["run", "docs", "--out", "out", "--budget", "-1"],
        ["run", "docs", "--out", "out", "--budget", "inf"],
        ["run", "docs", "--out", "out", "--budget", "nan"],
        ["run", "docs", "--out", "out", "--budget", "1e30"],
        ["run", "docs", "--out", "out", "--nonsense"],
        ["work"],
        ["dance"],
        ["run", "docs", "--out", "out", "--db", "mysql://host/db"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    desk: Desk, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert cli.run(TRIAGE, arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_help_tells_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(TRIAGE, ["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("run", "status", "work"))


def test_a_password_of_a_database_is_never_repeated(desk: Desk) -> None:
    desk.write(1)
    ran = desk.run("--db", "postgresql://me:secret@127.0.0.1:1/work")
    assert ran.code == 1
    assert "cannot be reached" in ran.err
    assert "secret" not in ran.err + ran.out
    for file in (desk.out / ".pipeline").iterdir():
        assert b"secret" not in file.read_bytes()


def test_a_folder_keeps_to_where_its_state_is(desk: Desk) -> None:
    desk.write(1)
    desk.run()
    ran = desk.run("--db", "postgresql://me@127.0.0.1:1/work")
    assert ran.code == 1
    assert "out: was begun without --db" in ran.err


def test_a_bug_is_one_line_with_a_log_and_the_other_documents_are_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Flow._facts

    def broken(self, task, row, pipeline):
        if row.path.endswith("d001.txt"):
            raise RuntimeError("we are wrong")
        return whole(self, task, row, pipeline)

    monkeypatch.setattr(Flow, "_facts", broken)
    desk.write(3)
    ran = desk.run()
    assert ran.code == 3
    assert "a bug (RuntimeError: we are wrong)" in ran.err
    assert "Traceback" not in ran.err
    assert desk.statuses() == ["done", "failed", "done"]
    log = Path(desk.results()[1]["error"].rpartition("see ")[2])
    assert "RuntimeError: we are wrong" in log.read_text()


def test_a_bug_that_meets_every_document_ends_the_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: object, *_arguments: object) -> None:
        raise RuntimeError("we are wrong about all")

    monkeypatch.setattr(Flow, "_facts", broken)
    desk.write(60)
    assert desk.run("--concurrency", "2").code == 3
    assert 10 <= desk.status()["documents"]["failed"] <= 12


def test_an_error_of_the_engine_itself_ends_the_run_instead_of_hanging(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object, _task: object) -> bool:
        raise RuntimeError("we are very wrong")

    monkeypatch.setattr(Flow, "extract", broken)
    desk.write(3)
    ran = desk.run()
    assert ran.code == 3
    assert "a bug (RuntimeError: we are very wrong)" in ran.err
    monkeypatch.undo()


def test_an_estimate_asks_no_model_and_leaves_nothing_behind(desk: Desk) -> None:
    desk.write(5)
    ran = desk.run("--estimate")
    assert ran.code == 0
    assert "5 different documents" in ran.out
    assert "cost: $" in ran.out
    assert not desk.out.exists()
    assert not asked(desk.local)
    assert not desk.api.billed()


def test_an_estimate_leaves_out_what_is_paid_for_already(desk: Desk) -> None:
    desk.write(4)
    desk.run()
    desk.write(5)
    ran = desk.run("--estimate")
    assert ran.code == 0
    assert "4 of them are settled and cost nothing more" in ran.out
    assert "without --db" not in ran.err
    assert len(desk.api.billed()) == 4


def test_an_estimate_needs_documents(desk: Desk) -> None:
    ran = desk.run("run", "--estimate")
    assert ran.code == 2
    assert "no PATH was given" in ran.err


def test_status_starts_without_the_engine_and_the_sdk() -> None:
    code = "import supervisor_pipelines.cli, supervisor_pipelines.status, sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": _path()}
    )
    assert not {"dbos", "anthropic"} & set(found.stdout.split())


def _path() -> str:
    return ":".join(sys.path)
