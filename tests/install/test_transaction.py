"""All or nothing: what a run that fails or is killed in the middle leaves, and what the next one does."""

import errno
import json
import os

import pytest

from supervisor_setup import files
from supervisor_setup.layout import Layout, ScopeName
from supervisor_setup.store import Journal, Store

ORIGINAL = b'{"theme":  "dark"}'


@pytest.fixture
def failing(monkeypatch):
    """Makes the renaming of a new file into a given place fail."""

    def fail(name, *, error=errno.ENOSPC, times=1):
        real = files.replace
        left = [times]

        def replace(snapshot, data, temp, *, new_mode):
            if snapshot.path.name == name and left[0]:
                left[0] -= 1
                raise OSError(error, os.strerror(error), str(snapshot.path))
            return real(snapshot, data, temp, new_mode=new_mode)

        monkeypatch.setattr(files, "replace", replace)

    return fail


@pytest.mark.parametrize("name", ["settings.json", ".claude.json", "SKILL.md"])
def test_a_full_disk_in_the_middle_puts_everything_back(cli, home, failing, name):
    home.write(home.settings, ORIGINAL)
    home.write(home.client, ORIGINAL)
    before = home.files()
    failing(name)
    ran = cli("install", "--yes", code=1)
    assert f"{name}: No space left on device; nothing was changed" in ran.err
    assert home.files() == before
    assert not home.agents.exists()
    cli("install", "--yes")
    cli("uninstall", "--yes")
    assert home.files() == before


def test_a_failed_uninstall_puts_deleted_files_back(cli, home, failing):
    home.write(home.client, ORIGINAL)
    cli("install", "--yes")
    installed = home.files()
    failing(".claude.json")
    cli("uninstall", "--yes", code=1)
    assert home.files() == installed
    cli("doctor", "--offline", "--strict")
    cli("uninstall", "--yes")
    assert home.files() == {".claude.json": ORIGINAL}


def test_a_failed_uninstall_puts_a_deleted_link_back_as_a_link(cli, home, failing):
    cli("install", "--yes")
    agent = home.agents / "explorer.md"
    real = home.write(home.path / "dotfiles" / "explorer.md", agent.read_bytes())
    agent.unlink()
    agent.symlink_to(real)
    failing(".claude.json")
    home.write(home.client, home.client.read_bytes().replace(b"{", b'{"x": 1,', 1))
    cli("uninstall", "--yes", code=1)
    assert agent.is_symlink()
    assert agent.read_bytes() == real.read_bytes()


def test_where_not_everything_can_be_put_back_the_next_run_finishes(cli, home, failing, monkeypatch):
    home.write(home.settings, ORIGINAL)
    failing(".claude.json")
    monkeypatch.setattr("supervisor_setup.apply._put_back", lambda *_: False)
    ran = cli("install", "--yes", code=1)
    assert "not every file could be put back" in ran.err
    assert "backup" in ran.err
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home.path))
    assert "interrupted" in cli("doctor", "--offline", code=2).out
    cli("install", "--yes")
    cli("doctor", "--offline", "--strict")
    cli("uninstall", "--yes")
    assert home.files() == {".claude/settings.json": ORIGINAL}


def test_the_next_run_learns_from_the_journal_what_a_killed_one_had_done(cli, home):
    home.write(home.settings, ORIGINAL)
    cli("install", "--yes")
    layout = Layout.from_environment()
    scope = layout.scope(ScopeName.USER)
    store = Store(layout.state, scope.name, scope.servers)
    # As a kill leaves it: everything written but the manifest, and a temporary file on the way.
    stray = files.temp_path(home.settings, "12345")
    stray.write_bytes(b"half")
    store.open_journal(Journal(store.load(), (stray,)))
    store.manifest_path.unlink()
    (home.agents / "explorer.md").unlink()
    ran = cli("--json", "install", "--yes")
    assert [one["decision"] for one in ran.json["operations"] if one["path"].endswith("explorer.md")] == [
        "create"
    ]
    assert not stray.exists()
    cli("uninstall", "--yes")
    assert home.files() == {".claude/settings.json": ORIGINAL}


def test_an_interrupted_uninstall_is_finished_by_the_next(cli, home):
    cli("install", "--yes")
    layout = Layout.from_environment()
    scope = layout.scope(ScopeName.USER)
    store = Store(layout.state, scope.name, scope.servers)
    manifest = store.load()
    nothing = json.loads(store.manifest_path.read_bytes())
    nothing["records"] = []
    body = {"schema_version": 1, "after": nothing, "temps": []}
    store.journal_path.write_text(json.dumps(body), encoding="utf-8")
    (home.agents / "explorer.md").unlink()
    assert len(manifest.records) == 19
    ran = cli("--json", "uninstall", "--yes")
    assert len(ran.json["operations"]) == 18
    assert home.files() == {}


def test_a_client_that_never_stops_writing_is_given_up_on_and_nothing_is_claimed(cli, home, monkeypatch):
    home.write(home.client, ORIGINAL)
    monkeypatch.setattr("supervisor_setup.apply._VERIFY_DELAYS", (0.0,))
    monkeypatch.setattr("supervisor_setup.apply._ATTEMPTS", 3)
    real = files.replace

    def and_the_client_too(snapshot, data, temp, *, new_mode):
        done = real(snapshot, data, temp, new_mode=new_mode)
        if snapshot.path == home.client:
            home.client.write_bytes(ORIGINAL)
        return done

    monkeypatch.setattr(files, "replace", and_the_client_too)
    ran = cli("install", "--yes", code=1)
    assert "the client keeps writing an older state over ours" in ran.err
    assert home.client.read_bytes() == ORIGINAL
    assert not home.agents.exists()
