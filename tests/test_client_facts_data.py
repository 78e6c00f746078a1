"""What is known of a version of the client: of a measured one all, between two what both share, and dates."""

import pytest

from supervisor_setup import client_facts
from supervisor_setup.client_facts import known, measured, parts

OLDEST, *_, NEWEST = measured()


@pytest.mark.parametrize("version", measured())
def test_all_is_known_of_a_measured_version(version: str):
    assert known(version).rows == (measured()[version],)


@pytest.mark.parametrize(("version", "like"), [("2.9.0", NEWEST), ("3.0.0", NEWEST), ("1.0.12", OLDEST)])
def test_a_version_beyond_the_measured_ones_is_taken_for_the_nearest(version: str, like: str):
    assert known(version).rows == (measured()[like],)


@pytest.mark.parametrize("version", [None, "", "latest", "2.1"])
def test_of_an_unknown_version_anything_that_was_measured_may_hold(version: str | None):
    assert known(version).rows == tuple(measured().values())
    assert known(version).agree("text_limit") is None
    assert known(version).agree("main_alias") == "opus"


def test_between_two_versions_only_what_both_share_is_known():
    between = known("2.1.300")
    assert len(between.rows) == 2
    assert between.agree("text_limit") is None
    assert between.agree("models") is None
    assert between.agree("main_alias") == "opus"
    assert between.possible("text_limit", 2048)
    assert between.possible("text_limit", 4096)
    assert not between.possible("text_limit", 1024)


@pytest.mark.parametrize(
    ("fact", "since", "before", "after"),
    [
        ("subagent_variable_overrides_agents", 251, True, False),
        ("subagent_model_can_be_forced", 257, False, True),
        ("forbidden_model_steps_down", 222, False, True),
    ],
)
def test_between_two_versions_a_dated_fact_is_known(fact: str, since: int, before: bool, after: bool):
    assert known(f"2.1.{since - 1}").agree(fact) is before
    assert known(f"2.1.{since}").agree(fact) is after


def test_every_date_leads_from_the_oldest_versions_value_to_the_newest_ones():
    for fact, changes in client_facts._data()["since"].items():
        dates = [parts(version) for version in changes]
        assert dates == sorted(dates, key=lambda one: one or ())
        assert getattr(measured()[OLDEST], fact) != next(iter(changes.values()))
        assert getattr(measured()[NEWEST], fact) == list(changes.values())[-1]
        assert parts(OLDEST) < dates[0]
        assert dates[-1] <= parts(NEWEST)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.1.330", (2, 1, 330)), ("2.1.330 (Claude Code)", (2, 1, 330)), ("v2.1.330", None), ("2.1", None)],
)
def test_a_version_is_three_numbers(version: str, numbers: tuple[int, ...] | None):
    assert parts(version) == numbers
