"""How far a run is: at a rate that one can imagine, once a minute where there is no terminal."""

import io

import pytest

from supervisor_pipelines import progress
from supervisor_pipelines.progress import Pace
from supervisor_pipelines.tables import State


def counts(**known: int) -> dict[State, int]:
    return {state: known.get(state.value, 0) for state in State}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("per_second", "said"),
    [(12.34, "12.3/s"), (1.0, "1.0/s"), (0.5, "30.0/min"), (0.01, "36.0/h"), (0.0001, "0.4/h"), (0.0, "")],
)
def test_a_rate_is_said_in_the_unit_that_suits_it(per_second: float, said: str) -> None:
    assert progress.per_time(per_second) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (19_200, "5 h 20 min")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert progress.duration(seconds) == said


def test_the_pace_is_that_of_the_last_two_minutes() -> None:
    pace = Pace()
    pace.note(0, now=0.0)
    assert pace.per_second == 0.0
    pace.note(1000, now=100.0)
    assert pace.per_second == 10.0
    pace.note(1060, now=220.0)
    assert pace.per_second == 0.5


def test_without_a_terminal_there_is_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with progress.progress(stream) as shown:
        shown.show(counts())
        for second in range(150):
            clock[0] = 1000.0 + second
            shown.show(counts(done=second, failed=1, queued=199 - second), money="$1.00 spent")
    assert stream.getvalue().splitlines() == [
        "1 of 200 documents, 1 failed, $1.00 spent",
        "61 of 200 documents, 1 failed, 1.0/s, 2 min left, $1.00 spent",
        "121 of 200 documents, 1 failed, 1.0/s, 79 s left, $1.00 spent",
    ]


def test_while_documents_are_being_found_no_end_is_promised() -> None:
    stream = io.StringIO()
    with progress.progress(stream) as shown:
        shown.show(counts(done=1, queued=9), complete=False)
    assert stream.getvalue() == "1 of 10 or more documents\n"


def test_on_a_terminal_there_is_a_bar() -> None:
    stream = Terminal()
    with progress.progress(stream) as shown:
        shown.show(counts(done=3, queued=1), money="$0.10 spent")
        shown.note("1 request in 1 batch at the API")
        shown.say("docs/a.txt: [not markup]")
    assert "docs/a.txt: [not markup]" in stream.getvalue()
    assert "1 request in 1 batch at the API" in stream.getvalue()
