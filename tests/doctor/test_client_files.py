"""Which settings files the client merges in which folder, as the checks have it."""

import os
from dataclasses import replace

import pytest
from bench import Bench

from supervisor_setup.checks import client_files
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout


def world(**changes: object) -> World:
    """What the checks would look at from here."""
    return World(replace(Layout.from_environment(), **changes), dict(os.environ))


def levels(found: World) -> list[tuple[str, str]]:
    """Level and path of every settings file, relative to the tests' folder."""
    root = found.layout.home.parent
    files = client_files.settings_files(found)
    return [(one.level, str(one.path.relative_to(root))) for one in files if one.path.is_relative_to(root)]


def test_settings_are_read_from_the_user_and_the_folder(bench: Bench):
    assert levels(world()) == [
        ("user", "home/.claude/settings.json"),
        ("project", "work/.claude/settings.json"),
        ("local", "work/.claude/settings.local.json"),
    ]


@pytest.mark.parametrize(
    ("version", "shared"), [("2.1.197", []), ("2.1.330", [("local", "work/.claude/settings.local.json")])]
)
def test_below_a_repositorys_root_only_its_local_settings_may_be_read(
    bench: Bench, version: str, shared: list[tuple[str, str]]
):
    bench.client(version)
    below = bench.project / "deep" / "down"
    below.mkdir(parents=True)
    assert levels(world(cwd=below)) == [
        ("user", "home/.claude/settings.json"),
        ("project", "work/deep/down/.claude/settings.json"),
        ("local", "work/deep/down/.claude/settings.local.json"),
        *shared,
    ]


def test_in_the_home_folder_the_users_settings_are_read_once(bench: Bench):
    (bench.home.path / ".git").mkdir()
    assert levels(world(cwd=bench.home.path)) == [
        ("user", "home/.claude/settings.json"),
        ("local", "home/.claude/settings.local.json"),
    ]
    below = bench.home.path / "project"
    assert ("local", "home/.claude/settings.local.json") not in levels(world(cwd=below))


def test_the_projects_settings_are_checked_from_a_folder_below_too(bench: Bench):
    path = bench.write(bench.project / ".claude" / "settings.json", '{"model": 5}')
    below = bench.project / "below"
    below.mkdir()
    bench.monkeypatch.chdir(below)
    assert bench.one("settings.schema", "--offline")["path"] == str(path)
