"""The client's own files: does it read them at all?"""

from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.world import World
from supervisor_setup.edit import EditError, json_spans
from supervisor_setup.errors import TargetError, UserError
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import Scope, ScopeName

_IGNORED = "the client ignores the whole file without a word, deny rules included"
_RESET = "the client resets it to its defaults at its next start"
_NO_SERVERS = "the client does not see its MCP servers"


def parse(world: World) -> Iterator[Finding]:
    """A file of the client's does not parse (measured on 2.1.197 and 2.1.330)."""
    for path, consequence in _files(world):
        data = world.read(path)
        if isinstance(data, TargetError):
            yield Finding("settings.parse", Status.ERROR, data.message, path=path, hint=data.hint)
        elif data is not None:
            try:
                json_spans.parse(data)
            except EditError as error:
                yield Finding(
                    "settings.parse",
                    Status.ERROR,
                    f"column {error.column}: {error.what}; {consequence}",
                    path=path,
                    line=error.line,
                    hint=f"mend that place, then: python3 -m json.tool {quote(path)} > /dev/null",
                )


def _files(world: World) -> Iterator[tuple[Path, str]]:
    for scope in scopes(world):
        yield scope.settings, _IGNORED
        yield scope.settings.with_name("settings.local.json"), _IGNORED
        yield scope.servers, _RESET if scope.name is ScopeName.USER else _NO_SERVERS


def scopes(world: World) -> Iterator[Scope]:
    """The scopes that the client would read in this folder, whether or not we installed anything there."""
    for name in ScopeName:
        try:
            yield world.layout.scope(name)
        except UserError:
            continue
