"""Every check, family by family."""

from supervisor_setup.checks import (
    backends,
    client,
    config,
    drift,
    installed_agents,
    policy,
    server,
    settings,
    tiers,
)
from supervisor_setup.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *config.CHECKS,
    *drift.CHECKS,
    *settings.CHECKS,
    *installed_agents.CHECKS,
    *tiers.CHECKS,
    *policy.CHECKS,
    *server.CHECKS,
    *backends.CHECKS,
    *client.CHECKS,
)
