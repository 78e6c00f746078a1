"""What killed programs leave beside the client's files: found when old, never while it may be in use."""

import os
import time

import pytest
from bench import Bench
from faults_settings import DEAD, LONG_AGO, abandoned_lock, aged, clients_temp, our_temp

from supervisor_setup import files, locks
from supervisor_setup.checks import leavings
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout

OFFLINE = "--offline"


def world() -> World:
    """What the checks would look at from here."""
    return World(Layout.from_environment(), dict(os.environ))


def test_an_abandoned_lock_is_worth_knowing_and_mended(bench: Bench):
    lock = abandoned_lock(bench)
    found = bench.one("settings.stale-lock", OFFLINE)
    assert (found["status"], found["path"], found["fixable"]) == ("info", str(lock), True)
    assert leavings.stale_locks(world()) == [lock]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_lock_that_the_client_cannot_take_away_is_a_warning(bench: Bench, kind: str):
    lock = locks.client_lock_path(bench.home.client)
    if kind == "folder":
        abandoned_lock(bench, holds="x")
    elif kind == "file":
        aged(bench.write(lock, ""))
    else:
        lock.symlink_to(bench.project)
        os.utime(lock, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    found = bench.one("settings.stale-lock", OFFLINE)
    assert (found["status"], found["fixable"]) == ("warning", False)
    assert found["hint"].endswith(f"rm -r {lock}" if kind == "folder" else f"rm {lock}")
    assert leavings.stale_locks(world()) == []


def test_a_lock_with_a_time_in_the_future_is_a_warning(bench: Bench):
    lock = locks.client_lock_path(bench.home.client)
    lock.mkdir()
    aged(lock, time.time() + 86_400)
    found = bench.one("settings.stale-lock", OFFLINE)
    assert (found["status"], found["hint"]) == ("warning", f"close the client, then: rmdir {lock}")


def test_a_lock_that_may_be_held_is_no_finding(bench: Bench):
    locks.client_lock_path(bench.home.client).mkdir()
    assert bench.findings("settings.stale-lock", OFFLINE) == []


def test_both_kinds_of_stray_files_are_found_and_told_apart(bench: Bench):
    ours, clients = our_temp(bench), clients_temp(bench)
    found = {one["path"]: one for one in bench.findings("settings.stray-temp", OFFLINE)}
    assert set(found) == {str(ours), str(clients)}
    assert "killed supervisor-setup" in found[str(ours)]["message"]
    assert "killed client" in found[str(clients)]["message"]
    assert all(one["fixable"] and one["status"] == "warning" for one in found.values())
    assert {(one.path, one.ours) for one in leavings.strays(world())} == {(ours, True), (clients, False)}
    assert set(leavings.stray_temps(world())) == {ours, clients}


@pytest.mark.parametrize(
    "name",
    [
        ".claude/settings.json.tmp.{}.0123456789ab",
        ".claude/.credentials.json.tmp.{}.0123456789ab",
        "../work/.mcp.json.tmp.{}.0123456789ab",
        "../work/.claude/settings.local.json.tmp.{}.0123456789ab",
    ],
)
def test_every_file_that_the_client_rewrites_is_watched(bench: Bench, name: str):
    aged(bench.write((bench.home.path / name.format(DEAD)).resolve(), "x"))
    assert len(bench.findings("settings.stray-temp", OFFLINE)) == 1


def test_a_stray_file_at_the_end_of_a_link_is_found(bench: Bench):
    real = bench.write(bench.home.path / "dotfiles" / "claude.json", "{}")
    bench.home.client.symlink_to(real)
    left = aged(bench.write(real.with_name(f"claude.json.tmp.{DEAD}.0123456789ab"), "x"))
    assert bench.one("settings.stray-temp", OFFLINE)["path"] == str(left)


@pytest.mark.parametrize("place", ["agents/explorer.md", "agents/nested/mine.md"])
def test_a_stray_file_beside_an_installed_one_is_found(bench: Bench, place: str):
    bench.install()
    target = bench.home.path / ".claude" / place
    aged(bench.write(files.temp_path(target, "7"), "x"))
    expected = 1 if target.exists() else 0
    assert len(bench.findings("settings.stray-temp", OFFLINE)) == expected


@pytest.mark.parametrize(
    "name",
    [
        f"other.json.tmp.{DEAD}.0123456789ab",
        f".claude.json.tmp.{DEAD}.0123456789",
        ".claude.json.tmp",
        ".claude.json.backup.1234567890123",
        f".claude.json.tmp.{DEAD}.0123456789AB",
        "notes.tmp",
    ],
)
def test_a_file_of_somebody_elses_is_left_alone(bench: Bench, name: str):
    aged(bench.write(bench.home.path / name, "x"))
    assert bench.findings("settings.stray-temp", OFFLINE) == []


def test_a_file_that_may_be_in_use_is_no_finding(bench: Bench):
    bench.write(files.temp_path(bench.home.settings, "1"), "just now")
    bench.write(bench.home.path / f".claude.json.tmp.{DEAD}.0123456789ab", "just now")
    alive = bench.write(bench.home.path / f".claude.json.tmp.{os.getpid()}.0123456789ab", "x")
    aged(alive, time.time() - 3_600)
    assert bench.findings("settings.stray-temp", OFFLINE) == []
    aged(alive)
    assert bench.one("settings.stray-temp", OFFLINE)["path"] == str(alive)


def test_a_folder_or_a_link_of_such_a_name_is_left_alone(bench: Bench):
    name = bench.home.path / f".claude.json.tmp.{DEAD}.0123456789ab"
    name.mkdir()
    aged(name)
    link = name.with_name(name.name.replace("0123", "4567"))
    link.symlink_to(bench.project)
    os.utime(link, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    assert bench.findings("settings.stray-temp", OFFLINE) == []


def test_what_an_interrupted_run_will_take_away_is_left_to_it(bench: Bench):
    bench.install()
    left = our_temp(bench)
    (manifest,) = (bench.home.state / "manifests").iterdir()
    body = {"schema_version": 1, "after": bench.home.json(manifest), "temps": [str(left)]}
    bench.write(manifest.with_suffix(".journal"), body)
    assert bench.findings("settings.stray-temp", OFFLINE) == []
    assert bench.findings("drift.manifest", OFFLINE) != []


def test_a_folder_that_cannot_be_read_breaks_nothing(bench: Bench):
    bench.home.settings.parent.mkdir()
    bench.home.agents.touch()
    assert bench.findings("settings", OFFLINE) == []
