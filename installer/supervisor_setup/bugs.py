"""What happens when supervisor-setup itself is wrong: one line for the user, a log file for the report."""

import platform
import sys
import tempfile
import traceback
from pathlib import Path

from supervisor_setup import __version__, folders


def report(error: Exception) -> str:
    """Write the traceback to a log file and say where it is."""
    line = f"supervisor-setup: a bug ({type(error).__name__}: {error})"
    log = write_log(error)
    if log is None:
        return f"{line}\n\n{_text(error)}"
    return f"{line}\nhint: please report it with {log}"


def write_log(error: BaseException, name: str = "bug") -> Path | None:
    """Write the traceback to a log file of this name; None where there is no room for one."""
    try:
        log = _log_folder() / f"{name}.log"
        log.write_text(_text(error), encoding="utf-8")
    except OSError:
        return None
    return log


def _text(error: BaseException) -> str:
    header = (
        f"supervisor-setup {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"arguments: {sys.argv[1:]}\n\n"
    )
    return header + "".join(traceback.format_exception(error))


def _log_folder() -> Path:
    folder = folders.state() / "log"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="supervisor-setup-"))
    return folder
