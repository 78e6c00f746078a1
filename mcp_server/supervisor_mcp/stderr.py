"""Lines for whoever reads the client's log of this server. Never a secret, never a prompt."""

import os


def log(text: str) -> None:
    """Write one line to stderr at once, past Python's buffers, whose locks could hold up the exit."""
    try:
        os.write(2, f"supervisor-mcp: {text}\n".encode(errors="replace"))
    except OSError:
        return  # nobody reads


def log_exception(text: str) -> None:
    """Log `text` and the exception that is being handled."""
    import traceback

    log(f"{text}\n{traceback.format_exc()}")
