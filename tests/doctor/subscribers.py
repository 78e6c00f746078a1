"""Signs of a Claude subscription, with tokens that are none."""

from bench import Bench

TOKEN = "sk-ant-oat01-not-a-token"
KEY = "sk-ant-api03-not-a-key-0123456789"


def log_in(bench: Bench, **changes: object) -> None:
    """The login that the client keeps in its folder on Linux."""
    login = {"accessToken": TOKEN, "scopes": ["user:inference"], "subscriptionType": "max", **changes}
    bench.write(bench.home.path / ".claude" / ".credentials.json", {"claudeAiOauth": login})
