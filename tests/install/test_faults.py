"""A kill or a failing system call at every point of a run that writes: nothing of the user's is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("faults.py")
# Thousands of forked runs, none of which gets to the point of saving what was measured.
_WITHOUT_COVERAGE = {"PATH": os.defpath, "PYTHONPATH": str(SCRIPT.parents[1])}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "fail"])
@pytest.mark.parametrize(
    ("scenario", "least"),
    [("install", 30), ("update", 30), ("uninstall", 30), ("config", 10), ("litellm", 20), ("fix", 20)],
)
def test_a_fault_at_any_point_loses_nothing_and_the_next_run_finishes(
    tmp_path, scenario, least, kind, record_property
):
    ran = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "faults", scenario, kind],
        capture_output=True,
        text=True,
        check=False,
        env=_WITHOUT_COVERAGE,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    record_property("injection points", found["points"])
    assert found["points"] > least
