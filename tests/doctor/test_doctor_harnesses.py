"""What doctor says of other harnesses and routers on this machine."""

import json
import os
from pathlib import Path

import pytest
from bench import Bench
from subscribers import KEY, TOKEN, all_findings, log_in, the_finding

from supervisor_setup import assets, files
from supervisor_setup.checks import harnesses
from supervisor_setup.errors import TargetError
from supervisor_setup.findings import Status

ACCOUNT = {"accountUuid": "1", "emailAddress": "a@example.org"}


def test_the_data_has_a_source_and_a_date_for_each_harness():
    data = json.loads((assets.templates() / "harnesses.json").read_bytes())
    assert data["read"].startswith("2026-")
    for one in harnesses.known():
        assert one.source.startswith("https://"), one.name
        assert one.kind in ("router", "sharer", "harness"), one.name
        assert one.programs or one.packages or one.folders or one.logins, one.name
        for login in one.logins:
            assert login["file"].startswith(("~/", "$XDG_CONFIG_HOME/", "$XDG_DATA_HOME/")), one.name
            assert set(login) in ({"file"}, {"file", "words"}, {"file", "keys", "value"}), one.name


def a_login(harness: harnesses.Harness, login: dict) -> str:
    """A file's content that is such a login."""
    if "keys" not in login:
        return json.dumps({"x": login.get("words", (TOKEN,))[0]})
    value: object = login["value"]
    for key in reversed(login["keys"]):
        value = {key: value}
    return json.dumps(value)


LOGINS = [(harness, dict(login)) for harness in harnesses.known() for login in harness.logins]


@pytest.mark.parametrize(
    ("harness", "login"), LOGINS, ids=[f"{harness.name} {login['file']}" for harness, login in LOGINS]
)
def test_a_subscriptions_login_in_a_harness_is_found(bench: Bench, harness: harnesses.Harness, login: dict):
    place = login["file"].replace("~", str(bench.home.path)).replace("*", "x")
    place = place.replace("$XDG_CONFIG_HOME", str(bench.home.path / ".config"))
    path = Path(place.replace("$XDG_DATA_HOME", str(bench.home.path / ".local" / "share")))
    bench.write(path, a_login(harness, login))
    found = the_finding(bench)
    assert (found.id, found.status, found.path, found.line) == ("policy.harness", Status.WARNING, path, 1)
    assert found.message.startswith(harness.name)


def test_the_xdg_folders_are_followed(bench: Bench, tmp_path: Path):
    auth = bench.write(tmp_path / "data" / "opencode" / "auth.json", {"anthropic": {"type": "oauth"}})
    assert the_finding(bench, XDG_DATA_HOME=str(tmp_path / "data")).path == auth
    assert all_findings(bench, XDG_DATA_HOME="not/absolute") == []


@pytest.mark.parametrize(
    "auth",
    [
        {"anthropic": {"type": "api", "key": KEY}, "openai": {"type": "oauth", "access": "x"}},
        {"anthropic": "oauth"},
        {},
        [],
        "oauth",
    ],
)
def test_opencode_with_keys_or_with_other_providers_is_fine(bench: Bench, auth: object):
    log_in(bench)
    bench.program("opencode", "")
    bench.write(bench.home.path / ".local/share/opencode/auth.json", json.dumps(auth))
    bench.write(bench.home.path / ".config/opencode/opencode.json", {"plugin": ["opencode-gemini-auth"]})
    assert all_findings(bench, PATH=str(bench.bin)) == []


def test_a_plugin_that_is_commented_out_is_not_there(bench: Bench):
    path = bench.home.path / ".config/opencode/opencode.jsonc"
    bench.write(path, '{\n  // "plugin": ["opencode-claude-auth"]\n}\n')
    assert all_findings(bench) == []
    bench.write(path, '{\n  // for Claude\n  "plugin": ["opencode-claude-auth@1.2"]\n}\n')
    assert the_finding(bench).line == 3


def test_a_router_that_is_merely_there_is_worth_knowing(bench: Bench):
    program = bench.program("claude-code-proxy", "")
    found = the_finding(bench, PATH=str(bench.bin))
    assert (found.id, found.status, found.path) == ("policy.harness", Status.INFO, program)
    assert "fine with API keys" in found.message
    log_in(bench)
    assert the_finding(bench, PATH=str(bench.bin)).status is Status.INFO


def test_a_short_name_counts_only_where_it_leads_to_the_package(bench: Bench, tmp_path: Path):
    bench.program("ccr", "")
    bench.program("meridian", "")
    bench.program("pi", "")
    assert all_findings(bench, PATH=str(bench.bin)) == []
    package = bench.write(tmp_path / "lib/node_modules/@musistudio/claude-code-router/dist/cli.js", "")
    package.chmod(0o755)
    (bench.bin / "ccr").unlink()
    (bench.bin / "ccr").symlink_to(package)
    assert the_finding(bench, PATH=str(bench.bin)).path == bench.bin / "ccr"


def test_a_program_that_shares_a_plan_is_a_warning_for_a_subscriber(bench: Bench):
    bench.program("claude-max-api", "")
    assert the_finding(bench, PATH=str(bench.bin)).status is Status.INFO
    log_in(bench)
    assert the_finding(bench, PATH=str(bench.bin)).status is Status.WARNING


def refuse(path: Path) -> files.Snapshot:
    raise TargetError(f"{path}: cannot be read")


@pytest.mark.parametrize("what", ["folder", "huge", "unreadable", "pipe", "loop"])
def test_what_cannot_be_read_is_passed_over(bench: Bench, what: str, monkeypatch: pytest.MonkeyPatch):
    path = bench.home.path / ".pi/agent/auth.json"
    path.parent.mkdir(parents=True)
    match what:
        case "folder":
            path.mkdir()
        case "huge":
            path.write_bytes(TOKEN.encode() + b" " * 1_000_000)
        case "unreadable":
            path.write_text(TOKEN, encoding="utf-8")
            monkeypatch.setattr(files, "read", refuse)
        case "pipe":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
    assert all_findings(bench) == []
