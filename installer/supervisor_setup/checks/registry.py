"""Every check, family by family."""

from supervisor_setup.checks import (
    client,
    config,
    drift,
    installed_agents,
    pipelines,
    policy,
    server,
    settings,
    tiers,
)
from supervisor_setup.checks.check import Check, Later, Reach

_PROBE_SECONDS = 15.0
_ANSWER_SECONDS = 165.0
"""A probe, `backend_answers.ANSWER_SECONDS`, and room; the long prompts begin when the answers are there."""

_BACKEND = (
    Check("backend.resolve", Later("backends", "resolve"), Reach.LOCAL, _PROBE_SECONDS),
    Check("backend.reachable", Later("backends", "reachable"), Reach.LOCAL, _PROBE_SECONDS),
    Check("backend.auth", Later("backends", "auth"), Reach.LOCAL, _PROBE_SECONDS),
    Check("backend.models", Later("backend_models", "models"), Reach.LOCAL, _PROBE_SECONDS),
    Check("backend.cloud", Later("backend_models", "cloud"), Reach.LOCAL, _PROBE_SECONDS),
    Check(
        "backend.litellm-version", Later("backend_litellm", "litellm_version"), Reach.LOCAL, _PROBE_SECONDS
    ),
    Check("backend.answer", Later("backend_answers", "answer"), Reach.DEEP, _ANSWER_SECONDS),
    Check("backend.context", Later("backend_context", "context"), Reach.DEEP, 2 * _ANSWER_SECONDS),
)

CHECKS: tuple[Check, ...] = (
    *config.CHECKS,
    *drift.CHECKS,
    *settings.CHECKS,
    *installed_agents.CHECKS,
    *tiers.CHECKS,
    *policy.CHECKS,
    *server.CHECKS,
    *_BACKEND,
    *pipelines.CHECKS,
    *client.CHECKS,
)
