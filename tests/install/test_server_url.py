"""A server that runs elsewhere: registered by its address, with its token by reference."""

import pytest

URL = "http://koala:8765/mcp"
ENTRY = {
    "type": "http",
    "url": URL,
    "headers": {"Authorization": "Bearer ${SUPERVISOR_MCP_TOKEN:-}"},
    "alwaysLoad": True,
}


def entry(home):
    return home.json(home.client)["mcpServers"]["local-models"]


def test_its_address_takes_the_place_of_the_command(cli, home, monkeypatch):
    monkeypatch.setenv("SUPERVISOR_MCP_TOKEN", "the-token-that-nobody-writes")
    ran = cli("--json", "install", "--yes", "--server-url", URL)
    assert entry(home) == ENTRY
    assert home.json(home.settings)["mcpServers"]["local-models"] == ENTRY
    assert home.allowed("mcp__") == ["mcp__local-models"]
    assert ran.json["server_url"] == URL
    assert ran.json["backends"] == []  # they are that server's business
    for path in home.path.rglob("*"):
        assert path.is_dir() or b"the-token-that" not in path.read_bytes()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("http://koala:8765", URL),
        ("http://koala:8765/", URL),
        ("https://koala.example/models/mcp", "https://koala.example/models/mcp"),
        ("http://[fd00::1]:8765", "http://[fd00::1]:8765/mcp"),
    ],
)
def test_an_address_without_a_path_gets_the_usual_one(cli, home, given, written):
    cli("install", "--yes", "--server-url", given)
    assert entry(home)["url"] == written


def test_later_installs_and_the_doctor_follow_it(cli, home, monkeypatch):
    monkeypatch.setenv("KOALA_TOKEN", "x")
    cli("install", "--yes", "--server-url", URL, "--server-token-env", "KOALA_TOKEN")
    assert entry(home)["headers"] == {"Authorization": "Bearer ${KOALA_TOKEN:-}"}
    before = home.files()
    assert not cli("--json", "install", "--yes").json["changed"]
    cli("doctor", "--offline")
    assert home.files() == before
    assert f"url: {URL}" in home.config.read_text(encoding="utf-8")


def test_an_existing_config_keeps_everything_else(cli, home):
    text = "# mine\nserver: {name: mine}  # short\ntiers:\n  fast: sonnet\n"
    home.write(home.config, text)
    cli("install", "--yes", "--server-url", URL)
    after = home.config.read_text(encoding="utf-8")
    assert after.startswith("# mine\nserver: {name: mine, url:")
    assert after.endswith("# short\ntiers:\n  fast: sonnet\n")
    assert home.json(home.client)["mcpServers"]["mine"] == ENTRY


def test_an_empty_address_starts_one_of_your_own_again(cli, home):
    cli("install", "--yes")
    own = entry(home)
    cli("install", "--yes", "--server-url", URL)
    cli("install", "--yes", "--server-url", "")
    assert entry(home) == own
    cli("config", "set", "server.url", URL)
    cli("install", "--yes")
    assert entry(home) == ENTRY
    cli("config", "set", "server.url", "null")
    cli("install", "--yes")
    assert entry(home) == own


def test_an_empty_address_on_a_new_home_changes_nothing(cli, home):
    cli("install", "--yes", "--server-url", "")
    assert entry(home)["type"] == "stdio"
    assert "url: null" not in home.config.read_text(encoding="utf-8")


def test_uninstall_gives_the_home_back(cli, home):
    home.write(home.client, '{\n  "mcpServers": {}\n}\n')
    before = home.files()
    cli("install", "--yes", "--server-url", URL)
    cli("uninstall", "--yes")
    assert home.files() == before


def test_a_dry_run_shows_the_address_and_writes_nothing(cli, home):
    ran = cli("--json", "install", "--dry-run", "--server-url", URL)
    assert ran.json["server_url"] == URL
    assert home.files() == {}
    assert not home.config.exists()


@pytest.mark.parametrize(
    "url",
    [
        "koala:8765",
        "ftp://koala/mcp",
        "http://user:secret@koala/mcp",
        "http://koala/mcp?token=secret",
        "http://koala/mcp#x",
        "http:///mcp",
        "http://ko ala/mcp",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(cli, home, url):
    ran = cli("install", "--yes", "--server-url", url, code=1)
    assert "server.url" in ran.err
    assert home.files() == {}
    assert not home.config.exists()


@pytest.mark.parametrize("name", ["A-B", "1A", "${X}", "a b"])
def test_what_is_no_variables_name_is_refused(cli, home, name):
    ran = cli("install", "--yes", "--server-url", URL, "--server-token-env", name, code=1)
    assert "server.token_env" in ran.err
    assert home.files() == {}


def test_a_token_that_is_not_set_here_is_said_once_and_no_more(cli, home, monkeypatch):
    assert "SUPERVISOR_MCP_TOKEN, which is not set here" in cli("install", "--yes", "--server-url", URL).out
    monkeypatch.setenv("SUPERVISOR_MCP_TOKEN", "x")
    assert "SUPERVISOR_MCP_TOKEN" not in cli("install", "--yes", "--server-url", f"{URL}/2").out


def test_the_servers_program_is_not_needed_for_it(cli, home, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setattr("sys.argv", ["/nowhere/supervisor-setup"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert "program is missing" in cli("install", "--yes", code=1).err
    cli("install", "--yes", "--server-url", URL)
    assert entry(home) == ENTRY
