"""The client's own files: does it read them at all?"""

from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.check import Check
from supervisor_setup.checks.client_files import scopes, settings_files
from supervisor_setup.checks.documents import State
from supervisor_setup.checks.world import World
from supervisor_setup.files import quote
from supervisor_setup.findings import Finding, Status
from supervisor_setup.layout import ScopeName

_IGNORED = "the client ignores the whole file without a word, deny rules included"
_RESET = "the client resets it to its defaults at its next start"
_NO_SERVERS = "the client does not see its MCP servers"


def parse(world: World) -> Iterator[Finding]:
    """A file of the client's is not JSON: a comment, a trailing comma, an open end.

    The client ignores such a settings file whole and without a word, so that its deny rules no longer hold;
    it resets such a state file to its defaults (measured on 2.1.197 and 2.1.330).

    Mend: correct the place that is named. Keep the client closed while its state file is broken.
    """
    for path, consequence in _files(world):
        document = world.document(path)
        if document.state is State.UNREADABLE:
            yield Finding("settings.parse", Status.ERROR, document.error, path=path, hint=document.hint)
        elif document.state is State.BROKEN:
            yield Finding(
                "settings.parse",
                Status.ERROR,
                f"column {document.column}: {document.error}; {consequence}",
                path=path,
                line=document.line,
                hint=f"mend that place, then: python3 -m json.tool {quote(path)} > /dev/null",
            )


def _files(world: World) -> Iterator[tuple[Path, str]]:
    for settings in settings_files(world):
        yield settings.path, _IGNORED
    for scope in scopes(world):
        yield scope.servers, _RESET if scope.name is ScopeName.USER else _NO_SERVERS


CHECKS = (Check("settings.parse", parse),)
