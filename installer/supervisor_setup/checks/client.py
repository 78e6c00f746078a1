"""The client itself: is it there, and does it see what was installed?"""

from supervisor_setup.checks.check import Check

CHECKS: tuple[Check, ...] = ()
