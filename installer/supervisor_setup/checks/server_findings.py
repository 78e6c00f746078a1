"""How a finding about a server's entry reads: its file and line, its name, and how to be rid of it."""

import shlex

from supervisor_setup.checks.mcp_servers import ServerEntry, ServerScope
from supervisor_setup.findings import Finding, Status


def about(check: str, status: Status, entry: ServerEntry, message: str, hint: str, *keys: str) -> Finding:
    """A finding about `entry`, at the line of the value below `keys` in it, or of the entry itself."""
    found = entry.document
    line = found.line_of(*entry.keys, *keys) or found.line_of(*entry.keys)
    return Finding(
        check, status, f"mcpServers.{entry.name}: {message}", path=entry.path, line=line, hint=hint
    )


def removal(entry: ServerEntry) -> str:
    """How to remove an entry."""
    if entry.scope is ServerScope.MANAGED:
        return "ask your administrator to remove it"
    return f"claude mcp remove {shlex.quote(entry.name)} -s {entry.scope}"
