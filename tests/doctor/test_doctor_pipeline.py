"""The check of what pipelines need."""

from bench import Bench
from faults_pipeline import lose_extra


def found(bench: Bench) -> tuple[str, str, str | None]:
    """Status, message and hint of the check, whatever it found."""
    ran = bench.cli("--json", "doctor", "--offline", "--check", "pipeline", code=None)
    (one,) = ran.json["findings"]
    return one["status"], one["message"], one["hint"]


def test_who_never_had_the_extra_is_told_quietly(bench: Bench) -> None:
    lose_extra(bench)
    bench.install()
    status, message, hint = found(bench)
    assert status == "skipped"
    assert message == "the extra `orchestrate` is not installed"
    assert hint is not None
    assert "pip install 'supervisor-setup[orchestrate]" in hint
    assert bench.cli("doctor", "--offline", "--strict").out.count("`orchestrate` is not installed") == 1


def test_who_had_it_and_lost_it_is_warned_and_an_install_settles_it(bench: Bench) -> None:
    bench.install()
    lose_extra(bench)
    status, message, _ = found(bench)
    assert status == "warning"
    assert "(dbos missing), so the skill document-pipeline cannot run" in message
    bench.cli("install", "--yes")
    assert found(bench)[0] == "skipped"


def test_who_switched_the_skill_off_is_not_told(bench: Bench) -> None:
    lose_extra(bench)
    bench.cli("config", "set", "pipeline.skill", "false")
    assert found(bench)[:2] == ("ok", "nothing found")


def test_with_the_extra_all_is_well(bench: Bench) -> None:
    bench.install()
    assert found(bench)[0] == "ok"
