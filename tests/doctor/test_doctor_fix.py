"""`doctor --fix`: the plan first, then only what is ours or plainly safe, and the checks again."""

import os
import time
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup import locks

LONG_AGO = time.time() - 100_000


def stray(bench: Bench, name: str = ".claude.json.tmp.999999.0123456789ab") -> Path:
    """A temporary file that a killed client left beside its state file."""
    path = bench.write(bench.home.path / name, '{"half": ')
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def stale_lock(bench: Bench) -> object:
    """A lock that a killed client left."""
    lock = locks.client_lock_path(bench.home.client)
    lock.mkdir()
    os.utime(lock, (LONG_AGO, LONG_AGO))
    return lock


def test_leavings_go_after_a_backup_and_are_told(bench: Bench):
    bench.install()
    left, lock = stray(bench), stale_lock(bench)
    ran = bench.cli("--json", "doctor", "--offline", "--fix", "--yes")
    assert not left.exists()
    assert not lock.exists()
    assert {(one["kind"], one["path"]) for one in ran.json["mended"]} == {
        ("file", str(left)),
        ("lock", str(lock)),
    }
    (copy,) = (bench.home.state / "backups").rglob("*.tmp.999999.*")
    assert copy.read_bytes() == b'{"half": '


def test_what_was_mended_is_no_finding_any_more(bench: Bench):
    bench.install()
    stray(bench)
    stale_lock(bench)
    assert {one["id"] for one in bench.findings("settings", "--offline")} == {
        "settings.stray-temp",
        "settings.stale-lock",
    }
    bench.cli("doctor", "--offline", "--fix", "--yes", "--strict", "--check", "settings", code=0)


def test_a_lock_that_is_held_stays(bench: Bench):
    bench.install()
    lock = locks.client_lock_path(bench.home.client)
    lock.mkdir()
    bench.cli("doctor", "--offline", "--fix", "--yes")
    assert lock.is_dir()


def test_a_healthy_home_is_left_alone_to_the_byte(bench: Bench):
    bench.install()
    before = bench.home.files()
    state = sorted(bench.home.state.rglob("*"))
    ran = bench.cli("--json", "doctor", "--offline", "--fix", "--yes")
    assert ran.json["mended"] == []
    assert bench.home.files() == before
    assert sorted(bench.home.state.rglob("*")) == state


def test_leavings_go_also_where_nothing_was_installed(bench: Bench):
    left = stray(bench)
    bench.cli("doctor", "--offline", "--fix", "--yes")
    assert not left.exists()
    assert bench.home.files() == {}


@pytest.mark.parametrize("protected", ["read-only", "hard-linked"])
def test_a_stray_file_that_cannot_go_keeps_nothing_else_from_being_mended(bench: Bench, protected: str):
    bench.install()
    left, other = stray(bench), stray(bench, ".claude.json.tmp.999999.ba9876543210")
    if protected == "read-only":
        left.chmod(0o400)
    else:
        (bench.home.path / "another-name").hardlink_to(left)
    bench.cli("doctor", "--offline", "--fix", "--yes", code=0)
    assert left.exists()
    assert not other.exists()


def test_a_stray_file_comes_back_with_restore(bench: Bench):
    bench.install()
    left = stray(bench)
    bench.cli("doctor", "--offline", "--fix", "--yes")
    newest = bench.cli("--json", "restore").json["backups"][0]
    assert newest["command"] == "doctor"
    bench.cli("restore", newest["name"], "--yes")
    assert left.read_bytes() == b'{"half": '


def test_without_a_terminal_and_without_yes_nothing_is_mended(bench: Bench):
    left = stray(bench)
    assert "--yes" in bench.cli("doctor", "--fix", code=2).err
    assert left.exists()


def test_leavings_go_also_where_a_broken_file_stands_in_the_way_of_an_install(bench: Bench):
    bench.install()
    left, lock = stray(bench), stale_lock(bench)
    bench.write(bench.home.settings, "{,}")
    ran = bench.cli("--json", "doctor", "--offline", "--fix", "--yes", code=2)
    assert not left.exists()
    assert not lock.exists()
    assert {one["id"] for one in ran.json["findings"] if one["status"] == "error"} == {"settings.parse"}
    assert bench.home.settings.read_text() == "{,}"
    assert "settings.json" in bench.cli("doctor", "--offline", "--fix", "--yes", code=1).err
