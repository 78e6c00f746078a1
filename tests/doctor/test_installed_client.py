"""Which client is there, and which version: by files alone, for the ways in which it is installed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup.checks import installed_client
from supervisor_setup.checks.installed_client import Client
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout

PACKAGE = "@anthropic-ai/claude-code"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """The bench with a folder on PATH in which there is no client yet."""
    (bench.bin / "claude").unlink(missing_ok=True)
    return bench


def client(bench: Bench) -> Client:
    """The client that doctor would find; nothing but the bench's own folder is on PATH."""
    environment = {"PATH": str(bench.bin), "HOME": str(bench.home.path)}
    return installed_client.installed(World(Layout.from_environment(), environment))


def program(path: Path, content: str = "#!/bin/sh\necho 'never run' >&2; exit 1\n") -> Path:
    """A program that must not be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)
    return path


def link(bench: Bench, target: Path) -> None:
    (bench.bin / "claude").symlink_to(target)


def by_npm(bench: Bench) -> None:
    package = bench.home.path / "node" / "v20.1.0" / "lib" / "node_modules" / PACKAGE
    bench.write(package / "package.json", {"name": PACKAGE, "version": "2.1.330"})
    link(bench, program(package / "bin" / "claude.exe"))


def by_its_own_installer(bench: Bench) -> None:
    link(bench, program(bench.home.path / ".local/share/claude/versions/2.1.330"))


def by_homebrew(bench: Bench) -> None:
    link(bench, program(bench.home.path / "Caskroom" / "claude-code" / "2.1.330" / "claude"))


def by_the_local_installer(bench: Bench) -> None:
    local = bench.home.path / ".claude" / "local"
    bench.write(local / "package.json", {"name": "claude-local", "version": "0.0.1"})
    bench.write(local / "node_modules" / PACKAGE / "package.json", {"name": PACKAGE, "version": "2.1.330"})
    link(bench, program(local / "claude"))


@pytest.mark.parametrize("install", [by_npm, by_its_own_installer, by_homebrew, by_the_local_installer])
def test_the_version_is_found_without_starting_the_client(bench: Bench, install: Callable[[Bench], None]):
    install(bench)
    found = client(bench)
    assert found.program == bench.bin / "claude"
    assert found.version == "2.1.330"
    assert found.label == "Claude Code 2.1.330"
    assert len(found.facts.rows) == 1


def test_without_a_client_nothing_is_known(bench: Bench):
    found = client(bench)
    assert found == Client(None, None)
    assert found.label == "Claude Code"
    assert len(found.facts.rows) > 1


@pytest.mark.parametrize("place", [".local/bin/claude", ".claude/local/claude"])
def test_a_client_is_found_where_its_installers_put_it_also_off_path(bench: Bench, place: str):
    program(bench.home.path / place)
    assert client(bench) == Client(bench.home.path / place, None)


def test_a_wrapper_of_the_users_own_tells_no_version(bench: Bench):
    program(bench.bin / "claude", "#!/bin/sh\nexec docker run claude\n")
    assert client(bench).version is None


@pytest.mark.parametrize(
    "package",
    [
        "{",
        "[]",
        '{"name": "other", "version": "2.1.330"}',
        f'{{"name": "{PACKAGE}"}}',
        f'{{"name": "{PACKAGE}", "version": 2}}',
        f'{{"name": "{PACKAGE}", "version": "next"}}',
        '{"name": null, "version": "2.1.330"}',
    ],
)
def test_a_strange_package_file_tells_no_version(bench: Bench, package: str):
    bench.write(bench.bin / "package.json", package)
    program(bench.bin / "claude")
    assert client(bench) == Client(bench.bin / "claude", None)


def test_the_outer_package_of_a_project_is_not_taken_for_the_client(bench: Bench):
    bench.write(bench.home.path / "package.json", {"name": "my-app", "version": "2.1.330"})
    link(bench, program(bench.home.path / "tools" / "claude"))
    assert client(bench).version is None


def test_a_program_that_is_not_executable_is_none(bench: Bench):
    program(bench.bin / "claude").chmod(0o644)
    assert os.access(bench.bin / "claude", os.R_OK)
    assert client(bench).program is None
