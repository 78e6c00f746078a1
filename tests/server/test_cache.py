"""The answers' cache: remembers what was asked, within bounds, and is never the reason for a call to fail."""

import hashlib
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from supervisor_mcp import cache, settings
from supervisor_mcp.cache import AnswerCache
from supervisor_mcp.desk import Desk
from supervisor_mcp.folders import Folders
from supervisor_mcp.settings import SettingsError

ROOM = 1_000_000
HOUR = 3600
PARTS: dict[str, Any] = {
    "text_hash": hashlib.sha256(b"a chunk").hexdigest(),
    "model": "local-llama",
    "backend": "ollama",
    "prompt": "Summarise.",
    "parameters": {"temperature": 0, "max_tokens": 100},
}


LOCKED = b"supervisor-mcp: goes on without %s/answers.db: database is locked\n"


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> bytes:
    return cache.key(**{**PARTS, "text_hash": str(number)})


def sizes(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / cache.NAME)) as connection:
        return [size for (size,) in connection.execute("SELECT size FROM answers")]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(tmp_path, clock):
    """A cache with room for a million bytes."""
    made = AnswerCache(str(tmp_path), ROOM, clock)
    yield made
    made.close()


def test_what_was_remembered_is_recalled_also_by_another_process(tmp_path, answers):
    assert answers.recall(key(1)) is None
    answers.remember(key(1), "Paris, π, \x00 and a new\nline")
    answers.remember(key(2), "")
    other = AnswerCache(str(tmp_path), ROOM)
    assert other.recall(key(1)) == "Paris, π, \x00 and a new\nline"
    assert other.recall(key(2)) == ""
    other.close()


def test_a_newer_answer_takes_the_place_of_the_older(tmp_path, answers):
    answers.remember(key(1), "old")
    answers.remember(key(1), "new")
    assert answers.recall(key(1)) == "new"
    assert len(sizes(tmp_path)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"text_hash": "other"},
        {"model": "local-coder"},
        {"backend": "litellm"},
        {"prompt": "Summarise!"},
        {"parameters": {"temperature": 0.1, "max_tokens": 100}},
        {"parameters": {"temperature": 0, "max_tokens": 100, "schema": {"type": "object"}}},
        {"model": "local-llamaollama", "backend": ""},
    ],
)
def test_the_key_differs_with_everything_that_the_answer_depends_on(change):
    assert cache.key(**{**PARTS, **change}) != cache.key(**PARTS)


def test_the_key_does_not_depend_on_the_order_of_the_parameters():
    swapped = {"max_tokens": 100, "temperature": 0}
    assert cache.key(**{**PARTS, "parameters": swapped}) == cache.key(**PARTS)


def test_the_file_holds_the_answer_and_nothing_of_the_prompt_and_is_the_users_alone(tmp_path, answers):
    secret = cache.key(**{**PARTS, "prompt": "the purple elephant"})
    answers.remember(secret, "an answer")
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"an answer" in everything
    assert b"elephant" not in everything
    for path in tmp_path.glob(f"{cache.NAME}*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_never_holds_more_than_its_room_and_the_answers_used_longest_ago_go_first(
    tmp_path, answers, clock
):
    for number in range(150):
        clock.now += 2 * HOUR
        answers.remember(key(number), "x" * 19_900)
        assert answers.recall(key(0)) is not None, "it is used all the time"
        assert sum(sizes(tmp_path)) <= ROOM
    kept = [number for number in range(150) if answers.recall(key(number)) is not None]
    assert kept[0] == 0
    assert kept[1:] == list(range(kept[1], 150))
    assert len(kept) > 45
    assert (tmp_path / cache.NAME).stat().st_size < 1.5 * ROOM


def test_less_room_after_a_restart_is_kept_to_and_the_file_shrinks(tmp_path, clock):
    large = AnswerCache(str(tmp_path), 10 * ROOM, clock)
    for number in range(500):
        large.remember(key(number), "x" * 9_900)
    large.close()
    small = AnswerCache(str(tmp_path), ROOM, clock)
    small.remember(key(1000), "the first answer of the new process")
    small.close()
    assert sum(sizes(tmp_path)) <= ROOM
    assert (tmp_path / cache.NAME).stat().st_size < 1.5 * ROOM


def test_an_answer_that_would_fill_the_cache_is_not_kept(tmp_path, answers):
    answers.remember(key(1), "kept")
    answers.remember(key(2), "x" * (ROOM // 10))
    assert answers.recall(key(2)) is None
    assert answers.recall(key(1)) == "kept"


def test_a_use_is_noted_once_an_hour_so_that_looking_up_writes_nothing(tmp_path, answers, clock):
    def noted() -> int:
        with closing(sqlite3.connect(tmp_path / cache.NAME)) as connection:
            return int(connection.execute("SELECT used FROM answers").fetchone()[0] - started)

    started = int(clock.now)
    answers.remember(key(1), "x")
    clock.now += HOUR - 1
    answers.recall(key(1))
    assert noted() == 0
    clock.now += 1
    answers.recall(key(1))
    assert noted() == HOUR


FILLER = """
import sys
from supervisor_mcp.cache import AnswerCache
made = AnswerCache(sys.argv[1], 50_000_000)
for number in range(100):
    name = f"{sys.argv[2]}/{number}"
    made.remember(name.encode(), name)
    assert made.recall(name.encode()) in (name, None)
made.close()
"""


def test_several_processes_fill_it_at_once(tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", FILLER, str(tmp_path), str(number)], stderr=subprocess.PIPE)
        for number in range(4)
    ]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) in ((0, b""), (0, LOCKED % bytes(tmp_path)))
    found = AnswerCache(str(tmp_path), ROOM)
    names = [f"{process}/{number}" for process in range(4) for number in range(100)]
    there = sum(found.recall(name.encode()) == name for name in names)
    found.close()
    assert there >= 396, "one that another process held up for long may be missing"


def test_many_threads_share_it(answers):
    wrong: list[object] = []

    def use(thread: int) -> None:
        for number in range(50):
            answers.remember(key(number), f"answer {number}")
            if answers.recall(key(number)) != f"answer {number}":
                wrong.append((thread, number))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_damaged_cache_is_moved_aside_and_a_new_one_begun(tmp_path, answers, capfd):
    answers.remember(key(1), "old")
    answers.close()
    (tmp_path / cache.NAME).write_bytes(b"no database" * 1000)
    assert answers.recall(key(1)) is None
    answers.remember(key(1), "new")
    assert answers.recall(key(1)) == "new"
    assert (tmp_path / f"{cache.NAME}.damaged").read_bytes().startswith(b"no database")
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_where_it_cannot_be_kept_nothing_is_recalled_and_one_line_says_so(tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    made = AnswerCache(str(tmp_path / "file"), ROOM)
    for _ in range(3):
        made.remember(key(1), "x")
        assert made.recall(key(1)) is None
    (line,) = capfd.readouterr().err.splitlines()
    assert "goes on without" in line


def test_a_process_that_writes_for_long_holds_up_a_look_up_not_at_all_and_an_answer_shortly(
    tmp_path, answers
):
    answers.remember(key(1), "x")
    with closing(sqlite3.connect(tmp_path / cache.NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        took = []
        for _ in range(3):  # a busy machine may hold up one of them
            started = time.monotonic()
            assert answers.recall(key(1)) == "x"
            took.append(time.monotonic() - started)
        assert min(took) < 0.1
        started = time.monotonic()
        answers.remember(key(2), "y")
        assert time.monotonic() - started < 2
    answers.remember(key(3), "z")
    assert answers.recall(key(3)) == "z"


def test_the_config_switches_it_off_and_sets_its_room(tmp_path):
    def desk(user: dict[str, Any]) -> Desk:
        made = settings.from_mapping(settings.merge({"backends": [], **user}))
        return Desk(made, Folders(state=str(tmp_path / "state"), cache=str(tmp_path / "cache")))

    assert desk({"cache": {"enabled": False}}).cache is None
    assert isinstance(desk({}).cache, AnswerCache)
    assert desk({"cache": {"max_bytes": 2_000_000}}).cache._max_bytes == 2_000_000


@pytest.mark.parametrize("wrong", [{"max_bytes": 10}, {"enabled": "yes"}, {"size": 1}])
def test_a_wrong_setting_is_refused_by_its_name(wrong):
    with pytest.raises(SettingsError, match="cache"):
        settings.from_mapping(settings.merge({"cache": wrong}))
