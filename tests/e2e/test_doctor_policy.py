"""What doctor says of proxies, keys and subscriptions, held against what the real client sends.

All keys and tokens here are dummies; no request leaves this machine.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .claude import Claude, run_tied
from .desk import Desk, desk_at, write
from .messages_api import text
from .wire import MessagesRequest

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
TOKEN = "sk-ant-oat01-dummy-subscription"
KEY = "sk-ant-api03-dummy-key-0123456789"
BEARER = "dummy-bearer"
HELPED = "dummy-helped"
DUMMIES = (TOKEN, KEY, BEARER, HELPED, "sk-ant-ort01-dummy")


@pytest.fixture(scope="module")
def subscriber(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home whose client has a subscription's login."""
    with desk_at(client, tmp_path_factory.mktemp("subscriber")) as desk:
        log_in(desk)
        yield desk
        # With a login the client asks Anthropic itself about the account; the stand-in refuses that, as all.
        desk.api.others[:] = [one for one in desk.api.others if one.path != "api.anthropic.com:443"]


def log_in(desk: Desk) -> None:
    """What the client keeps in its folder after a login with a plan."""
    login = {
        "accessToken": TOKEN,
        "refreshToken": "sk-ant-ort01-dummy",
        "expiresAt": int((time.time() + 86_400) * 1000),
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    write(desk.home.claude_dir / ".credentials.json", {"claudeAiOauth": login})


def sent(desk: Desk, conversation: str, **env: str) -> MessagesRequest:
    """The first request of a run in whose environment only `env` says where to ask and who pays."""
    desk.api.script(conversation, [text("done")])
    # The client takes an empty variable for one that is not set.
    transcript = desk.ask(conversation, **{"ANTHROPIC_BASE_URL": "", "ANTHROPIC_API_KEY": "", **env})
    assert transcript.answer == "done", transcript.finished.output
    return desk.api.first(conversation)


def keys(request: MessagesRequest) -> dict[str, str]:
    """The headers of a request that say who pays."""
    return {name: request.headers[name] for name in ("authorization", "x-api-key") if name in request.headers}


def found(desk: Desk, check: str, **env: str) -> list[tuple[str, str | None, int | None, str]]:
    """Status, path, line and message of what doctor finds there; no dummy is in any of its words."""
    words = (PROGRAM, "--json", "doctor", "--offline", "--check", check)
    ran = run_tied(words, env={**desk.home.env, **env}, cwd=desk.home.project, timeout=60)
    for dummy in DUMMIES:
        assert dummy not in ran.output
    return [
        (one["status"], one["path"], one["line"], one["message"])
        for one in json.loads(ran.stdout)["findings"]
        if one["status"] not in ("ok", "skipped")
    ]


@pytest.fixture
def settings(subscriber: Desk) -> Iterator[Path]:
    """The subscriber's settings.json, which the test writes."""
    yield subscriber.home.settings
    subscriber.home.settings.unlink(missing_ok=True)


def test_a_subscriber_alone_pays_with_the_plan_and_nothing_is_found(subscriber: Desk) -> None:
    request = sent(subscriber, "plan", ANTHROPIC_BASE_URL=subscriber.api.url)
    assert keys(request) == {"authorization": f"Bearer {TOKEN}"}
    assert found(subscriber, "policy") == []


def test_a_base_url_in_settings_sends_the_subscriptions_token_to_the_proxy(
    subscriber: Desk, settings: Path
) -> None:
    write(settings, {"env": {"ANTHROPIC_BASE_URL": subscriber.api.url}})
    # The environment names an address at which nothing listens.
    request = sent(subscriber, "proxied", ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert keys(request) == {"authorization": f"Bearer {TOKEN}"}
    ((status, path, line, message),) = found(subscriber, "policy.base-url")
    assert (status, path, line) == ("warning", str(settings), 3)
    assert subscriber.api.url.removeprefix("http://") in message
    assert "your subscription's token goes along" in message


def test_a_projects_settings_do_the_same_in_print_mode(subscriber: Desk) -> None:
    settings = write(
        subscriber.home.project / ".claude" / "settings.json",
        {"env": {"ANTHROPIC_BASE_URL": subscriber.api.url}},
    )
    try:
        assert keys(sent(subscriber, "project")) == {"authorization": f"Bearer {TOKEN}"}
        ((status, path, line, _),) = found(subscriber, "policy.base-url")
    finally:
        shutil.rmtree(settings.parent)
    assert (status, path, line) == ("warning", str(settings), 3)


def test_an_auth_token_goes_out_in_the_place_of_the_plans(subscriber: Desk, settings: Path) -> None:
    write(settings, {"env": {"ANTHROPIC_AUTH_TOKEN": BEARER}})
    request = sent(subscriber, "bearer", ANTHROPIC_BASE_URL=subscriber.api.url)
    assert keys(request) == {"authorization": f"Bearer {BEARER}"}
    ((status, path, line, _),) = found(subscriber, "policy.base-url")
    assert (status, path, line) == ("warning", str(settings), 3)


@pytest.mark.parametrize("place", ["environment", "settings.json"])
def test_a_key_goes_before_the_plan_in_print_mode_even_when_it_was_refused(
    subscriber: Desk, settings: Path, place: str
) -> None:
    variable = {"ANTHROPIC_API_KEY": KEY}
    own = variable if place == "environment" else {}
    write(settings, {"env": {} if own else variable})
    state = json.loads(subscriber.home.client_json.read_bytes())
    refused = {"approved": [], "rejected": [KEY[-20:]]}
    write(subscriber.home.client_json, {**state, "customApiKeyResponses": refused})
    request = sent(subscriber, place, ANTHROPIC_BASE_URL=subscriber.api.url, **own)
    assert keys(request) == {"x-api-key": KEY}
    ((status, path, line, message),) = found(subscriber, "policy.api-key", **own)
    assert (status, path, line) == ("warning", *((None, None) if own else (str(settings), 3)))
    assert "though an interactive session does not" in message


def test_the_key_of_a_helper_goes_before_the_plan(subscriber: Desk, settings: Path) -> None:
    write(settings, {"apiKeyHelper": f"echo {HELPED}"})
    request = sent(subscriber, "helped", ANTHROPIC_BASE_URL=subscriber.api.url)
    assert keys(request) == {"authorization": f"Bearer {HELPED}", "x-api-key": HELPED}
    ((status, path, line, _),) = found(subscriber, "policy.api-key")
    assert (status, path, line) == ("warning", str(settings), 2)


def test_the_key_of_a_console_login_and_a_dotenv_do_not(subscriber: Desk) -> None:
    state = json.loads(subscriber.home.client_json.read_bytes())
    write(subscriber.home.client_json, {**state, "primaryApiKey": KEY})
    dotenv = write(subscriber.home.project / ".env", f"ANTHROPIC_API_KEY={KEY}\n")
    request = sent(subscriber, "console", ANTHROPIC_BASE_URL=subscriber.api.url)
    assert keys(request) == {"authorization": f"Bearer {TOKEN}"}
    ((status, path, line, _),) = found(subscriber, "policy.api-key")
    dotenv.unlink()
    assert (status, path, line) == ("info", str(dotenv), 1)


def test_a_token_made_for_scripts_goes_to_whatever_the_base_url_names(desk: Desk) -> None:
    variables = {"CLAUDE_CODE_OAUTH_TOKEN": TOKEN, "ANTHROPIC_BASE_URL": desk.api.url}
    assert keys(sent(desk, "script", **variables)) == {"authorization": f"Bearer {TOKEN}"}
    ((status, *_),) = found(desk, "policy.oauth-in-proxy", **variables)
    assert status == "warning"


def test_doctors_words_hold_no_key_and_no_token(subscriber: Desk, settings: Path) -> None:
    write(settings, {"apiKeyHelper": f"echo {HELPED}", "env": {"ANTHROPIC_AUTH_TOKEN": BEARER}})
    litellm = f"model_list:\n- api_key: {TOKEN}\n"
    planted = [write(subscriber.home.project / "litellm_config.yaml", litellm)]
    planted.append(write(subscriber.home.project / ".env", f"ANTHROPIC_API_KEY={KEY}\n"))
    ran = subscriber.command(PROGRAM, "doctor", "--offline", "--verbose")
    for path in planted:
        path.unlink()
    for check in ("policy.base-url", "policy.api-key", "policy.oauth-in-proxy"):
        assert check in ran.stdout
    for dummy in DUMMIES:
        assert dummy not in ran.output


def test_a_login_for_the_console_alone_is_not_used_and_not_taken_for_a_plan(desk: Desk) -> None:
    log_in(desk)
    path = desk.home.claude_dir / ".credentials.json"
    login = json.loads(path.read_bytes())["claudeAiOauth"]
    write(path, {"claudeAiOauth": {**login, "scopes": ["org:create_api_key"], "subscriptionType": None}})
    variables = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": desk.api.url}
    assert keys(sent(desk, "console", **variables)) == {"x-api-key": KEY}
    assert found(desk, "policy.api-key", ANTHROPIC_API_KEY=KEY) == []
