"""Faults in what pipelines need."""

from bench import Bench, Fault, Faults

from supervisor_setup import pipeline_skill
from supervisor_setup.findings import Status


def lose_extra(bench: Bench) -> None:
    """An upgrade that left the extra out."""
    bench.monkeypatch.setattr(pipeline_skill, "find_spec", lambda name: None if name == "dbos" else object())


FAULTS: Faults = {"pipeline.extra": Fault(lose_extra, Status.WARNING)}
