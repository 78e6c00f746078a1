"""`render`: the agents as they would be installed."""

from collections.abc import Mapping
from pathlib import Path

from supervisor_setup import compiled, files
from supervisor_setup.errors import TargetError
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result


def render(layout: Layout, out: Path | None) -> Result:
    """Render every agent that the config asks for, into `out` where that is given.

    Raises:
        UserError: the config is not valid, or `out` holds a different file of that name.
    """
    rendered = compiled.load(layout).agents
    if out is not None:
        _write(out, rendered)
    contents = {name: content.decode("utf-8") for name, content in rendered.items()}
    return Result("render", {"out": None if out is None else str(out), "agents": contents})


def _write(out: Path, rendered: Mapping[str, bytes]) -> None:
    snapshots = {name: files.read(out / name) for name in rendered}
    for name, snapshot in snapshots.items():
        if snapshot.data not in (None, b"", rendered[name]):
            raise TargetError(
                f"{snapshot.path}: exists and holds something else; nothing was written",
                hint="choose an empty folder: supervisor-setup render --out NEW_FOLDER",
            )
        files.check_writable(snapshot)
    files.make_folders(out)
    for name, snapshot in snapshots.items():
        if snapshot.data != rendered[name]:
            temp = files.temp_path(snapshot.target, "render")
            if not files.replace(snapshot, rendered[name], temp, new_mode=files.default_mode()):
                raise TargetError(f"{snapshot.path}: was changed by somebody else just now")
