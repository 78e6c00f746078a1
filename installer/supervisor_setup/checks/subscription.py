"""Whether Claude is used here with a subscription: only files are looked at, and no token is kept.

Measured on 2.1.197 and 2.1.330: a login in `.credentials.json` whose scopes have `user:inference` is used for
requests, one for the console alone is not; `oauthAccount` says who is logged in, where the token itself may
be in the keychain.
"""

from pathlib import Path

from supervisor_setup.checks.documents import State
from supervisor_setup.checks.variables import Source, assignments
from supervisor_setup.checks.world import World
from supervisor_setup.values import dataclass

TOKEN_START = "sk-ant-oat"  # noqa: S105 - how a subscription's tokens begin, not one of them
TOKEN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105 - a variable's name
_INFERENCE = "user:inference"
_PLANS = "claude_"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A login with a Claude plan; `path` is the file that shows it, None for the environment."""

    path: Path | None


def subscription(world: World) -> Subscription | None:
    """The subscription that the client is logged in with, None where there is no sign of one."""
    return world.memo.get("subscription", lambda: _found(world))


def _found(world: World) -> Subscription | None:
    credentials = world.document(world.layout.claude_dir / ".credentials.json")
    login = credentials.mapping("claudeAiOauth")
    scopes = login.get("scopes")
    if login.get("accessToken") and (
        (isinstance(scopes, list) and _INFERENCE in scopes) or isinstance(login.get("subscriptionType"), str)
    ):
        return Subscription(credentials.path)
    for one in assignments(world, TOKEN_VARIABLE):
        if one.source is not Source.DOTENV:
            return Subscription(one.path)
    state = world.client_state
    if state.state is State.GOOD and _has_plan(world):
        return Subscription(state.path)
    return None


def _has_plan(world: World) -> bool:
    account = world.client_state.mapping("oauthAccount")
    kind = account.get("organizationType")
    if isinstance(kind, str):
        return kind.startswith(_PLANS)
    # Older clients name no kind; a login at the console leaves the key that it made beside the account.
    return bool(account) and not world.client_state.at("primaryApiKey")
