"""What Anthropic's terms do not allow, or what bills a subscriber by accident.

All of it informs: the terms are Anthropic's, and what is said of them is how we read them.
"""

from collections.abc import Iterator

from supervisor_setup.checks import gateways, harnesses, proxy_tokens
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import Level, settings_files
from supervisor_setup.checks.gateways import Gateway
from supervisor_setup.checks.subscription import TOKEN_START, TOKEN_VARIABLE, subscription
from supervisor_setup.checks.variables import Assignment, Source, assignments
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

TERMS = "https://code.claude.com/docs/en/legal-and-compliance"
BASE_URL = "ANTHROPIC_BASE_URL"
AUTH_TOKEN = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - a variable's name
API_KEY = "ANTHROPIC_API_KEY"
HELPER = "apiKeyHelper"
_READ = "as we read Anthropic's terms of April 2026,"
# How much of a key the client keeps to know it again.
_KEY_END = 20


def base_url(world: World) -> Iterator[Finding]:
    """Claude Code's own requests are sent to a proxy instead of to Anthropic.

    With a subscription the client hands the login's own token to whatever ANTHROPIC_BASE_URL names, in print
    mode also where a project's settings name it, and ANTHROPIC_AUTH_TOKEN takes the login's place (measured
    on 2.1.197 and 2.1.330). As we read Anthropic's terms of April 2026
    (https://code.claude.com/docs/en/legal-and-compliance), a subscription's login is for ordinary use of
    Claude Code and Anthropic's other apps, and others are not to route requests through it; in October 2026
    the page says, too, that they are not to keep its tokens or pass them on. A gateway is for API keys and
    cloud accounts. Local models belong behind tools, where Claude asks them, not in Claude's place.

    Mend: remove the variable where it is set. For a gateway that you do mean to use, give it an API key of
    its own and log the subscription out with `claude auth logout`.
    """
    with_key = _own_key(world)
    for one in assignments(world, BASE_URL):
        gateway = gateways.named_by(world, one)
        if gateway is not None:
            yield from _redirected(world, one, gateway, with_key=with_key)
    if subscription(world) and not assignments(world, BASE_URL):
        message = f"{AUTH_TOKEN} is sent in the place of your Claude login, so that your plan is not used"
        for one in assignments(world, AUTH_TOKEN):
            yield _of_variable(world, "policy.base-url", _weight(world, one), message, one)


def _redirected(world: World, one: Assignment, gateway: Gateway, *, with_key: bool) -> Iterator[Finding]:
    login = subscription(world) is not None
    status = _weight(world, one)
    if gateway.backend is not None:
        where = f"your backend `{gateway.backend}`, which is for the local tools"
    else:
        where = gateway.address
        if not login and _passive(world, one):
            return
        if not login or with_key:
            status = Status.INFO
    if not login:
        effect = f"{_READ} that is fine with an API key, not with a subscription"
    elif with_key:
        effect = "another key goes along, so that your Claude plan is not used"
    else:
        effect = f"your subscription's token goes along, and {_READ} it is not for a proxy"
    message = f"{BASE_URL} sends Claude Code's own requests to {where}; {effect}"
    yield _of_variable(world, "policy.base-url", status, message, one)


def api_key(world: World) -> Iterator[Finding]:
    """An API key takes the place of your Claude plan and bills each token.

    Measured on 2.1.197 and 2.1.330: `claude -p` uses ANTHROPIC_API_KEY, from the environment or from the
    `env` of settings, without a word, even a key that you have refused before; an interactive session asks
    once and remembers. `apiKeyHelper` is used without asking. Anthropic's terms of April 2026
    (https://code.claude.com/docs/en/legal-and-compliance) allow a key as well as a plan, but the key is
    billed by the token while the plan that you pay for is not used. Without a sign of a subscription nothing
    is said.

    Mend: remove the variable, and give it to the programs that need it alone; `env -u ANTHROPIC_API_KEY
    claude` starts Claude Code without it.
    """
    if not subscription(world):
        return
    for one in assignments(world, API_KEY):
        if one.name in one.value:  # it hands on what is set already
            continue
        effect = f"goes before your Claude plan: `claude -p` bills this key, {_in_session(world, one)}"
        yield _of_variable(world, "policy.api-key", _weight(world, one), f"{API_KEY} {effect}", one)
    for settings in settings_files(world):
        document = world.document(settings.path)
        if settings.level is not Level.MANAGED and isinstance(document.at(HELPER), str):
            yield Finding(
                "policy.api-key",
                Status.WARNING,
                f"{HELPER}: the key that it prints goes before your Claude plan, without a question",
                path=settings.path,
                line=document.line_of(HELPER),
                hint=f"remove {HELPER} there, unless that key is to be billed; terms: {TERMS}",
            )


def _in_session(world: World, one: Assignment) -> str:
    answers = world.client_state.mapping("customApiKeyResponses")
    end = one.value[-_KEY_END:]
    if end in _list(answers.get("approved")):
        return "and so does an interactive session, as you once answered"
    if end in _list(answers.get("rejected")):
        return "though an interactive session does not, as you once answered"
    return "and an interactive session asks whether to"


def harness(world: World) -> Iterator[Finding]:
    """A third-party harness or router uses a Claude subscription, or is there to stand in Claude's place.

    As we read Anthropic's terms of April 2026 (https://code.claude.com/docs/en/legal-and-compliance), a
    subscription's login is for Claude Code and Anthropic's other apps. From 4 April 2026 on, Anthropic said,
    plans no longer cover third-party harnesses: their use is billed as extra usage, or refused. With an API
    key they are fine, and one that is merely installed is no fault; of those that work for many providers
    nothing is said unless a subscription's login is found with them.

    Mend: log the subscription out there, and give the program an API key of its own.
    """
    for one in harnesses.seen(world):
        name, does = one.harness.name, one.harness.does
        status = Status.WARNING
        if one.holds_token:
            message = f"{name} is set up for a Claude subscription; {_READ} plans do not cover its use"
            hint = f"log out there, and give {name} an API key"
        elif one.harness.shares_login and subscription(world):
            message = f"{name} {does}; {_READ} a plan is not for that"
            hint = f"use an API key for what {name} serves"
        else:
            status = Status.INFO
            message = f"{name} {does}; {_READ} that is fine with API keys, not with a subscription"
            hint = "nothing to do where it has keys of its own"
        yield Finding("policy.harness", status, message, one.path, one.line, f"{hint}; terms: {TERMS}")


def oauth_in_proxy(world: World) -> Iterator[Finding]:
    """A subscription's token is given to a proxy such as LiteLLM.

    As we read Anthropic's terms of April 2026 (https://code.claude.com/docs/en/legal-and-compliance), a
    subscription's login is for ordinary use of Claude Code and Anthropic's other apps, others are not to
    route requests through it, and Anthropic may enforce that without notice; in October 2026 the page says,
    too, that they are not to keep its tokens or pass them on. A token (`sk-ant-oat...`) in a proxy's config
    also lends the account to everyone who can reach the proxy or read the file.

    Mend: take the token out of the file, and give the proxy an API key.
    """
    for found in proxy_tokens.in_files(world):
        message = f"{found.what}; {_READ} it is for Anthropic's own apps, not for a proxy"
        hint = f"take it out there, and give the proxy an API key; terms: {TERMS}"
        yield Finding("policy.oauth-in-proxy", Status.WARNING, message, found.path, found.line, hint)
    yield from _in_variables(world)


def _in_variables(world: World) -> Iterator[Finding]:
    proxied = any(gateways.named_by(world, one) for one in assignments(world, BASE_URL))
    names = dict.fromkeys((AUTH_TOKEN, API_KEY, TOKEN_VARIABLE) if proxied else (), f"what {BASE_URL} names")
    # What the local-models server sends to a backend as its key.
    for name, place in {**names, **proxy_tokens.key_variables(world)}.items():
        message = f"{name} holds a subscription's token and goes to {place}; {_READ} it is not for a proxy"
        for one in assignments(world, name):
            if one.value.startswith(TOKEN_START):
                yield _of_variable(world, "policy.oauth-in-proxy", Status.WARNING, message, one)


def _own_key(world: World) -> bool:
    """Whether the client has something else to send than the subscription's token."""
    for name in (AUTH_TOKEN, API_KEY):
        for one in assignments(world, name):
            if not _passive(world, one) and not one.value.startswith(TOKEN_START):
                return True
    return any(isinstance(world.document(one.path).at(HELPER), str) for one in settings_files(world))


def _unread(one: Assignment) -> bool:
    """Whether the client does not see it by itself: a `.env` that something else has to load first."""
    return one.source is Source.DOTENV and one.path is not None and one.path.name != ".envrc"


def _passive(world: World, one: Assignment) -> bool:
    """Whether nothing comes of it by itself, or an administrator has chosen it."""
    return _unread(one) or (one.path is not None and world.layout.managed in one.path.parents)


def _weight(world: World, one: Assignment) -> Status:
    return Status.INFO if _passive(world, one) else Status.WARNING


def _of_variable(world: World, check: str, status: Status, message: str, one: Assignment) -> Finding:
    hint = one.removal
    if _unread(one):
        message = f"{message} (only once something loads this file)"
    elif one.path is not None and world.layout.managed in one.path.parents:
        hint = "ask your administrator whether that is meant"
    return Finding(check, status, message, one.path, one.line, hint=f"{hint}; terms: {TERMS}")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


CHECKS: tuple[Check, ...] = (
    Check("policy.base-url", base_url),
    Check("policy.api-key", api_key),
    Check("policy.harness", harness),
    Check("policy.oauth-in-proxy", oauth_in_proxy),
)
