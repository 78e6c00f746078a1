"""The smaller commands: render, validate and config."""

import json
import os
import stat

import pytest

BROKEN = "---\nname: x\ndescription: d\nmodle: haiku\ntools: Read\n---\nPrompt\n"


def test_render_writes_the_agents_into_a_folder_and_twice_the_same(cli, tmp_path):
    out = tmp_path / "agents"
    cli("render", "--out", str(out))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(first) == 11
    cli("render", "--out", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    cli("validate", str(out))


def test_render_does_not_touch_a_file_that_holds_something_else(cli, tmp_path):
    (tmp_path / "explorer.md").write_text("mine")
    ran = cli("render", "--out", str(tmp_path), code=1)
    assert "explorer.md: exists and holds something else" in ran.err
    assert [path.name for path in tmp_path.glob("*.md")] == ["explorer.md"]


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_validate_names_a_fault_in_every_format_and_exits_with_1(cli, tmp_path, form):
    agent = tmp_path / "x.md"
    agent.write_text(BROKEN)
    ran = cli("validate", "--format", form, str(agent), code=1)
    assert "modle" in ran.out
    if form in ("json", "sarif"):
        json.loads(ran.out)


def test_validate_of_a_missing_path_is_an_error_with_its_name(cli, tmp_path):
    assert str(tmp_path / "none") in cli("validate", str(tmp_path / "none"), code=1).err


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("tiers.fast", "5", "`tiers.fast`"),
        ("tiers..fast", "x", "is not a key"),
        ("tiers.fast", "[unclosed", "is not a YAML value"),
        ("madeUp", "1", "madeUp"),
        ("agents.tiers", "{explorer: nowhere}", "no tier 'nowhere'"),
        ("backends.7.url", "http://x", "there is no item 7"),
        ("tools.ask_local_llama.model", "''", "tools.ask_local_llama.model"),
    ],
)
def test_a_wrong_setting_is_refused_and_the_file_stays(cli, own_home, key, value, complaint):
    cli("config", "init")
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    before = config.read_bytes()
    assert complaint in cli("config", "set", key, value, code=1).err
    assert config.read_bytes() == before


def test_a_setting_keeps_every_other_byte(cli, own_home):
    cli("config", "init")
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    before = config.read_text()
    cli("config", "set", "tiers.deep", "sonnet")
    assert config.read_text() == before.replace("deep: opus", "deep: sonnet")
    assert "says so already" in cli("config", "set", "tiers.deep", "sonnet").out


def test_a_new_config_follows_the_umask(cli, own_home):
    old = os.umask(0o077)
    try:
        cli("config", "init")
    finally:
        os.umask(old)
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "exists already" in cli("config", "init").out


@pytest.mark.parametrize("kind", ["litellm", "ollama"])
def test_a_url_for_a_backend_that_the_config_does_not_have_is_refused(cli, own_home, kind):
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("backends: []\n")
    assert f"no backend of kind {kind}" in cli("install", "--yes", f"--{kind}-url", "http://x", code=1).err


def test_a_url_is_added_where_the_config_says_nothing_of_backends(cli, own_home):
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("# mine\ntiers: {fast: sonnet}\n")
    cli("install", "--yes", "--litellm-url", "http://127.0.0.1:9")
    assert config.read_text().startswith("# mine\ntiers: {fast: sonnet}\n")
    shown = cli("--json", "config", "show").json["config"]
    assert shown["backends"][0]["url"] == "http://127.0.0.1:9"
    assert shown["backends"][1]["name"] == "ollama"


@pytest.mark.parametrize("content", ["a: 1\na: 2\n", "a: [1", "\ttabs: 1\n", "- 1\n", "version: 2\n"])
def test_a_config_that_cannot_be_read_is_named_with_its_line(cli, own_home, content):
    config = own_home / ".config" / "supervisor-setup" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(content)
    for command in (["config", "show"], ["install", "--yes"], ["render"]):
        assert str(config) in cli(*command, code=1).err
