"""supervisor-setup: tiered subagents and local models for Claude Code, installed without harm."""

__version__ = "0.1.0"
