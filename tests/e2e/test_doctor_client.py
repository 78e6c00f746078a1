"""The deep checks with the real client: it is asked, and nothing of the user's changes."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import tiny_mcp_server as tiny
from .claude import Claude
from .desk import Desk, desk_at, write
from .facts import agent_file

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
CLIENT = ("--deep", "--check", "client")
HELPERS = ("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh", "otelHeadersHelper")


def doctor(desk: Desk, *options: str) -> list[dict[str, Any]]:
    """What doctor finds in the desk's home; what it starts would meet the stand-in, as its HTTPS proxy."""
    desk.home.env.update(HTTPS_PROXY=desk.api.url, NO_PROXY="127.0.0.1,localhost")
    ran = desk.command(PROGRAM, "--json", "doctor", *options)
    assert ran.code in (0, 2), ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return [one for one in found if one["status"] != "ok"]


@pytest.fixture(scope="module")
def installed(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home into which the product was installed, in which the client has been started before."""
    with desk_at(client, tmp_path_factory.mktemp("installed")) as desk:
        assert desk.command(PROGRAM, "install", "--yes").code == 0
        desk.mcp_list()
        yield desk


def test_a_healthy_installation_has_no_finding(installed: Desk) -> None:
    assert doctor(installed, *CLIENT) == []
    assert installed.api.requests == []


def test_asking_for_agents_leaves_no_trace(installed: Desk) -> None:
    before = everything(installed.home.root)
    assert doctor(installed, "--deep", "--check", "client.sees-agents") == []
    changed = {name for name, data in everything(installed.home.root).items() if before.get(name) != data}
    assert {name for name in changed if not name.startswith("home/.local/state/supervisor-setup")} == set()


def test_the_version_is_read_off_the_files(installed: Desk) -> None:
    write(installed.home.home / ".local" / "marker", "")
    assert doctor(installed, "--offline", "--check", "client") == [
        one for one in doctor(installed, "--offline", "--check", "client") if one["status"] == "skipped"
    ]


def test_a_project_that_nobody_trusts_runs_nothing(desk: Desk) -> None:
    hook = {"type": "command", "command": f"touch {desk.home.root / 'hook-ran'}"}
    write(
        desk.home.project / ".claude" / "settings.json",
        {
            "hooks": {"SessionStart": [{"hooks": [hook]}]},
            "enableAllProjectMcpServers": True,
            # Print mode runs these, trusted or not.
            "env": {"CLAUDE_CODE_USE_BEDROCK": "1"},
            **{name: f"touch {desk.home.root / name}-ran" for name in HELPERS},
        },
    )
    code = f"open({str(desk.home.root / 'server-ran')!r}, 'w')"
    theirs = {"command": sys.executable, "args": ["-c", code]}
    write(desk.home.project / ".mcp.json", {"mcpServers": {"theirs": theirs}})
    write(desk.home.client_json, {"mcpServers": {}})
    write(desk.home.agents / "helper.md", agent_file("name: helper", "description: x"))
    write(desk.home.project / ".claude/agents/other.md", agent_file("name: other", "description: x"))
    found = doctor(desk, "--deep", "--check", "client", "--check", "server")
    assert [one["id"] for one in found] == ["server.shadowed"]
    assert list(desk.home.root.glob("*-ran")) == []


def test_asking_for_servers_changes_nothing_of_the_users(desk: Desk) -> None:
    server = {"command": sys.executable, "args": [tiny.__file__, "x"]}
    write(desk.home.client_json, {"mcpServers": {"x": server}})
    write(desk.home.settings, '{"model":"opus"}')
    before = everything(desk.home.home)
    assert doctor(desk, "--deep", "--check", "client.sees-server") == []
    changed = {name for name, data in everything(desk.home.home).items() if before.get(name) != data}
    assert {name for name in changed if not name.startswith(".cache/claude-cli-nodejs/")} == set()


def test_a_server_in_settings_alone_and_a_dead_one_are_found(desk: Desk) -> None:
    dying = {"command": sys.executable, "args": [tiny.__file__, "x", "--die"]}
    write(desk.home.settings, {"mcpServers": {"unseen": {"command": "x"}}})
    write(desk.home.client_json, {"mcpServers": {"dying": dying}})
    found = {one["message"].partition(":")[0]: one for one in doctor(desk, *CLIENT)}
    assert set(found) == {"mcpServers.unseen", "mcpServers.dying"}
    assert "does not list it" in found["mcpServers.unseen"]["message"]
    assert "Failed to connect" in found["mcpServers.dying"]["message"]


@pytest.mark.parametrize("content", [b'{"mcpServers": {},}', b'{"mcpServers": {', b"// mine\n{}"])
def test_a_broken_state_file_stays_as_it_is(desk: Desk, content: bytes) -> None:
    write(desk.home.client_json, content)
    write(desk.home.agents / "helper.md", agent_file("name: helper", "description: x"))
    found = doctor(desk, "--deep", "--check", "client", "--check", "server")
    assert {one["status"] for one in found} == {"skipped"}
    assert desk.home.client_json.read_bytes() == content
    assert not (desk.home.claude_dir / "backups").exists()


def test_where_the_client_never_ran_it_makes_no_state_file(desk: Desk) -> None:
    write(desk.home.agents / "helper.md", agent_file("name: helper", "description: x"))
    (one,) = doctor(desk, *CLIENT)
    assert (one["id"], one["status"]) == ("client.sees-server", "skipped")
    assert not desk.home.client_json.exists()


def everything(root: Path) -> dict[str, bytes]:
    """Every file below `root`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_commands_in_hints_are_the_clients(client: Claude, desk: Desk) -> None:
    said = client.command("mcp", "--help", env=desk.home.env, cwd=desk.home.project).stdout
    for command in ("remove", "reset-project-choices", "add-json", "list"):
        assert command in said
    remove = client.command("mcp", "remove", "--help", env=desk.home.env, cwd=desk.home.project).stdout
    assert "-s, --scope" in remove
    assert "update" in client.command("--help", env=desk.home.env, cwd=desk.home.project).stdout
