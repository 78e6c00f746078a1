"""Ours beside the real client writing the same file, and beside ourselves: nobody's entry is lost by us."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from real_parts import CLIENT_VERSIONS

from .desk import Desk, write

pytestmark = pytest.mark.e2e

PROGRAM = Path(sys.executable).with_name("supervisor-setup")
CLIENTS = 20
ROUNDS = 10


def servers(desk: Desk) -> dict[str, object]:
    """What the client's file says; it parses at any instant, or this fails."""
    return dict(json.loads(desk.home.client_json.read_bytes())["mcpServers"])


def add_json(desk: Desk, name: str) -> None:
    """The client's own way to add a server; it exits with 0 whether or not its entry survives."""
    entry = json.dumps({"type": "stdio", "command": "/bin/true", "args": []})
    command = (str(desk.client.binary), "mcp", "add-json", "--scope", "user", name, entry)
    subprocess.run(
        command, env=desk.home.env, cwd=desk.home.project, capture_output=True, timeout=180, check=False
    )


def install(desk: Desk) -> int:
    return desk.command(str(PROGRAM), "install", "--yes", timeout=180).code


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("client", CLIENT_VERSIONS[-1:], indirect=True)
def test_our_entry_and_the_users_survive_twenty_clients_at_once(desk: Desk) -> None:
    write(
        desk.home.client_json,
        {"hasCompletedOnboarding": True, "mcpServers": {"mine": {"command": "/bin/true"}}},
    )
    for number in range(ROUNDS):
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            clients = [pool.submit(add_json, desk, f"r{number}-{one}") for one in range(CLIENTS)]
            ours = pool.submit(install, desk)
            assert ours.result() == 0
            for client in clients:
                client.result()
        found = servers(desk)
        assert "local-models" in found, f"round {number}: our entry is gone"
        assert "mine" in found, f"round {number}: the user's own entry is gone"
        assert desk.command(str(PROGRAM), "uninstall", "--yes").code == 0
        assert "local-models" not in servers(desk)
    assert not desk.home.client_json.with_name(".claude.json.lock").exists()


def test_two_installs_at_once_end_as_one(desk: Desk) -> None:
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda _: install(desk), range(2)))
    # The one that planned before the other was done may say so instead of guessing.
    assert sorted(codes) in ([0, 0], [0, 1])
    assert install(desk) == 0
    assert list(servers(desk)) == ["local-models"]
    assert desk.command(str(PROGRAM), "doctor", "--offline", "--strict").code == 0
