"""What keeps Claude from using a server that is there: rules, deferral, and other entries of its name."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from supervisor_setup.checks import approval, installed_client, mcp_servers, variables
from supervisor_setup.checks.approval import Standing, plain_name
from supervisor_setup.checks.client_files import settings_files
from supervisor_setup.checks.documents import Document
from supervisor_setup.checks.mcp_servers import ServerEntry, ServerScope
from supervisor_setup.checks.server_findings import about, removal
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status

_FALSE = ("0", "false", "no", "off")
# Modes in which the client does not ask before each tool.
_UNASKED = ("bypassPermissions", "auto")
_OTHER_CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")


def deferred(world: World) -> Iterator[Finding]:
    """The local tools are deferred: Claude does not see their descriptions before it looks for them.

    With tool search on, the first request has the tools' names at most, so Claude has nothing to decide by
    and seldom thinks of them. `"alwaysLoad": true` in the server's entry puts names and descriptions there.

    Mend: `server.always_load: true` in config.yaml, and `install`.
    """
    for entry in mcp_servers.read_by_client(world):
        if not mcp_servers.is_ours(world, entry) or entry.always_loaded or not _searches(world):
            continue
        config = world.config
        wanted = isinstance(config, UserError) or config.always_load
        program = world.layout.command
        mend = f"{program} install --overwrite"
        yield about(
            "server.deferred",
            Status.WARNING if wanted else Status.INFO,
            entry,
            'it has no `"alwaysLoad": true`, so Claude does not see the descriptions of its tools',
            mend if wanted else f"{program} config set server.always_load true, then: {mend}",
        )


def permission(world: World) -> Iterator[Finding]:
    """No rule lets Claude use the local tools, or one forbids it.

    Without `mcp__SERVER` in `permissions.allow` each call fails in print mode (`claude -p`) and waits for the
    user otherwise. A `deny` rule takes the tools away altogether, an `ask` rule outweighs `allow`.

    Mend: the rule `mcp__SERVER` in the user's settings.json, which `install` writes; take a `deny` or `ask`
    rule out where it is named.
    """
    for entry in mcp_servers.read_by_client(world):
        if mcp_servers.is_ours(world, entry):
            yield from _permission(world, entry)


def shadowed(world: World) -> Iterator[Finding]:
    """Two entries of one name differ, or a server waits for approval or is switched off.

    Only one entry of a name is used: the one in managed-mcp.json, then that of the folder (local), of the
    project, of the user. A project's server is not there before its user has approved it, except in print
    mode.

    Mend: remove the entry that is not meant; start `claude` in the folder to approve, `/mcp` to switch on.
    """
    used = {entry.name: entry for entry in mcp_servers.read_by_client(world)}
    for entry in mcp_servers.candidates(world):
        yield from _standing(world, entry, used[entry.name])
    managed = any(entry.scope is ServerScope.MANAGED for entry in used.values())
    for entry in mcp_servers.configured(world) if managed else ():
        if entry.name not in used and entry.scope is ServerScope.USER and mcp_servers.is_ours(world, entry):
            yield about(
                "server.shadowed",
                Status.ERROR,
                entry,
                "it is not used: an administrator's managed-mcp.json leaves room for no other servers",
                "ask your administrator",
            )


def _searches(world: World) -> bool:
    """Whether the client surely defers what has no `alwaysLoad`."""
    if _is_set(world, "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS") or any(
        _is_set(world, name) for name in _OTHER_CLOUDS
    ):
        return False
    asked = variables.effective(world, "ENABLE_TOOL_SEARCH")
    if asked is None:
        by_default = installed_client.installed(world).facts.agree("tool_search_by_default")
        return by_default is True or not _base_url(world)
    value = asked.value.strip().lower()
    if value == "auto" or value.startswith("auto:"):
        # Else only what takes much of the context is deferred.
        return value == "auto:0"
    return value not in _FALSE


def _base_url(world: World) -> str:
    found = variables.effective(world, "ANTHROPIC_BASE_URL")
    return "" if found is None or "//api.anthropic.com" in found.value else found.value


def _is_set(world: World, name: str) -> bool:
    found = variables.effective(world, name)
    return found is not None and found.value.strip().lower() not in _FALSE


def _permission(world: World, entry: ServerEntry) -> Iterator[Finding]:
    tools = _tools(world)
    server = f"mcp__{plain_name(entry.name)}"
    blocked = False
    for kind, status, effect in (
        ("deny", Status.ERROR, "takes {what} away from Claude"),
        ("ask", Status.WARNING, "makes the client ask before {what}, and print mode fail"),
    ):
        for document, rule in _rules(world, kind):
            hit = [tool for tool in tools if _covers(rule, server, tool)]
            whole = len(hit) == len(tools)
            if not hit:
                continue
            blocked = blocked or whole
            what = f"all tools of {entry.name}" if whole else ", ".join(hit)
            yield Finding(
                "server.permission",
                status if whole else Status.INFO,
                f"permissions.{kind}: the rule {rule} {effect.format(what=what)}",
                path=document.path,
                line=document.line_of("permissions", kind),
                hint=f"remove the rule {rule} from permissions.{kind} there",
            )
    if not blocked and not _unasked(world):
        yield from _not_allowed(world, server, tools)


def _not_allowed(world: World, server: str, tools: list[str]) -> Iterator[Finding]:
    rules = [rule for _, rule in _rules(world, "allow")]
    missing = [tool for tool in tools if not any(_allows(rule, server, tool) for rule in rules)]
    if not missing:
        return
    document = world.document(world.layout.claude_dir / "settings.json")
    near = [rule for rule in rules if fnmatchcase(f"{server}__x", rule) or server in rule.replace(" ", "")]
    which = f"no rule in permissions.allow is {server}"
    if len(missing) < len(tools):
        which = f"permissions.allow has no rule for {', '.join(missing)}"
    elif near:
        which = f"permissions.allow has {near[0]}, which the client does not take for {server}"
    yield Finding(
        "server.permission",
        Status.WARNING,
        f"{which}, so the local tools fail in print mode and ask each time otherwise",
        path=document.path,
        line=document.line_of("permissions", "allow"),
        hint=f'add "{server}" to permissions.allow in {quote(document.path)}',
    )


def _tools(world: World) -> list[str]:
    config = world.config
    if isinstance(config, UserError):
        return ["*"]
    tools = config.server.get("tools", {})
    return [name for name, keys in tools.items() if keys.get("enabled", True)] or ["*"]


def _allows(rule: str, server: str, tool: str) -> bool:
    """In `allow` the server's name must be there in full; a pattern may stand for its tools."""
    if rule in (server, f"{server}__*"):
        return True
    return rule.startswith(f"{server}__") and fnmatchcase(f"{server}__{tool}", rule)


def _covers(rule: str, server: str, tool: str) -> bool:
    """In `deny` and `ask` a pattern may stand for anything."""
    return rule == server or fnmatchcase(f"{server}__{tool}", rule)


def _rules(world: World, kind: str) -> Iterator[tuple[Document, str]]:
    """The rules of every settings file that the client reads."""
    for one in settings_files(world):
        document = world.document(one.path)
        rules = document.at("permissions", kind)
        for rule in rules if isinstance(rules, list) else ():
            if isinstance(rule, str):
                yield document, rule


def _unasked(world: World) -> bool:
    modes = [world.document(one.path).at("permissions", "defaultMode") for one in settings_files(world)]
    return any(mode in _UNASKED for mode in modes)


def _standing(world: World, entry: ServerEntry, used: ServerEntry) -> Iterator[Finding]:
    ours = mcp_servers.is_ours(world, entry)
    standing = mcp_servers.standing(world, entry)
    here = quote(world.layout.cwd)
    if standing is Standing.PENDING:
        instead = "" if used is entry else f"; until then the client uses the one in {used.path}"
        yield about(
            "server.shadowed",
            Status.WARNING if ours else Status.INFO,
            entry,
            f"it waits for your approval, and only print mode starts it without{instead}",
            f"look at what it runs, then start claude in {here} and approve it",
        )
    elif standing is Standing.REJECTED and ours:
        yield about(
            "server.shadowed",
            Status.WARNING,
            entry,
            f"{approval.NONE} in a settings file switches it off here",
            f"take {entry.name} out of {approval.NONE}, or: claude mcp reset-project-choices",
        )
    elif standing is Standing.DISABLED and ours:
        yield about(
            "server.shadowed",
            Status.WARNING,
            entry,
            "it is switched off for this project",
            f"start claude in {here}, then: /mcp",
        )
    elif used is not entry and used.scope is not entry.scope and _differ(entry, used):
        yield about(
            "server.shadowed",
            Status.WARNING,
            entry,
            f"this entry is not used: {used.path} has another one ({used.scope} scope), which wins",
            f"keep one of them, for example: {removal(entry)}",
        )


def _differ(one: ServerEntry, other: ServerEntry) -> bool:
    plain = {"type": "stdio"}
    return {**plain, **one.settings} != {**plain, **other.settings}
