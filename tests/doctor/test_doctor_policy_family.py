"""What holds of every check of policy."""

import json

import pytest
from bench import Bench
from subscribers import KEY, PROXY, TOKEN, all_findings, log_in

from supervisor_setup.checks import policy
from supervisor_setup.checks.check import Reach

ACCOUNT = {"accountUuid": "1", "emailAddress": "a@example.org"}
IDS = ("policy.base-url", "policy.api-key", "policy.harness", "policy.oauth-in-proxy")


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
