"""restore: the way back to any of the last ten states."""

import pytest

THEIRS = b'{ "theme": "dark" }'


@pytest.fixture
def backup(cli, home):
    """The name of the backup that the first install made of the user's settings."""
    home.write(home.settings, THEIRS)
    return cli("--json", "install", "--yes").json["backup"]


def test_the_backups_are_listed_with_what_they_hold(cli, home, backup):
    (found,) = cli("--json", "restore").json["backups"]
    assert found == {"name": backup, "command": "install", "paths": [str(home.settings)]}
    assert "~/.claude/settings.json" in cli("restore").out


def test_a_dry_run_shows_the_difference_and_changes_nothing(cli, home, backup):
    installed = home.settings.read_bytes()
    assert '+{ "theme": "dark" }' in cli("restore", backup, "--dry-run").out
    assert home.settings.read_bytes() == installed


def test_a_file_is_put_back_and_what_it_replaced_is_backed_up(cli, home, backup):
    installed = home.settings.read_bytes()
    second = cli("--json", "restore", backup, "--yes").json["backup"]
    assert home.settings.read_bytes() == THEIRS
    cli("restore", second, "--yes")
    assert home.settings.read_bytes() == installed
    cli("doctor", "--offline", "--strict")


def test_one_file_of_several_can_be_chosen(cli, home):
    home.write(home.settings, THEIRS)
    home.write(home.client, THEIRS)
    backup = cli("--json", "install", "--yes").json["backup"]
    cli("restore", backup, str(home.client), "--yes")
    assert home.client.read_bytes() == THEIRS
    assert home.settings.read_bytes() != THEIRS


def test_a_restored_agent_counts_as_the_users_edit(cli, home):
    cli("install", "--yes")
    agent = home.write(home.agents / "explorer.md", "mine")
    backup = cli("--json", "install", "--yes", "--overwrite").json["backup"]
    cli("restore", backup, "--yes")
    assert agent.read_text() == "mine"
    cli("uninstall", "--yes")
    assert agent.read_text() == "mine"


def test_a_file_that_is_gone_comes_back(cli, home, backup):
    home.settings.unlink()
    cli("restore", backup, "--yes")
    assert home.settings.read_bytes() == THEIRS


def test_restoring_what_is_there_does_nothing(cli, home, backup):
    home.write(home.settings, THEIRS)
    assert "Nothing to do" in cli("restore", backup, "--yes").out


def test_a_damaged_backup_is_not_put_back(cli, home, backup):
    installed = home.settings.read_bytes()
    (stored,) = (home.state / "backups" / backup).glob("*settings.json")
    stored.write_bytes(b"{")
    assert f"{stored}: the backup is damaged" in cli("restore", backup, "--yes", code=1).err
    assert home.settings.read_bytes() == installed


def test_a_backup_or_file_that_does_not_exist_is_a_usage_error(cli, home, backup):
    assert "no backup 'moon'" in cli("restore", "moon", "--yes", code=2).err
    assert "does not hold" in cli("restore", backup, "/etc/passwd", "--yes", code=2).err


def test_without_a_terminal_it_needs_yes(cli, home, backup):
    assert "--yes" in cli("restore", backup, code=2).err
