"""Files that the user asked for by name: written where there is nothing yet, never over something else."""

from collections.abc import Mapping
from pathlib import Path

from supervisor_setup import files
from supervisor_setup.errors import TargetError


def write_new(contents: Mapping[Path, bytes], command: str, hint: str) -> None:
    """Write each content to its path, all or, where something else stands at one of them, none.

    `command` names the temporary files, `hint` says what to do about a path that is taken.

    Raises:
        TargetError: a path holds something else, or cannot be written.
    """
    snapshots = {path: files.read(path) for path in contents}
    for path, snapshot in snapshots.items():
        if snapshot.data not in (None, b"", contents[path]):
            raise TargetError(f"{path}: exists and holds something else; nothing was written", hint=hint)
        files.check_writable(snapshot)
    for path, snapshot in snapshots.items():
        if snapshot.data != contents[path]:
            files.make_folders(snapshot.target.parent)
            temp = files.temp_path(snapshot.target, command)
            temp.unlink(missing_ok=True)  # of a killed run
            if not files.replace(snapshot, contents[path], temp, new_mode=files.default_mode()):
                raise TargetError(f"{path}: was changed by somebody else just now")
