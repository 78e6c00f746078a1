"""`render`: the agents as they would be installed."""

from pathlib import Path

from supervisor_setup import compiled, files, outputs
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result


def render(layout: Layout, out: Path | None) -> Result:
    """Render every agent that the config asks for, into `out` where that is given.

    Raises:
        UserError: the config is not valid, or `out` holds a different file of that name.
    """
    rendered = compiled.load(layout).agents
    if out is not None:
        hint = "choose an empty folder: supervisor-setup render --out NEW_FOLDER"
        outputs.write_new({out / name: content for name, content in rendered.items()}, "render", hint)
        files.make_folders(out)  # there also when no agent is left
    contents = {name: content.decode("utf-8") for name, content in rendered.items()}
    return Result("render", {"out": None if out is None else str(out), "agents": contents})
