"""What Anthropic's terms do not allow, or what bills a subscriber by accident."""

from supervisor_setup.checks.check import Check

CHECKS: tuple[Check, ...] = ()
