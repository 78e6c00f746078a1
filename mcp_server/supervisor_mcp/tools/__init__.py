"""The tools that read files on the server's side, so that Claude need not: it sees the answers alone."""
