"""The client's own files: does it read them at all, and all that is in them?"""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.artefacts import Address, Kind
from supervisor_setup.checks import leavings, settings_hooks, settings_values
from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import Level, project_settings_files, scopes
from supervisor_setup.checks.documents import Document, State
from supervisor_setup.checks.mcp_servers import ServerEntry, ServerScope, configured, project_files
from supervisor_setup.checks.world import World
from supervisor_setup.errors import TargetError, UserError
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import display

_IGNORED = "the client ignores the whole file without a word, deny rules included"
_POLICY_LOST = "2.1.330 does not start because of it, 2.1.197 runs without these policies"
_RESET = "the client resets it to its defaults at its next start, and its MCP servers and approvals are gone"
_NO_SERVERS = "the client does not see its MCP servers"
_BLANK_BYTES = 4_096
_SEARCHED_BYTES = 1_000_000
"""Beyond this a file is not looked through for keys that stand twice."""


def parse(world: World) -> Iterator[Finding]:
    """A file of the client's is not JSON (a comment, a trailing comma, an open end), or has a key twice.

    The client ignores such a settings file whole and without a word, so that its deny rules no longer hold;
    it resets such a state file to its defaults (measured on 2.1.197 and 2.1.330). Of a key that stands twice
    only the last counts: with two `permissions` the deny rules of the first do not hold.

    Mend: correct the place that is named. Keep the client closed while its state file is broken.
    """
    for one in project_settings_files(world):
        yield from _parse(world, one.path, _POLICY_LOST if one.level is Level.MANAGED else _IGNORED)
    for path in _server_files(world):
        yield from _parse(world, path, _NO_SERVERS)
    yield from _parse(world, world.layout.client_state, _RESET)


def inert_mcp(world: World) -> Iterator[Finding]:
    """An MCP server stands only in a settings.json, where the client does not look for servers.

    The client accepts `mcpServers` there and ignores it: the server does not exist for Claude, and nothing
    says so (measured on 2.1.197 and 2.1.330).

    Mend: register it where the client reads it, with `claude mcp add-json`, and remove it from the settings.
    """
    read = {one.name for one in configured(world) if one.scope is not ServerScope.SETTINGS}
    for one in configured(world):
        if one.scope is ServerScope.SETTINGS and one.name not in read and not _is_ours(world, one):
            yield Finding(
                "settings.inert-mcp",
                Status.ERROR,
                f"{one.title} stands only here, where the client ignores it, so Claude does not have it",
                path=one.path,
                line=world.document(one.path).line_of(*one.keys),
                hint=_registration(world, one),
            )


def _parse(world: World, path: Path, consequence: str) -> Iterator[Finding]:
    document = world.document(path)
    if document.state is State.UNREADABLE:
        yield Finding("settings.parse", Status.ERROR, document.error, path=path, hint=document.hint)
    elif document.state is State.BROKEN and consequence is not _RESET and _is_blank(path):
        yield Finding(
            "settings.parse",
            Status.INFO,
            "is empty; the client takes that for nothing, and install does not write into it",
            path=path,
            hint=f"echo '{{}}' > {quote(path)}",
        )
    elif document.state is State.BROKEN:
        yield _broken(world, document, f"column {document.column}: {document.error}; {consequence}")
    elif document.state is State.GOOD and path not in _settings_paths(world):
        yield from _not_an_object(world, document, consequence)
    if document.state is State.GOOD and path != world.layout.client_state:
        yield from _doubled(document)


def _broken(world: World, document: Document, message: str) -> Finding:
    hint = f"mend that place, then: python3 -m json.tool {quote(document.path)} > /dev/null"
    if document.path == world.layout.client_state:
        backups = world.layout.claude_dir / "backups"
        hint = f"close the client first; {hint}; or take a backup of the client's: ls -t {quote(backups)}"
    return Finding("settings.parse", Status.ERROR, message, path=document.path, line=document.line, hint=hint)


def _not_an_object(world: World, document: Document, consequence: str) -> Iterator[Finding]:
    """A settings file that is no object is `settings.schema`'s."""
    if not isinstance(document.value, Mapping):
        yield _broken(world, document, f"is JSON, but no object; {consequence}")


def _doubled(document: Document) -> Iterator[Finding]:
    """Keys that stand twice in one object with different values."""
    try:
        data = files.read(document.path).data or b""
    except TargetError:
        return
    if len(data) <= _SEARCHED_BYTES:
        for key in _doubled_keys(data.decode("utf-8", "replace").removeprefix("\ufeff")):
            yield Finding(
                "settings.parse",
                Status.WARNING,
                f"the key `{key}` stands twice in one object; only the last counts, the other is ignored",
                path=document.path,
                line=_second_line(data, key),
                hint="join the two, or remove the one that is not meant",
            )


def _doubled_keys(text: str) -> list[str]:
    found: dict[str, None] = {}

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in pairs:
            if key in values and values[key] != value:
                found[key] = None
            values[key] = value
        return values

    try:
        json.loads(text, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return []
    return list(found)


def _second_line(data: bytes, key: str) -> int | None:
    """Where a key of the outermost object stands for the second time; None for one further in."""
    from supervisor_setup.edit import EditError, json_spans

    try:
        json_spans.line_of(data, (key,))
    except EditError as error:
        return error.line
    return None


def _is_blank(path: Path) -> bool:
    try:
        return path.stat().st_size <= _BLANK_BYTES and not path.read_bytes().strip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return False


def _settings_paths(world: World) -> set[Path]:
    return {one.path for one in project_settings_files(world)}


def _server_files(world: World) -> Iterator[Path]:
    """Every .mcp.json that a client started here or in the project's root reads."""
    folder = (scope.servers for scope in scopes(world) if scope.servers != world.layout.client_state)
    yield from dict.fromkeys((*project_files(world), *folder))


def _is_ours(world: World, entry: ServerEntry) -> bool:
    """Whether it is what install wrote there: what that lacks elsewhere, `server.entry` tells."""
    address = Address(Kind.ENTRY, entry.path, entry.keys)
    return any(
        not isinstance(where.manifest, UserError) and address in where.manifest.records
        for where in world.installed
    )


def _registration(world: World, entry: ServerEntry) -> str:
    level = next(one.level for one in project_settings_files(world) if one.path == entry.path)
    scope = Level.USER if level is Level.MANAGED else level
    name, shown = shlex.quote(entry.name), display(entry.path, world.layout.home)
    return f"claude mcp add-json --scope {scope} {name} 'THE ENTRY', then remove it from {shown}"


CHECKS = (
    Check("settings.parse", parse),
    *settings_values.CHECKS,
    Check("settings.inert-mcp", inert_mcp),
    *settings_hooks.CHECKS,
    *leavings.CHECKS,
)
