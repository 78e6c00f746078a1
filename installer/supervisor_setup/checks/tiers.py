"""What defeats the agents' tiers from outside their files."""

from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.settings import scopes
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

VARIABLE = "CLAUDE_CODE_SUBAGENT_MODEL"


def subagent_override(world: World) -> Iterator[Finding]:
    """One model for all subagents is set.

    On the wire 2.1.197 runs every agent on it; 2.1.330 only those that name no model themselves.
    """
    if value := world.environment.get(VARIABLE):
        yield _finding(value, None, f"unset {VARIABLE}")
    for path in _settings_files(world):
        if value := world.lookup(path, ("env", VARIABLE)):
            yield _finding(value, path, f"remove {VARIABLE} from `env` there")


def _finding(value: str, path: Path | None, hint: str) -> Finding:
    return Finding(
        "tiers.subagent-override",
        Status.WARNING,
        f"{VARIABLE}={value}: older clients run every agent on it, whatever its tier",
        path=path,
        hint=hint,
    )


def _settings_files(world: World) -> Iterator[Path]:
    for scope in scopes(world):
        yield scope.settings
        yield scope.settings.with_name("settings.local.json")
