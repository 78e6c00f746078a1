"""What doctor says of proxies, keys and subscriptions, and what it keeps quiet about."""

import pytest
from bench import Bench
from subscribers import KEY, PROXY, TOKEN, all_findings, log_in, the_finding, world

from supervisor_setup.checks import policy
from supervisor_setup.checks.subscription import subscription
from supervisor_setup.findings import Status

ACCOUNT = {"accountUuid": "1", "emailAddress": "a@example.org"}


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
