"""What must not be guessed at is refused, by name and place, before anything at all has been written."""

import os
from pathlib import Path

import pytest

BROKEN = {
    "truncated": (b'{"a": {', "1:8"),
    "comment": (b'{\n  // mine\n  "a": 1\n}', "2:3"),
    "trailing comma": (b'{"a": 1,}', "1:8"),
    "empty": (b"", "1:1"),
    "blank": (b" \n", "2:1"),
    "invalid utf-8": (b'{"a": "\xff"}', "1:8"),
    "not an object": (b"[]", "1:1"),
    "two documents": (b"{} {}", "1:4"),
    "NaN": (b'{"a": NaN}', "1:7"),
    "utf-16": ('{"a": 1}'.encode("utf-16"), "1:1"),
    "servers are a number": (b'{"mcpServers": 5}', "1:16"),
    "servers are null": (b'{"mcpServers": null}', "1:16"),
    "servers twice": (b'{"mcpServers": {}, "mcpServers": {}}', "1:20"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("file", ["settings", "client"])
def test_a_file_that_is_not_in_order_stops_the_install_by_place(cli, home, kind, file):
    content, place = BROKEN[kind]
    path = home.write(getattr(home, file), content)
    ran = cli("install", "--yes", code=1)
    assert f"{path}:{place}: " in ran.err
    assert "hint: " in ran.err
    assert home.files() == {str(path.relative_to(home.path)): content}
    assert not home.config.exists()


@pytest.mark.parametrize(
    "content", [b'{"permissions": []}', b'{"permissions": {"allow": "x"}}', b'{"permissions": {"allow": {}}}']
)
def test_permissions_of_the_wrong_type_are_refused(cli, home, content):
    home.write(home.settings, content)
    assert f"{home.settings}:1:" in cli("install", "--yes", code=1).err
    assert home.files() == {".claude/settings.json": content}


@pytest.mark.parametrize("file", ["settings", "client"])
def test_a_folder_in_a_files_place_is_refused(cli, home, file):
    getattr(home, file).mkdir(parents=True)
    assert "is a folder" in cli("install", "--yes", code=1).err
    assert home.files() == {}


def test_a_link_to_nothing_is_refused(cli, home):
    home.settings.parent.mkdir()
    home.settings.symlink_to("elsewhere.json")
    assert "which does not exist" in cli("install", "--yes", code=1).err
    assert home.settings.is_symlink()
    assert home.files() == {}


def test_a_link_that_leads_to_itself_is_refused(cli, home):
    home.client.symlink_to(home.client)
    assert f"{home.client}: " in cli("install", "--yes", code=1).err


def test_a_read_only_file_is_refused(cli, home):
    home.write(home.settings, "{}").chmod(0o400)
    assert "is read-only" in cli("install", "--yes", code=1).err
    assert home.files() == {".claude/settings.json": b"{}"}


def test_a_read_only_folder_is_refused(cli, home):
    home.write(home.settings, "{}")
    home.settings.parent.chmod(0o500)
    try:
        assert "cannot be written to" in cli("install", "--yes", code=1).err
        assert home.files() == {".claude/settings.json": b"{}"}
    finally:
        home.settings.parent.chmod(0o700)


def test_a_file_in_a_folders_place_is_refused(cli, home):
    home.write(home.path / ".claude", "a file")
    assert f"{home.path / '.claude'}" in cli("install", "--yes", code=1).err
    assert home.files() == {".claude": b"a file"}


def test_a_pipe_in_a_files_place_does_not_hang(cli, home):
    os.mkfifo(home.client)
    assert "not a regular file" in cli("install", "--yes", code=1).err


def test_a_file_over_every_sane_size_is_refused(cli, home):
    home.settings.parent.mkdir()
    with home.settings.open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    assert "bytes" in cli("install", "--yes", code=1).err


def test_a_relative_home_is_refused(cli, monkeypatch):
    monkeypatch.setenv("HOME", "relative")
    assert "not an absolute path" in cli("install", "--yes", code=1).err
    assert not Path("relative").exists()


def test_a_damaged_manifest_is_named_and_nothing_is_written(cli, home):
    cli("install", "--yes")
    files = home.files()
    (manifest,) = (home.state / "manifests").glob("*.json")
    manifest.write_bytes(b"{}")
    for command in ("install", "uninstall"):
        assert f"{manifest}: " in cli(command, "--yes", code=1).err
    assert home.files() == files


def test_a_manifest_of_a_later_version_is_left_alone(cli, home):
    cli("install", "--yes")
    (manifest,) = (home.state / "manifests").glob("*.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 2'))
    assert "newer supervisor-setup" in cli("uninstall", "--yes", code=1).err
