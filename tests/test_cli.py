"""The contract of the command line: exit codes, JSON, messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from supervisor_setup import assets

COMMANDS = (
    ("install", "--yes"),
    ("install", "--dry-run"),
    ("diff",),
    ("doctor", "--offline", "--verbose"),
    ("doctor", "--list-checks"),
    ("config", "path"),
    ("config", "show"),
    ("config", "init"),
    ("config", "set", "tiers.fast", "sonnet"),
    ("render",),
    ("validate",),
    ("restore",),
    ("usage",),
    ("usage", "--since", "7d", "--html", "usage.html"),
    ("embedded", "--yes"),
    ("embedded", "--remove"),
    ("new", "pipeline", "new.py"),
    ("new", "cron", "new.py", "docs", "--out", "results"),
    ("new", "timer", __file__, "docs", "--out", "results", "--into", "units"),
    ("new", "kubernetes", __file__, ".", "--out", "results", "--image", "pipeline"),
    ("litellm",),
    ("litellm", "litellm.yaml"),
    ("litellm", "litellm.yaml", "--write", "--yes"),
    ("litellm", "litellm.yaml", "--remove", "--dry-run"),
    ("litellm", "litellm.yaml", "--remove", "--yes"),
    ("uninstall", "--yes"),
    ("install",),
)


@pytest.fixture(scope="module")
def schema():
    return json.loads((assets.templates() / "output.schema.json").read_bytes())


@pytest.mark.parametrize("installed", [False, True], ids=["empty home", "installed"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_prints_json_of_its_documented_shape(cli, schema, own_home, command, installed):
    if installed:
        cli("install", "--yes")
        (own_home / ".claude" / "agents" / "explorer.md").write_text("mine")
    ran = cli("--json", *command, code=None)
    jsonschema.Draft202012Validator(schema).validate(ran.json)
    assert ran.json["schema_version"] == 1


@pytest.mark.parametrize(
    "command", [[], ["install"], ["doctor"], ["config"], ["config", "set"]], ids=" ".join
)
def test_help_is_there_for_every_command(cli, command):
    assert "Usage: supervisor-setup" in cli(*command, "--help").out


def test_the_version_is_printed(cli):
    assert cli("--version").out.startswith("supervisor-setup, version ") or "0." in cli("--version").out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["install", "--nonsense"], ["install", "--scope", "moon"]]
)
def test_a_wrong_call_exits_with_2(cli, arguments):
    assert "Usage:" in cli(*arguments, code=2).err


def test_a_check_that_does_not_exist_exits_with_2(cli):
    assert "--list-checks" in cli("doctor", "--check", "moon.phase", code=2).err


def test_a_bug_is_one_line_and_a_log_file(cli, own_home, monkeypatch):
    def broken(*_arguments):
        raise RuntimeError("the moon is full")

    monkeypatch.setattr("supervisor_setup.commands.config.path", broken)
    ran = cli("config", "path", code=3)
    first, hint = ran.err.strip().splitlines()
    assert first == "supervisor-setup: a bug (RuntimeError: the moon is full)"
    log = Path(hint.rpartition(" ")[2])
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert own_home in log.parents


def test_an_interrupt_exits_with_130(cli, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("supervisor_setup.commands.config.path", interrupted)
    cli("config", "path", code=130)


def test_a_reader_that_goes_away_causes_no_traceback(own_home):
    with subprocess.Popen(
        [sys.executable, "-m", "supervisor_setup.program", "render"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"HOME": str(own_home), "PATH": os.defpath},
    ) as running:
        running.stdout.close()
        assert running.wait(timeout=20) == 1
        assert running.stderr.read() == b""


def test_version_and_help_import_nothing_heavy():
    program = (
        "import sys; from supervisor_setup import cli; cli.run(['--help']); "
        "heavy = {'jinja2', 'jsonschema', 'ruamel', 'httpx', 'rich', 'mcp', 'filelock', 'tempfile'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_colour_only_where_it_is_asked_for(cli):
    assert "\x1b[" not in cli("install", "--dry-run").out
    assert "\x1b[" in cli("--color", "always", "install", "--dry-run").out
    assert "\x1b[" not in cli("--color", "never", "diff", code=2).out
    assert "\x1b[" in cli("--color", "always", "diff", code=2).out


def test_home_paths_are_shortened_for_people_and_whole_for_programs(cli, own_home):
    assert str(own_home) not in cli("install", "--dry-run").out
    assert str(own_home) in cli("--json", "install", "--dry-run").out


def test_another_config_file_can_be_named(cli, own_home, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("tiers:\n  fast: sonnet\n", encoding="utf-8")
    cli("--config", str(other), "install", "--yes")
    assert "model: sonnet" in (own_home / ".claude" / "agents" / "explorer.md").read_text(encoding="utf-8")
    entry = json.loads((own_home / ".claude.json").read_bytes())["mcpServers"]["local-models"]
    assert entry["args"][:2] == ["--config", str(other)]
    assert not (own_home / ".config").exists()
