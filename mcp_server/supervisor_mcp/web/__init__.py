"""MCP over HTTP, for a server that runs on another machine than its clients; on the official SDK.

Nothing here is imported while the server speaks over stdin and stdout.
"""
