"""Faults in agent files, and between agents of one name."""

from bench import Bench, Fault, Faults

from supervisor_setup.findings import Status

INFO, WARNING, ERROR = Status.INFO, Status.WARNING, Status.ERROR


def _file(bench: Bench, *lines: str) -> object:
    return bench.write(bench.home.agents / "faulty.md", "\n".join((*lines, "")))


def _with(line: str, status: Status) -> Fault:
    return Fault(lambda bench: bench.agent("faulty", line), status)


def _tools(tools: str, status: Status) -> Fault:
    lines = ("---", "name: faulty", "description: Use it when asked.", tools, "---", "Do it.")
    return Fault(lambda bench: _file(bench, *lines), status)


def _byte_order_mark(bench: Bench) -> None:
    bench.client("2.1.197")
    _file(bench, "\ufeff---", "name: faulty", "description: Use it.", "tools: Read", "---", "Do it.")


def _two_of_a_name(bench: Bench) -> None:
    bench.agent("twin")
    bench.agent("twin", path=bench.home.agents / "other.md", body="Do something else.\n")


def _project_before_user(bench: Bench) -> None:
    bench.agent("twin")
    bench.agent("twin", path=bench.project / ".claude" / "agents" / "twin.md", body="Do something else.\n")


FAULTS: Faults = {
    "agents.parse": (
        Fault(lambda bench: _file(bench, "You are a helper.")),
        Fault(lambda bench: _file(bench, "---", "name: faulty", 'description: "x', "---", "Do it.")),
        Fault(lambda bench: (bench.home.agents / "gone.md").symlink_to("nowhere.md")),
        Fault(lambda bench: _file(bench, "# Notes"), INFO),
    ),
    "agents.required": (
        Fault(lambda bench: _file(bench, "---", "name: 4711", "description: Use it.", "---", "Do it.")),
        Fault(_byte_order_mark),
    ),
    "agents.unknown-key": (_with("modle: haiku", ERROR), _with("author: me", INFO)),
    "agents.model": (
        _with("model: gpt-4", ERROR),
        _with("model: claude-3-5-haiku-20241022", ERROR),
        _with("model: claude-opus-4-1", WARNING),
    ),
    "agents.ignored-value": (_with("permissionMode: yolo", WARNING), _with("hooks: x", ERROR)),
    "agents.duplicate": (
        Fault(_two_of_a_name),
        Fault(_project_before_user, INFO),
        Fault(lambda bench: bench.agent("Plan"), INFO),
    ),
    "agents.unbounded-tools": _tools("model: haiku", WARNING),
    "agents.unknown-tool": (
        _tools("tools: codebase", ERROR),
        _tools("tools: Read, MultiEdit", WARNING),
        _tools("tools: Read, mcp__nowhere__ask", WARNING),
        _with("disallowedTools: write", WARNING),
    ),
    "agents.description": Fault(
        lambda bench: _file(
            bench, "---", "name: a", f"description: Use it. {'x' * 1024}", "tools: Read", "---", "Do it."
        ),
        WARNING,
    ),
    "agents.empty-prompt": Fault(lambda bench: bench.agent("faulty", body=""), WARNING),
}
