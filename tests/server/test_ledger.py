"""The ledger: every call in it, no contents in it, and never the reason for a call to fail."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_backend import closed_port, hang, litellm, refuse_with
from ledger_rows import entry, rows
from server_process import text_of

from supervisor_mcp import folders
from supervisor_mcp.accounting import Account
from supervisor_mcp.backends import Answer
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.ledger import Ledger

DAY = 86_400
_WITHOUT_COVERAGE = {"PATH": os.defpath}
"""A measured process keeps an SQLite file of its own."""


def test_an_answered_call_is_recorded_with_numbers_and_names_and_no_contents(serve, kept, backend):
    backend.answer = "Paris, whispered the walrus."
    core = serve({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "the purple elephant"}, Call())
    core.close()
    (row,) = rows(Path(kept.state))
    assert (row["tool"], row["model"], row["backend"]) == ("ask_local_llama", "local-llama", "litellm")
    assert (row["outcome"], row["prompts"], row["kept_out_bytes"], row["cache_hits"]) == ("ok", 1, 0, 0)
    assert abs(row["at"] - time.time()) < 60
    assert 0 < row["seconds"] < 60
    everything = b"".join(path.read_bytes() for path in Path(kept.state).iterdir())
    assert b"elephant" not in everything
    assert b"walrus" not in everything


GONE = {"name": "gone", "kind": "openai", "url": f"http://127.0.0.1:{closed_port()}"}


@pytest.mark.parametrize(
    ("backends", "tool", "arguments", "outcome"),
    [
        ([], "ask_local_llama", {"prompt": "x"}, "no-backend"),
        ([GONE], "ask_local_llama", {"wrong": "x"}, "arguments"),
        ([GONE], "ask_local_llama", {"prompt": "x"}, "unreachable"),
        ([GONE], "list_available_local_models", {}, "unreachable"),
    ],
)
def test_a_call_that_fails_is_recorded_with_the_kind_of_its_failure(
    serve, backends, tool, arguments, outcome
):
    core = serve({"backends": backends, "embedded": {"enabled": False}})
    assert core.call(tool, arguments, Call()).is_error
    core.close()
    (row,) = rows(Path(core._folders.state))
    assert (row["tool"], row["outcome"], row["prompts"]) == (tool, outcome, 0)


def test_a_call_that_asks_no_model_is_recorded_too(serve, kept, backend):
    core = serve({"backends": [litellm(backend)]})
    core.call("list_available_local_models", {}, Call())
    core.close()
    (row,) = rows(Path(kept.state))
    assert (row["outcome"], row["model"], row["prompts"]) == ("ok", "", 0)


def test_the_last_backends_failure_and_name_count(serve, kept, backend):
    backend.fault = refuse_with(429, "slow down")
    core = serve({"backends": [litellm(backend)]})
    core.call("ask_local_llama", {"prompt": "x"}, Call())
    core.close()
    (row,) = rows(Path(kept.state))
    assert (row["outcome"], row["backend"], row["model"]) == ("busy", "litellm", "local-llama")


def test_a_cancelled_call_is_recorded_as_such(serve, kept, backend):
    backend.fault = hang
    core = serve({"backends": [litellm(backend)]})
    call = Call()
    ended = []

    def run() -> None:
        with pytest.raises(CallCancelled):
            core.call("ask_local_llama", {"prompt": "x"}, call)
        ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    assert backend.reached.wait(10)
    call.cancel()
    thread.join(10)
    core.close()
    assert ended
    assert [row["outcome"] for row in rows(Path(kept.state))] == ["cancelled"]


def test_a_bug_is_recorded_as_such(serve, kept, backend, monkeypatch):
    core = serve({"backends": [litellm(backend)]})
    monkeypatch.setattr("supervisor_mcp.arguments.message", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        core.call("ask_local_llama", {"prompt": "x"}, Call())
    core.close()
    assert [row["outcome"] for row in rows(Path(kept.state))] == ["bug"]


def test_another_page_of_an_answer_is_no_call_of_its_own(serve, kept, backend):
    backend.answer = "word " * 500
    core = serve({"backends": [litellm(backend)], "tools": {"ask_local_llama": {"max_output_chars": 1000}}})
    first = core.call("ask_local_llama", {"prompt": "x"}, Call()).text
    token = first.rpartition('prompt="')[2].partition('"')[0]
    assert not core.call("ask_local_llama", {"prompt": token}, Call()).is_error
    core.close()
    assert len(rows(Path(kept.state))) == 1


def test_a_core_without_folders_keeps_nothing(make_core, backend, own_home):
    core = make_core({"backends": [litellm(backend)]})
    assert not core.call("ask_local_llama", {"prompt": "x"}, Call()).is_error
    core.close()
    assert list(own_home.iterdir()) == []


def test_an_account_sums_what_its_threads_count():
    account = Account("summarize_files")
    account.kept_out(5000)
    told = Answer(text="", cut_off=False, prompt_tokens=100, answer_tokens=10)
    untold = Answer(text="", cut_off=False)
    for answer in (untold, told, told, untold):
        account.answered(answer, model="m", backend="b")
    account.recalled(model="m", backend="b")
    made = account.entry(shown_bytes=200)
    assert (made.prompts, made.prompt_tokens, made.answer_tokens, made.cache_hits) == (4, 200, 20, 1)
    assert (made.model, made.backend, made.kept_out_bytes) == ("m", "b", 4800)


def test_tokens_that_no_backend_told_stay_unknown():
    account = Account("ask")
    account.answered(Answer(text="", cut_off=False), model="m", backend="b")
    assert (account.entry().prompt_tokens, account.entry().answer_tokens) == (None, None)


def test_a_call_that_failed_has_kept_nothing_out_of_claudes_context():
    account = Account("ask")
    account.kept_out(5000)
    account.failed("timeout")
    assert account.entry(shown_bytes=10).kept_out_bytes == 0


def test_an_answer_longer_than_what_was_read_has_kept_nothing_out():
    account = Account("ask")
    account.kept_out(10)
    assert account.entry(shown_bytes=50).kept_out_bytes == 0


def test_recording_costs_the_call_less_than_a_millisecond(tmp_path):
    book = Ledger(str(tmp_path))
    book.record(entry())
    times = []
    for _ in range(500):
        started = time.perf_counter()
        book.record(Account("ask").entry())
        times.append(time.perf_counter() - started)
        time.sleep(0.0005)
    book.close(10)
    assert sorted(times)[len(times) // 2] < 0.001
    assert len(rows(tmp_path)) == 501


def test_what_is_recorded_after_the_end_is_written_too(tmp_path):
    book = Ledger(str(tmp_path))
    book.close()
    for name in ("one", "two"):
        book.record(entry(tool=name))
        book.close(10)
    assert [row["tool"] for row in rows(tmp_path)] == ["one", "two"]


def test_the_server_records_where_it_is_told_and_writes_nothing_before_the_first_call(
    start_server, backend, tmp_path, own_home
):
    state = tmp_path / "state"
    server = start_server("--state", str(state), backends=[litellm(backend)])
    server.initialize()
    server.ask("tools/list")
    assert not state.exists()
    assert "Paris" in text_of(server.call("ask_local_llama", {"prompt": "x"}))
    assert server.end()[0] == 0
    assert [row["outcome"] for row in rows(state)] == ["ok"]
    assert not (own_home / ".local").exists()


def test_an_entry_of_an_older_install_records_in_the_default_folder(start_server, backend, own_home):
    server = start_server(backends=[litellm(backend)])
    server.initialize()
    server.call("ask_local_llama", {"prompt": "x"})
    server.end()
    assert len(rows(own_home / ".local" / "state" / "supervisor-setup")) == 1


def test_nothing_of_sqlite_is_imported_before_the_first_call():
    program = """
import sys
from supervisor_mcp import folders, server, settings
from supervisor_mcp.core import Core
core = Core(settings.from_mapping(settings.defaults()), folders=folders.find())
core.list_tools()
core.close()
sys.exit(" ".join({"sqlite3", "supervisor_mcp.ledger", "threading"} & set(sys.modules)) or 0)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=_WITHOUT_COVERAGE
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("named", [None, "", "relative", "/elsewhere"])
def test_the_folders_are_those_that_the_installer_means(monkeypatch, platform, named):
    from platformdirs import macos, unix

    monkeypatch.setattr(sys, "platform", platform)
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        if named is not None:
            monkeypatch.setenv(variable, named)
    dirs = {"linux": unix.Unix, "darwin": macos.MacOS}[platform]("supervisor-setup")
    found = folders.find()
    assert (found.state, found.cache) == (dirs.user_state_dir, dirs.user_cache_dir)
