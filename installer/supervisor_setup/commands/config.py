"""`config`: show, create and change config.yaml."""

import json
from collections.abc import Callable
from dataclasses import asdict

from supervisor_setup import backups, config, config_file, files, locks
from supervisor_setup.errors import ConfigError, UserError
from supervisor_setup.layout import Layout
from supervisor_setup.result import Result


def path(layout: Layout) -> Result:
    """Where config.yaml is."""
    return Result("config", {"path": str(layout.config)})


def show(layout: Layout) -> Result:
    """The config in force, defaults included.

    Raises:
        ConfigError: config.yaml is not valid.
    """
    found = config.load(layout.config)
    effective = {
        "version": 1,
        "tiers": dict(found.tiers),
        "agents": {
            "replace_explore": found.replace_explore,
            "exclude": sorted(found.exclude),
            "tiers": dict(found.agent_tiers),
        },
        **found.server,
        "pipeline": asdict(found.pipeline),
    }
    return Result("config", {"path": str(layout.config), "config": effective})


def init(layout: Layout) -> Result:
    """Create a commented config.yaml, unless there is one."""
    changed = _change(layout, lambda before: config_file.seed({}) if before is None else before)
    return Result("config", {"path": str(layout.config), "created": changed})


def set_value(layout: Layout, key: str, value: str) -> Result:
    """Set the value at a dotted key, such as `backends.0.url`; the value is read as YAML.

    Raises:
        ConfigError: the file, the key or the value is not valid; nothing is changed then.
    """
    place = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
    if "" in place:
        raise ConfigError(f"{layout.config}: {key!r} is not a key", hint="supervisor-setup config show")
    wanted = _yaml(key, value)

    def change(before: bytes | None) -> bytes:
        data = config_file.seed({}) if before is None else before
        return config_file.with_value(layout.config, data, place, wanted)

    return Result("config", {"path": str(layout.config), "changed": _change(layout, change)})


def _yaml(key: str, value: str) -> object:
    from supervisor_setup.edit import EditError, yaml_entries

    try:
        return yaml_entries.load(value.encode("utf-8"))
    except EditError as error:
        raise ConfigError(
            f"{key}: {value!r} is not a YAML value ({error.what})", hint=f"quote it: {json.dumps(value)}"
        ) from error


def _change(layout: Layout, change: Callable[[bytes | None], bytes]) -> bool:
    """Read, change and replace config.yaml as one step; tells whether it changed."""
    with locks.run_lock(layout.state):
        before = files.read(layout.config)
        after = change(before.data)
        if after == before.data:
            return False
        files.check_writable(before)
        backups.save(layout.state, "config", [before])
        files.make_folders(before.target.parent)
        temp = files.temp_path(before.target, "config")
        temp.unlink(missing_ok=True)
        if files.replace(before, after, temp, new_mode=files.default_mode()):
            return True
    raise UserError(f"{layout.config}: was changed by somebody else just now", hint="run the command again")
