"""Files of the user's project: found, opened without ever leaving it, and read unless they look secret."""
