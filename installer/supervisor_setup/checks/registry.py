"""Every check, in the order in which its family is reported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from supervisor_setup.checks import backends, config, drift, installed_agents, server, settings, tiers
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

Run = Callable[[World], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check: the id of its findings (or FAMILY.* where it has several) and what it looks for.

    An `online` one starts processes or opens connections, so `--offline` skips it.
    """

    id: str
    run: Run
    online: bool = False

    def finds(self, finding: str) -> bool:
        """Whether a finding of this id, or of this FAMILY.*, comes from this check."""
        return finding == self.id or (self.id.endswith(".*") and finding.startswith(self.id[:-1]))

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


CHECKS: tuple[Check, ...] = (
    Check("config.parse", config.parse),
    Check("drift.missing", drift.missing),
    Check("drift.edited", drift.edited),
    Check("drift.outdated", drift.outdated),
    Check("drift.both-changed", drift.both_changed),
    Check("drift.orphan", drift.orphan),
    Check("drift.conflict", drift.conflict),
    Check("drift.manifest", drift.manifest),
    Check("settings.parse", settings.parse),
    Check("server.entry", server.entry),
    Check("agents.*", installed_agents.valid),
    Check("tiers.subagent-override", tiers.subagent_override),
    Check("backend.reachable", backends.reachable, online=True),
)


def run(world: World, checks: Iterable[Check], *, offline: bool) -> list[Finding]:
    """All findings, an `ok` for each check that found nothing."""
    findings: list[Finding] = []
    for check in checks:
        if offline and check.online:
            findings.append(Finding(check.id, Status.SKIPPED, "not looked at with --offline"))
            continue
        found = list(check.run(world))
        findings += found or [Finding(check.id, Status.OK, "nothing found")]
    return findings
