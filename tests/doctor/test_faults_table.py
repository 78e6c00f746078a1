"""For each check a planted fault that it finds, and a healthy machine on which none finds anything."""

import importlib
from pathlib import Path

import pytest
from bench import Bench, Fault

from supervisor_setup.checks import registry
from supervisor_setup.checks.check import Reach

_MODULES = sorted(path.stem for path in Path(__file__).parent.glob("faults_*.py"))
_TABLE = [
    (check, fault)
    for module in _MODULES
    for check, faults in importlib.import_module(module).FAULTS.items()
    for fault in (faults if isinstance(faults, tuple) else (faults,))
]


def test_every_check_has_a_planted_fault():
    assert {check for check, _ in _TABLE} == {check.id for check in registry.CHECKS}


@pytest.mark.parametrize(("check", "fault"), _TABLE, ids=[check for check, _ in _TABLE])
def test_a_planted_fault_is_found(bench: Bench, check: str, fault: Fault):
    bench.install()
    fault.plant(bench)
    found = bench.findings(check, *fault.options)
    assert {one["id"] for one in found} == {check}
    assert fault.status in {one["status"] for one in found}
    assert all(one["hint"] for one in found), found


@pytest.mark.parametrize("options", [("--offline",), ()], ids=["offline", "default"])
def test_a_healthy_machine_has_no_findings(bench: Bench, options: tuple[str, ...]):
    bench.install()
    ran = bench.cli("--json", "doctor", "--strict", *options)
    left = [one for one in ran.json["findings"] if one["status"] not in ("ok", "skipped")]
    assert left == []


def test_every_check_explains_itself():
    for check in registry.CHECKS:
        explanation = check.explanation
        assert explanation.catches.endswith("."), check.id
        assert explanation.why, check.id
        assert explanation.mend, check.id
        assert check.reach in Reach
