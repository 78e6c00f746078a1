"""How files are written: links, modes, owners, backups, locks."""

import json
import os
import threading
import time

import pytest

from supervisor_setup import files, locks
from supervisor_setup.errors import TargetError, UserError


def test_a_chain_of_links_is_kept_and_its_end_is_written(cli, home):
    real = home.write(home.path / "dotfiles" / "claude.json", '{"theme": "dark"}')
    real.chmod(0o640)
    middle = home.path / "middle.json"
    middle.symlink_to("dotfiles/claude.json")
    home.client.symlink_to(middle)
    cli("install", "--yes")
    assert home.client.is_symlink()
    assert middle.is_symlink()
    assert "local-models" in home.json(real)["mcpServers"]
    assert real.stat().st_mode & 0o777 == 0o640
    cli("uninstall", "--yes")
    assert real.read_bytes() == b'{"theme": "dark"}'


def test_a_home_that_is_itself_a_link_works(cli, home, monkeypatch, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(home.path)
    monkeypatch.setenv("HOME", str(link))
    cli("install", "--yes")
    assert "local-models" in home.json(home.client)["mcpServers"]
    cli("uninstall", "--yes")
    assert home.files() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_the_owner_of_a_file_is_kept(cli, home):
    os.chown(home.write(home.settings, "{}"), 12345, 12346)
    cli("install", "--yes")
    found = home.settings.stat()
    assert (found.st_uid, found.st_gid) == (12345, 12346)


def test_no_temporary_file_is_left(cli, home):
    home.write(home.settings, "{}")
    cli("install", "--yes")
    assert not [path for path in home.path.rglob("*") if files.TEMP_MARK in path.name]


def test_the_newest_ten_states_of_a_file_are_kept_and_its_first(cli, home):
    home.write(home.client, '{"before": "us"}')
    for number in range(13):
        home.write(home.agents / "explorer.md", f"edit {number}")
        cli("install", "--yes", "--overwrite")
    kept = [path.read_bytes() for path in sorted((home.state / "backups").rglob("*explorer.md"))]
    assert kept == [b"edit 0", *(f"edit {number}".encode() for number in range(3, 13))]
    assert [path.read_bytes() for path in (home.state / "backups").rglob("*.claude.json")] == [
        b'{"before": "us"}'
    ]


def test_backups_are_for_the_user_alone(cli, home):
    home.write(home.client, '{"key": "secret"}')
    cli("install", "--yes")
    for path in (home.state / "backups").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_install_waits_for_the_clients_lock(cli, home):
    lock = locks.client_lock_path(home.client)
    lock.mkdir()
    releaser = threading.Timer(0.5, lock.rmdir)
    releaser.start()
    started = time.monotonic()
    cli("install", "--yes")
    assert time.monotonic() - started > 0.45
    assert not lock.exists()


def test_a_lock_that_its_owner_abandoned_is_taken_over(cli, home):
    lock = locks.client_lock_path(home.client)
    lock.mkdir()
    old = time.time() - locks.STALE_SECONDS - 1
    os.utime(lock, (old, old))
    cli("install", "--yes")
    assert not lock.exists()


def test_a_lock_that_is_renewed_is_respected(tmp_path):
    path = tmp_path / ".claude.json"
    locks.client_lock_path(path).mkdir()
    with pytest.raises(TargetError, match="held its lock"), locks.client_lock(path, patience=0.1):
        pass
    assert locks.client_lock_path(path).exists()


def test_two_runs_exclude_each_other(tmp_path):
    with (
        locks.run_lock(tmp_path),
        pytest.raises(UserError, match="another supervisor-setup"),
        locks.run_lock(tmp_path, patience=0.1),
    ):
        pass


def test_a_client_that_writes_an_older_state_over_ours_does_not_win(cli, home, monkeypatch):
    monkeypatch.setattr("supervisor_setup.apply._VERIFY_DELAYS", (1.0, 0.0))  # time for the other to write
    home.write(home.client, json.dumps({"numStartups": 1}))
    stop = threading.Event()

    def client() -> None:
        """Writes what it read earlier, without a lock, as the client does when it finds the lock held."""
        while not stop.is_set():
            if "mcpServers" in home.json(home.client):
                home.client.write_text(json.dumps({"numStartups": 2}))
                return
            time.sleep(0.001)

    rival = threading.Thread(target=client)
    rival.start()
    try:
        cli("install", "--yes")
    finally:
        stop.set()
        rival.join()
    assert home.json(home.client)["numStartups"] == 2
    assert "local-models" in home.json(home.client)["mcpServers"]


def test_a_file_that_changes_between_reading_and_renaming_is_not_replaced(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(b"{}")
    seen = files.read(path)
    path.write_bytes(b'{"new": 1}')
    assert not files.replace(seen, b"ours", files.temp_path(path, "1"), new_mode=0o600)
    assert path.read_bytes() == b'{"new": 1}'
    assert not list(tmp_path.glob("*.tmp"))
