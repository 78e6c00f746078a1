"""supervisor-mcp: the local-models MCP server of supervisor-setup."""

__version__ = "0.1.0"
