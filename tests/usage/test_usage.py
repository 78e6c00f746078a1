"""`usage`: what the ledger says, for people and for programs."""

import datetime
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from recorded_calls import DAY, NOON, call, record

from supervisor_mcp import ledger
from supervisor_mcp.database import Database
from supervisor_mcp.ledger import Entry
from supervisor_setup import assets, usage
from supervisor_setup.errors import UsageError


def test_the_json_sums_up_by_day_tool_model_and_outcome(cli, recorded):
    found = cli("--json", "usage").json
    jsonschema.Draft202012Validator(
        json.loads((assets.templates() / "output.schema.json").read_bytes())
    ).validate(found)
    totals = found["totals"]
    assert (totals["calls"], totals["failed"], totals["cancelled"], totals["uncounted"]) == (6, 1, 1, 1)
    assert (totals["prompts"], totals["prompt_tokens"], totals["answer_tokens"]) == (11, 3000, 400)
    assert (totals["seconds"], totals["kept_out_bytes"], totals["cache_hits"]) == (12.0, 5_000_000, 3)
    assert [(row["day"], row["calls"]) for row in found["by_day"]] == [
        ("2026-11-16", 1),
        ("2026-11-23", 2),
        ("2026-11-24", 3),
    ]
    assert {row["tool"]: row["calls"] for row in found["by_tool"]} == {
        "ask_local_llama": 2,
        "classify": 1,
        "list_available_local_models": 1,
        "summarize_files": 2,
    }
    assert [(row["model"], row["backend"], row["calls"]) for row in found["by_model"]] == [
        ("llama3.1:8b", "ollama", 4),
        ("phi", "swap", 1),
    ]
    assert found["outcomes"] == {"ok": 4, "cancelled": 1, "timeout": 1}
    assert found["ledger"] == str(recorded)


@pytest.mark.parametrize(
    ("since", "calls"),
    [("1d", 3), ("2d", 5), ("1w", 5), ("9d", 6), ("2026-11-23", 5), ("2026-11-24", 3), ("2000-01-01", 6)],
)
def test_since_counts_whole_days_today_among_them(cli, recorded, since, calls):
    assert cli("--json", "usage", "--since", since).json["totals"]["calls"] == calls


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_days_are_the_users_own(cli, home, at_noon, in_utc, zone):
    in_utc(zone)
    record(home.state, call(at=NOON))
    day = "2026-11-25" if zone == "Pacific/Kiritimati" else "2026-11-24"
    assert [row["day"] for row in cli("--json", "usage").json["by_day"]] == [day]
    assert cli("--json", "usage", "--since", day).json["totals"]["calls"] == 1


@pytest.mark.parametrize("since", ["yesterday", "7", "0d", "-3d", "7 d", "2026-13-01", "2026-11-25", ""])
def test_a_since_that_means_nothing_or_lies_ahead_exits_with_2_and_an_example(cli, recorded, since):
    assert "--since 7d" in cli("usage", "--since", since, code=2).err


def test_a_number_of_weeks_before_the_calendar_began_is_refused():
    with pytest.raises(UsageError, match="neither"):
        usage.since_date("99999w", datetime.date(1, 1, 1))


def test_the_text_has_the_totals_a_bar_to_each_row_and_says_that_it_estimates(cli, recorded, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = cli("usage").out
    assert "6 calls, 1 failed (timeout 1), 1 cancelled" in out
    assert "3,000 tokens read and 400 written by local models (not told for 1 call)" in out
    assert "5.0 MB kept out of Claude's context, about 1,250,000 tokens" in out
    assert re.search(r"^  2026-11-24 +3 +0 .*█{8,}$", out, re.M)
    assert re.search(r"^  2026-11-23 +2 +1 .*█+░+$", out, re.M)
    assert re.search(r"^  llama3.1:8b on ollama +4 ", out, re.M)
    assert "an estimate" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b[" not in out


def test_colours_are_there_where_they_are_asked_for(cli, recorded):
    assert "\x1b[32m" in cli("--color", "always", "usage").out


def test_a_narrow_terminal_gets_the_numbers_without_bars(cli, recorded, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert "█" not in cli("usage").out


def test_a_terminal_that_knows_no_unicode_gets_plain_bars(recorded, own_home):
    program = "import sys; from supervisor_setup import cli; sys.exit(cli.run(['usage']))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "COLUMNS": "100"}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, env=environment, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "####" in ran.stdout


def test_a_small_share_of_failures_is_seen_and_does_not_hide_the_rest(cli, home, at_noon, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    many = [call(tool="much") for _ in range(200)]
    record(
        home.state,
        *many,
        call(tool="much", outcome="timeout"),
        call(tool="rare"),
        call(tool="rare", outcome="busy"),
    )
    out = cli("usage").out
    assert re.search(r"^  much .*█{5,}░$", out, re.M)
    assert re.search(r"^  rare .* █$", out, re.M)


def test_many_days_are_cut_to_the_newest_with_a_word_about_the_rest(cli, home, at_noon):
    record(home.state, *(call(at=NOON - number * DAY) for number in range(20)))
    out = cli("usage").out
    assert "  2026-11-11 " in out
    assert "  2026-11-10 " not in out
    assert "6 earlier days" in out
    assert len(cli("--json", "usage").json["by_day"]) == 20


def test_an_escape_sequence_in_a_name_does_not_reach_the_terminal_or_the_page(cli, home, at_noon, tmp_path):
    record(home.state, call(model="\x1b[2Jmodel", backend="<script>alert(1)</script>", tool="<b>&"))
    assert "\x1b" not in cli("usage", "--html", "u.html").out
    page = Path("u.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("state", ["none", "no bytes", "no calls", "all before"])
def test_an_empty_ledger_is_no_error(cli, home, at_noon, state):
    if state == "no bytes":
        home.write(home.state / ledger.NAME, b"")
    elif state == "no calls":
        record(home.state, call())
        with closing(sqlite3.connect(home.state / ledger.NAME)) as connection, connection:
            connection.execute("DELETE FROM entries")
    elif state == "all before":
        record(home.state, call(at=NOON - 30 * DAY))
    arguments = ("usage", "--since", "7d", "--html", "u.html")
    assert "No call of a local model is recorded since 2026-11-18" in cli(*arguments).out
    assert "No call of a local model is recorded" in Path("u.html").read_text(encoding="utf-8")
    found = cli("--json", *arguments).json
    assert found["totals"]["calls"] == 0
    assert found["estimate"]["models"][0]["read_once"] == 0


@pytest.mark.parametrize("how", ["garbage", "another database", "a folder", "cut off"])
def test_a_ledger_that_cannot_be_read_is_an_error_with_a_hint(cli, home, at_noon, how):
    path = home.state / ledger.NAME
    if how == "garbage":
        home.write(path, b"no database at all " * 400)
    elif how == "a folder":
        path.mkdir(parents=True)
    elif how == "another database":
        home.state.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 7")
    else:
        record(home.state, *(call(tool=f"tool_{number}") for number in range(2000)))
        path.write_bytes(path.read_bytes()[:20_000])
    err = cli("usage", code=1).err
    assert err.startswith(f"error: {path}: cannot be read as a ledger (")
    assert "hint: mkdir" in err


def test_the_hint_for_a_damaged_ledger_leads_to_a_new_one(cli, home, at_noon):
    path = home.write(home.state / ledger.NAME, b"no database at all " * 400)
    hint = cli("usage", code=1).err.partition("hint: ")[2]
    subprocess.run(["sh", "-c", hint], check=True)
    assert not path.exists()
    record(home.state, call())
    assert cli("--json", "usage").json["totals"]["calls"] == 1


def paid(micros: int | None, **fields: object) -> Entry:
    about = {"tool": "pipeline:triage", "backend": "anthropic", "model": "claude-sonnet-5-5"}
    return call(**{**about, "prompt_tokens": 3000, "answer_tokens": 200, "cost_micros": micros, **fields})


def test_what_pipelines_paid_is_told_apart_from_what_local_models_did(cli, home, at_noon):
    record(home.state, call(), paid(1_234_567), paid(500_000), paid(None), call(backend="anthropic"))
    found = cli("--json", "usage", "--html", "u.html").json
    assert found["totals"]["cost_usd"] == 1.734567
    assert found["paid"] == {
        "calls": 3,
        "prompt_tokens": 9000,
        "answer_tokens": 600,
        "cost_usd": 1.734567,
        "unpriced": 1,
    }
    assert {row["tool"]: row["cost_usd"] for row in found["by_tool"]} == {
        "ask_local_llama": 0,
        "pipeline:triage": 1.734567,
    }
    out = cli("usage").out
    assert "$1.73 paid for 3 calls of Claude by pipelines (the price of 1 is not known): 9,000 tokens" in out
    assert "2,000 tokens read and 200 written by local models" in out
    assert re.search(r"By tool .* paid\n", out)
    page = Path("u.html").read_text(encoding="utf-8")
    assert "<dd>$1.73<small>3 calls, the price of 1 not known</small></dd>" in page
    assert '<th scope="col">Paid</th>' in page
    assert "<dd>2,000<small>" in page


def test_where_nothing_was_paid_nothing_is_said_of_it(cli, recorded):
    out = cli("usage", "--html", "u.html").out
    assert " paid" not in out.replace("Claude would have paid", "").replace("Claude paid for the calls", "")
    assert ">Paid" not in Path("u.html").read_text(encoding="utf-8")


def test_a_ledger_from_before_costs_were_known_is_read_and_then_brought_up_to_date(cli, home, at_noon):
    database = Database(ledger.path(str(home.state)), ledger.MIGRATIONS[:1], busy_seconds=1)

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO kinds VALUES (1, 'ask_local_llama', 'phi', 'swap', 'ok')")
        connection.execute("INSERT INTO entries VALUES (1, ?, 1, 1, 50, 5, 1.5, 0, 0)", (NOON,))

    database.write(fill)
    database.close()
    found = cli("--json", "usage").json
    assert (found["totals"]["calls"], found["totals"]["cost_usd"]) == (1, 0)
    record(home.state, paid(250_000))
    found = cli("--json", "usage").json
    assert (found["totals"]["calls"], found["totals"]["cost_usd"]) == (2, 0.25)
    with closing(sqlite3.connect(home.state / ledger.NAME)) as connection:
        view = connection.execute("SELECT tool, cost_micros FROM calls ORDER BY id").fetchall()
    assert view == [("ask_local_llama", None), ("pipeline:triage", 250_000)]


def test_calls_dated_in_the_future_are_left_out_and_named(cli, home, at_noon):
    record(home.state, call(), call(at=NOON + 2 * DAY), call(at=NOON + 30_000 * DAY))
    found = cli("--json", "usage", "--html", "u.html").json
    assert (found["totals"]["calls"], found["future_calls"]) == (1, 2)
    said = "2 calls dated in the future and left out: was the clock wrong?"
    assert said in cli("usage").out
    assert said in Path("u.html").read_text(encoding="utf-8")


def test_only_calls_from_the_future_are_named_too(cli, home, at_noon):
    record(home.state, call(at=NOON + 2 * DAY))
    out = cli("usage").out
    assert "No call of a local model is recorded" in out
    assert "1 call dated in the future" in out


def test_a_ledger_is_read_while_a_server_writes_it(cli, home, at_noon):
    record(home.state, call())
    database = Database(ledger.path(str(home.state)), ledger.MIGRATIONS, busy_seconds=1)
    found = []

    def look(_: sqlite3.Connection) -> None:
        found.append(cli("--json", "usage").json["totals"]["calls"])

    database.write(look)
    database.close()
    assert found == [1]


def test_a_ledger_in_a_read_only_folder_is_read(cli, home, at_noon, monkeypatch):
    record(home.state, call())
    # As root, under which tests may run, no folder is read-only; so SQLite fails as it does there.
    monkeypatch.setattr(sqlite3, "connect", _without_shared_memory(sqlite3.connect))
    assert cli("--json", "usage").json["totals"]["calls"] == 1


def _without_shared_memory(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    """A `connect` whose connections cannot read a file, unless they are told that it does not change."""

    class Connection(sqlite3.Connection):
        def execute(self, *_: Any) -> Any:
            raise sqlite3.OperationalError("unable to open database file")

    def opened(name: str, **options: Any) -> sqlite3.Connection:
        return (
            connect(name, **options) if "immutable" in name else connect(name, **options, factory=Connection)
        )

    return opened


def test_the_registered_server_records_where_usage_looks(cli, home, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    home.write(home.config, "backends: []\nembedded: {enabled: false}\n")
    cli("install", "--yes")
    entry = home.json(home.client)["mcpServers"]["local-models"]
    start = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    ask = {"name": "ask_local_llama", "arguments": {"prompt": "x"}}
    with subprocess.Popen(
        [entry["command"], *entry["args"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"HOME": str(home.path), "PATH": os.defpath},  # without the variable: the entry names the folder
    ) as server:
        for number, (method, params) in enumerate((("initialize", start), ("tools/call", ask))):
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            server.stdin.write(json.dumps(message) + "\n")
            server.stdin.flush()
            assert json.loads(server.stdout.readline())["id"] == number
        server.stdin.close()
        assert server.wait(timeout=20) == 0
    found = cli("--json", "usage").json
    assert found["outcomes"] == {"no-backend": 1}
    assert found["ledger"] == str(tmp_path / "elsewhere" / "supervisor-setup" / ledger.NAME)


def test_reading_changes_nothing_in_the_ledger(cli, recorded):
    before = recorded.read_bytes()
    cli("usage")
    assert recorded.read_bytes() == before


def test_a_hundred_thousand_calls_are_summed_up_about_as_quickly_as_they_are_read(home, at_noon):
    database = Database(ledger.path(str(home.state)), ledger.MIGRATIONS, busy_seconds=1)

    def fill(connection: sqlite3.Connection) -> None:
        kinds = [
            (f"tool{number % 5}", f"model{number % 3}", "b", "ok" if number % 7 else "busy")
            for number in range(105)
        ]
        connection.executemany("INSERT OR IGNORE INTO kinds VALUES (NULL, ?, ?, ?, ?)", kinds)
        rows = ((NOON - number * 300, number % 30 + 1) for number in range(100_000))
        connection.executemany("INSERT INTO entries VALUES (NULL, ?, ?, 1, 1000, 100, 1.5, 5000, 1, 7)", rows)

    database.write(fill)
    database.close()
    ours, plain = [], []
    for _ in range(3):
        started = time.process_time()
        found = usage.read(home.state / ledger.NAME, None, NOON)
        usage.by(found.groups, lambda group: (group.day,))
        ours.append(time.process_time() - started)
        started = time.process_time()
        with closing(sqlite3.connect(home.state / ledger.NAME)) as connection:
            query = "SELECT * FROM entries JOIN kinds ON kinds.id = entries.kind"
            assert len(connection.execute(query).fetchall()) == 100_000
        plain.append(time.process_time() - started)
    assert usage.total(found.groups).calls == 100_000
    assert min(ours) < 3 * min(plain), (ours, plain)  # as long, but for what measures coverage
