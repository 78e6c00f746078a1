"""Signs of a Claude subscription, with tokens that are none; and what the checks of policy make of them."""

from dataclasses import replace

from bench import Bench

from supervisor_setup.checks import policy
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding
from supervisor_setup.layout import Layout

TOKEN = "sk-ant-oat01-not-a-token"
KEY = "sk-ant-api03-not-a-key-0123456789"
PROXY = "http://proxy.example:4000"


def log_in(bench: Bench, **changes: object) -> None:
    """The login that the client keeps in its folder on Linux."""
    login = {"accessToken": TOKEN, "scopes": ["user:inference"], "subscriptionType": "max", **changes}
    bench.write(bench.home.path / ".claude" / ".credentials.json", {"claudeAiOauth": login})


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
