"""What doctor says of proxies, keys and subscriptions, and what it keeps quiet about."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench
from subscribers import KEY, TOKEN, log_in

from supervisor_setup import assets, files
from supervisor_setup.checks import harnesses, policy
from supervisor_setup.checks.check import Reach
from supervisor_setup.checks.subscription import subscription
from supervisor_setup.checks.world import World
from supervisor_setup.errors import TargetError
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Layout

PROXY = "http://proxy.example:4000"
ACCOUNT = {"accountUuid": "1", "emailAddress": "a@example.org"}
IDS = ("policy.base-url", "policy.api-key", "policy.harness", "policy.oauth-in-proxy")


def world(bench: Bench, **environment: str) -> World:
    """What the checks see of the bench, its administrator's folder being `managed` beside the home."""
    layout = replace(Layout.from_environment(), managed=bench.home.path.parent / "managed")
    return World(layout, environment)


def all_findings(bench: Bench, **environment: str) -> list[Finding]:
    seen = world(bench, **environment)
    return [finding for check in policy.CHECKS for finding in check.run(seen)]


def the_finding(bench: Bench, **environment: str) -> Finding:
    (found,) = all_findings(bench, **environment)
    return found


# Whether there is a subscription


def test_a_login_for_inference_is_a_subscription(bench: Bench):
    log_in(bench, subscriptionType=None)
    found = subscription(world(bench))
    assert found is not None
    assert found.path == bench.home.path / ".claude" / ".credentials.json"


@pytest.mark.parametrize(
    "changes",
    [
        {"subscriptionType": None, "scopes": ["org:create_api_key", "user:profile"]},
        {"accessToken": ""},
        {"scopes": "user:inference", "subscriptionType": 5},
        {"scopes": None, "subscriptionType": None},
    ],
    ids=["console", "empty", "wrong types", "nothing known"],
)
def test_another_login_is_none(bench: Bench, changes: dict[str, object]):
    log_in(bench, **changes)
    assert subscription(world(bench)) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"claudeAiOauth": 5}', b"\xff"])
def test_a_strange_credentials_file_is_none(bench: Bench, content: bytes):
    bench.home.write(bench.home.path / ".claude" / ".credentials.json", content)
    assert subscription(world(bench)) is None


@pytest.mark.parametrize(
    ("state", "subscribed"),
    [
        ({"oauthAccount": {**ACCOUNT, "organizationType": "claude_max"}}, True),
        ({"oauthAccount": {**ACCOUNT, "organizationType": "claude_max"}, "primaryApiKey": KEY}, True),
        ({"oauthAccount": {**ACCOUNT, "organizationType": "api_individual"}}, False),
        ({"oauthAccount": ACCOUNT}, True),
        ({"oauthAccount": {**ACCOUNT, "organizationType": None}, "primaryApiKey": KEY}, False),
        ({"primaryApiKey": KEY}, False),
        ({"oauthAccount": {}}, False),
        ({"oauthAccount": "x"}, False),
    ],
)
def test_an_account_is_a_subscription_unless_it_is_the_consoles(
    bench: Bench, state: dict[str, object], subscribed: bool
):
    bench.write(bench.home.client, state)
    assert (subscription(world(bench)) is not None) == subscribed


def test_a_token_made_for_scripts_is_a_subscription_but_not_one_in_a_dotenv(bench: Bench):
    assert subscription(world(bench, CLAUDE_CODE_OAUTH_TOKEN=TOKEN)) is not None
    bench.write(bench.project / ".env", f"CLAUDE_CODE_OAUTH_TOKEN={TOKEN}\n")
    assert subscription(world(bench)) is None


# policy.base-url


def test_a_base_url_in_settings_is_named_with_file_and_line(bench: Bench):
    log_in(bench)
    bench.write(bench.home.settings, {"model": "opus", "env": {"A": "b", "ANTHROPIC_BASE_URL": PROXY}})
    found = the_finding(bench)
    assert (found.id, found.status) == ("policy.base-url", Status.WARNING)
    assert (found.path, found.line) == (bench.home.settings, 5)
    assert "proxy.example:4000" in found.message
    assert "your subscription's token goes along" in found.message
    assert found.hint == f"remove ANTHROPIC_BASE_URL from `env` there; terms: {policy.TERMS}"


def test_every_place_that_sets_it_is_named(bench: Bench):
    log_in(bench)
    rc = bench.write(bench.home.path / ".bashrc", f"\nexport ANTHROPIC_BASE_URL={PROXY}\n")
    envrc = bench.write(bench.project / ".envrc", f"export ANTHROPIC_BASE_URL={PROXY}\n")
    local = bench.write(
        bench.project / ".claude" / "settings.local.json", {"env": {"ANTHROPIC_BASE_URL": PROXY}}
    )
    found = all_findings(bench, ANTHROPIC_BASE_URL="http://another")
    assert [(one.path, one.line) for one in found] == [(rc, 2), (envrc, 1), (None, None), (local, 3)]
    assert {one.status for one in found} == {Status.WARNING}


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "HTTPS://API.ANTHROPIC.COM:443/",
        "https://api.anthropic.com./v1",
        "https://api.eu.anthropic.com",
    ],
)
def test_anthropic_itself_is_fine(bench: Bench, url: str):
    log_in(bench)
    assert all_findings(bench, ANTHROPIC_BASE_URL=url) == []


@pytest.mark.parametrize("value", ['"$PROXY_URL"', '"${PROXY_URL:-}"', "$(gateway)"])
def test_an_address_that_only_a_shell_knows_is_not_judged(bench: Bench, value: str):
    log_in(bench)
    bench.write(bench.home.path / ".profile", f"export ANTHROPIC_BASE_URL={value}\n")
    assert all_findings(bench) == []


@pytest.mark.parametrize("url", ["koala:4000", "http://", "http://[", "http://h:port", "nonsense", "5"])
def test_what_is_no_url_is_named_without_being_shown(bench: Bench, url: str):
    log_in(bench)
    found = the_finding(bench, ANTHROPIC_BASE_URL=url)
    assert "an address that is no URL" in found.message


@pytest.mark.parametrize(
    "url", ["https://anthropic.com.evil.example", "https://evilanthropic.com", "http://api.anthropic.com@h"]
)
def test_a_name_that_only_looks_like_anthropic_is_no_anthropic(bench: Bench, url: str):
    log_in(bench)
    assert the_finding(bench, ANTHROPIC_BASE_URL=url).status is Status.WARNING


def test_only_host_and_port_of_a_url_are_shown(bench: Bench):
    found = the_finding(bench, ANTHROPIC_BASE_URL="https://user:hidden-1@h.example/hidden-2?key=hidden-3")
    assert "h.example:443" in found.message
    assert "hidden" not in found.message


def test_a_backend_of_ours_is_called_so_with_or_without_a_subscription(bench: Bench):
    bench.install()
    url = bench.home.json(bench.home.config)["backends"][0]["url"].upper()
    found = the_finding(bench, ANTHROPIC_BASE_URL=f"{url}/v1/")
    assert found.status is Status.WARNING
    assert "your backend `litellm`, which is for the local tools" in found.message
    assert "token" not in found.message
    log_in(bench)
    assert "your subscription's token goes along" in the_finding(bench, ANTHROPIC_BASE_URL=url).message


def test_another_port_of_a_backends_host_is_not_that_backend(bench: Bench):
    bench.install()
    assert "backend" not in the_finding(bench, ANTHROPIC_BASE_URL="http://127.0.0.1:1").message


def test_a_broken_config_does_not_keep_it_from_being_found(bench: Bench):
    bench.write(bench.home.config, "tiers: 5")
    log_in(bench)
    assert the_finding(bench, ANTHROPIC_BASE_URL=PROXY).status is Status.WARNING


def test_a_gateway_without_a_subscription_is_only_worth_knowing(bench: Bench):
    found = the_finding(bench, ANTHROPIC_BASE_URL=PROXY, ANTHROPIC_AUTH_TOKEN="hidden")
    assert found.status is Status.INFO
    assert "your" not in found.message


@pytest.mark.parametrize("place", ["ANTHROPIC_AUTH_TOKEN", "apiKeyHelper"])
def test_a_gateway_with_a_key_of_its_own_does_not_get_the_subscriptions_token(bench: Bench, place: str):
    log_in(bench)
    key = {"apiKeyHelper": "get-key"} if place == "apiKeyHelper" else {"env": {place: "hidden"}}
    bench.write(bench.home.settings, key)
    found = next(policy.base_url(world(bench, ANTHROPIC_BASE_URL=PROXY)))
    assert found.status is Status.INFO
    assert "your Claude plan is not used" in found.message


def test_an_administrators_gateway_is_worth_knowing_for_a_subscriber_alone(bench: Bench):
    managed = bench.write(
        bench.home.path.parent / "managed" / "managed-settings.json", {"env": {"ANTHROPIC_BASE_URL": PROXY}}
    )
    assert all_findings(bench) == []
    log_in(bench)
    found = the_finding(bench)
    assert (found.status, found.path) == (Status.INFO, managed)
    assert found.hint is not None
    assert "administrator" in found.hint


def test_a_dotenv_is_not_read_by_the_client_and_only_worth_knowing(bench: Bench):
    dotenv = bench.write(
        bench.project / ".env",
        f"ANTHROPIC_BASE_URL={PROXY}\nANTHROPIC_API_KEY={KEY}\nANTHROPIC_AUTH_TOKEN=x\n",
    )
    assert all_findings(bench) == []
    log_in(bench)
    found = all_findings(bench)
    assert [(one.id, one.status, one.path, one.line) for one in found] == [
        ("policy.base-url", Status.INFO, dotenv, 1),
        ("policy.api-key", Status.INFO, dotenv, 2),
    ]
    assert all("only once something loads this file" in one.message for one in found)


def test_an_auth_token_takes_the_place_of_the_login(bench: Bench):
    bench.write(bench.home.settings, {"env": {"ANTHROPIC_AUTH_TOKEN": "hidden"}})
    assert all_findings(bench) == []
    log_in(bench)
    found = the_finding(bench)
    assert (found.id, found.status, found.line) == ("policy.base-url", Status.WARNING, 3)
    assert "your plan is not used" in found.message


@pytest.mark.parametrize("at_home", [False, True])
def test_local_settings_in_the_home_count_only_where_the_home_is_the_project(bench: Bench, at_home: bool):
    log_in(bench)
    path = bench.home.settings.with_name("settings.local.json")
    bench.write(path, {"env": {"ANTHROPIC_BASE_URL": PROXY}})
    if at_home:
        bench.monkeypatch.chdir(bench.home.path)
    assert [one.path for one in all_findings(bench)] == ([path] if at_home else [])


# policy.api-key


def test_a_key_without_a_subscription_is_nobodys_business(bench: Bench):
    bench.write(bench.home.path / ".zshrc", f"export ANTHROPIC_API_KEY={KEY}\n")
    bench.write(bench.home.settings, {"apiKeyHelper": "get-key", "env": {"ANTHROPIC_API_KEY": KEY}})
    bench.write(bench.home.client, {"primaryApiKey": KEY})
    assert all_findings(bench, ANTHROPIC_API_KEY=KEY) == []


def test_a_subscribers_key_is_named_in_every_place(bench: Bench):
    log_in(bench)
    rc = bench.write(bench.home.path / ".zshrc", f"export ANTHROPIC_API_KEY='{KEY}'\n")
    bench.write(bench.home.settings, {"env": {"ANTHROPIC_API_KEY": KEY}})
    found = all_findings(bench, ANTHROPIC_API_KEY="another")
    assert [(one.path, one.line) for one in found] == [(rc, 1), (None, None), (bench.home.settings, 3)]
    assert {(one.id, one.status) for one in found} == {("policy.api-key", Status.WARNING)}
    assert found[1].hint is not None
    assert found[1].hint.startswith("unset ANTHROPIC_API_KEY;")
    assert all("`claude -p` bills this key" in one.message for one in found)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"approved": [KEY[-20:]], "rejected": []}, "and so does an interactive session"),
        ({"approved": [], "rejected": [KEY[-20:]]}, "though an interactive session does not"),
        ({"approved": ["another"], "rejected": []}, "and an interactive session asks"),
        ({"approved": 5, "rejected": {"a": 1}}, "and an interactive session asks"),
        ("nonsense", "and an interactive session asks"),
    ],
)
def test_what_an_interactive_session_does_is_by_the_answer_given_once(
    bench: Bench, answers: object, said: str
):
    log_in(bench)
    bench.write(bench.home.client, {"customApiKeyResponses": answers})
    assert said in the_finding(bench, ANTHROPIC_API_KEY=KEY).message


def test_a_profile_that_hands_on_what_is_set_sets_nothing(bench: Bench):
    log_in(bench)
    bench.write(bench.home.path / ".bashrc", 'export ANTHROPIC_API_KEY="${ANTHROPIC_API_KEY:-}"\n')
    assert all_findings(bench) == []


def test_a_subscribers_key_helper_is_named_unless_an_administrator_set_it(bench: Bench):
    log_in(bench)
    bench.write(bench.home.path.parent / "managed" / "managed-settings.json", {"apiKeyHelper": "get-key"})
    bench.write(bench.project / ".claude" / "settings.json", {"apiKeyHelper": 5})
    assert all_findings(bench) == []
    settings = bench.write(bench.home.settings, {"model": "opus", "apiKeyHelper": "echo hidden"})
    found = the_finding(bench)
    assert (found.id, found.path, found.line) == ("policy.api-key", settings, 3)
    assert "hidden" not in found.message


def test_the_key_of_a_console_login_does_not_go_before_a_plan(bench: Bench):
    # Measured on both clients: with a login for inference `primaryApiKey` is not sent.
    log_in(bench)
    bench.write(bench.home.client, {"oauthAccount": ACCOUNT, "primaryApiKey": KEY})
    assert all_findings(bench) == []


# policy.harness


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


# policy.oauth-in-proxy


@pytest.mark.parametrize(
    "name",
    ["litellm_config.yaml", "litellm/config.yaml", "config.yml", "proxy_config.yaml", "compose.yaml"],
)
def test_a_token_in_a_proxys_config_of_the_project_is_found(bench: Bench, name: str):
    path = bench.write(bench.project / name, f"# litellm\nmodel_list:\n- api_key: {TOKEN}\n")
    found = the_finding(bench)
    assert (found.id, found.status) == ("policy.oauth-in-proxy", Status.WARNING)
    assert (found.path, found.line) == (path, 3)


@pytest.mark.parametrize(
    "name",
    [
        ".config/litellm/config.yaml",
        ".litellm/config.yaml",
        "litellm_config.yaml",
        ".config/systemd/user/litellm.service",
    ],
)
def test_and_in_the_home(bench: Bench, name: str):
    path = bench.write(bench.home.path / name, f"[Service] litellm\nEnvironment=ANTHROPIC_API_KEY={TOKEN}\n")
    assert the_finding(bench).path == path


def test_and_where_litellm_is_told_to_look_or_we_have_merged(bench: Bench, tmp_path: Path):
    text = f"model_list: []\nkey: {TOKEN}\n"
    named = bench.write(tmp_path / "named.yaml", text)
    assert the_finding(bench, CONFIG_FILE_PATH=str(named)).path == named
    bench.install()
    merged = bench.write(tmp_path / "merged.yaml", text)
    bench.write(
        bench.home.config, {"backends": [{"name": "ollama", "kind": "ollama", "url": "http://127.0.0.1:1"}]}
    )
    bench.cli("litellm", str(merged), "--write", "--yes")
    assert the_finding(bench).path == merged


def test_a_config_that_is_not_a_proxys_or_has_it_in_a_comment_is_fine(bench: Bench):
    bench.write(bench.project / "config.yaml", f"token: {TOKEN}\n")
    bench.write(bench.project / "litellm.yaml", f"model_list:\n  # not {TOKEN}\n  - api_key: {KEY}\n")
    bench.write(bench.project / "litellm.yml", "model_list: [" + "x" * 100)
    assert all_findings(bench) == []


def test_a_variable_that_leads_to_a_token_is_found_where_the_config_names_it(bench: Bench):
    config = "model_list:\n- a: os.environ/MY_KEY\n- b: os.environ/ANTHROPIC_API_KEY\n"
    path = bench.write(bench.project / "litellm.yaml", config)
    assert all_findings(bench, MY_KEY=KEY) == []
    found = the_finding(bench, MY_KEY=TOKEN)
    assert (found.path, found.line) == (path, 2)
    assert "MY_KEY" in found.message


def test_the_clients_own_token_variable_is_found_even_when_it_is_not_set_here(bench: Bench):
    bench.write(bench.project / "compose.yml", "image: litellm\nK: ${CLAUDE_CODE_OAUTH_TOKEN}\n")
    assert the_finding(bench).line == 2


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("model_list:\n- a: os.environ/MY_KEY\n", True),
        ("image: litellm\nenv_file: .env\n", True),
        ("model_list:\n- a: os.environ/ANOTHER\n", False),
    ],
)
def test_a_dotenv_beside_a_config_counts_when_the_proxy_gets_it(bench: Bench, config: str, found: bool):
    bench.write(bench.project / "litellm.yaml", config)
    dotenv = bench.write(bench.project / ".env", f"A=b\nexport MY_KEY={TOKEN}\n")
    assert (dotenv, 2) in [(one.path, one.line) for one in all_findings(bench)] or not found
    assert bool(all_findings(bench)) == found


def test_litellms_default_key_in_a_dotenv_counts_for_models_of_anthropic(bench: Bench):
    bench.write(bench.project / ".env", f"ANTHROPIC_API_KEY={TOKEN}\n")
    config = bench.write(bench.project / "litellm.yaml", "model_list:\n- model: ollama/llama\n")
    assert all_findings(bench) == []
    config.write_text("model_list:\n- model: anthropic/claude-opus-5-5\n")
    assert the_finding(bench).path == bench.project / ".env"


def test_a_token_made_for_scripts_is_fine_alone(bench: Bench):
    bench.write(bench.home.path / ".profile", f"export CLAUDE_CODE_OAUTH_TOKEN={TOKEN}\n")
    assert all_findings(bench, CLAUDE_CODE_OAUTH_TOKEN=TOKEN) == []


@pytest.mark.parametrize("name", ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_a_token_in_a_variable_beside_a_base_url_goes_to_a_proxy(bench: Bench, name: str):
    seen = world(bench, ANTHROPIC_BASE_URL=PROXY, **{name: TOKEN})
    (found,) = policy.oauth_in_proxy(seen)
    assert found.message.startswith(
        f"{name} holds a subscription's token and goes to what ANTHROPIC_BASE_URL"
    )


def test_a_token_as_the_key_of_a_backend_goes_to_that_backend(bench: Bench):
    backend = {
        "name": "koala",
        "kind": "litellm",
        "url": "http://127.0.0.1:1",
        "api_key": {"env": "KOALA_KEY"},
    }
    bench.write(bench.home.config, {"backends": [backend]})
    found = the_finding(bench, KOALA_KEY=TOKEN)
    assert "your backend `koala`" in found.message
    bench.write(bench.home.config, {"backends": [{**backend, "enabled": False}]})
    assert all_findings(bench, KOALA_KEY=TOKEN) == []


def test_a_token_in_the_key_file_of_a_backend_goes_to_that_backend(bench: Bench, tmp_path: Path):
    key = bench.write(tmp_path / "key", f"{KEY}\n")
    backend = {"name": "koala", "kind": "litellm", "url": "http://127.0.0.1:1", "api_key": {"file": str(key)}}
    bench.write(bench.home.config, {"backends": [backend]})
    assert all_findings(bench) == []
    key.write_text(f"{TOKEN}\n", encoding="utf-8")
    found = the_finding(bench)
    assert (found.id, found.path, found.line) == ("policy.oauth-in-proxy", key, 1)


# The whole family


def test_no_check_of_the_family_reaches_beyond_files():
    assert {check.reach for check in policy.CHECKS} == {Reach.FILES}
    assert tuple(check.id for check in policy.CHECKS) == IDS


def test_no_secret_is_ever_shown(bench: Bench):
    log_in(bench)
    secrets = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": TOKEN, "CLAUDE_CODE_OAUTH_TOKEN": TOKEN}
    bench.write(bench.home.settings, {"apiKeyHelper": f"echo {KEY}", "env": {"ANTHROPIC_BASE_URL": PROXY}})
    bench.write(bench.project / ".env", "".join(f"{name}={value}\n" for name, value in secrets.items()))
    bench.write(bench.project / "litellm.yaml", f"model_list:\n- api_key: {TOKEN}\n")
    bench.write(bench.home.path / ".pi/agent/auth.json", {"anthropic": {"type": "oauth", "access": TOKEN}})
    for name, value in secrets.items():
        bench.set_variable(name, value)
    for options in ((), ("--json",)):
        ran = bench.cli(*options, "doctor", "--offline", "--verbose", code=None)
        assert all(one in ran.out for one in IDS)
        assert "not-a-" not in ran.out + ran.err


@pytest.mark.parametrize(
    "value", [None, 5, [], "x", True, {"ANTHROPIC_API_KEY": ["x"]}, {"apiKeyHelper": {}}]
)
def test_wrong_types_in_settings_and_state_break_nothing(bench: Bench, value: object):
    log_in(bench)
    bench.write(bench.home.settings, json.dumps({"env": value, "apiKeyHelper": value}))
    bench.write(bench.home.client, json.dumps({"oauthAccount": value, "customApiKeyResponses": value}))
    for finding in all_findings(bench):
        assert finding.id == "policy.api-key"


def test_what_is_said_is_one_line_that_links_the_terms(bench: Bench):
    log_in(bench)
    bench.write(bench.project / "litellm.yaml", f"model_list:\n- api_key: {TOKEN}\n")
    bench.write(bench.home.path / ".pi/agent/auth.json", {"anthropic": {"type": "oauth"}})
    found = all_findings(bench, ANTHROPIC_BASE_URL=PROXY, ANTHROPIC_API_KEY=KEY)
    assert {one.id for one in found} == set(IDS)
    for one in found:
        assert "\n" not in one.message
        assert len(one.message) < 200, one.message
        assert one.hint is not None
        assert policy.TERMS in one.hint
    for check in policy.CHECKS:
        assert policy.TERMS in check.explanation.why
