"""`config`: show, create and change config.yaml."""

import json

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
    }
    return Result("config", {"path": str(layout.config), "config": effective})


def init(layout: Layout) -> Result:
    """Create a commented config.yaml, unless there is one."""
    created = files.read(layout.config).data is None
    if created:
        _write(layout, config_file.seed({}))
    return Result("config", {"path": str(layout.config), "created": created})


def set_value(layout: Layout, key: str, value: str) -> Result:
    """Set the value at a dotted key, such as `backends.0.url`; the value is read as YAML.

    Raises:
        ConfigError: the file, the key or the value is not valid; nothing is changed then.
    """
    place = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
    if "" in place:
        raise ConfigError(f"{layout.config}: {key!r} is not a key", hint="supervisor-setup config show")
    before = files.read(layout.config).data
    data = config_file.seed({}) if before is None else before
    after = config_file.with_value(layout.config, data, place, _yaml(key, value))
    if after != before:
        _write(layout, after)
    return Result("config", {"path": str(layout.config), "changed": after != before})


def _yaml(key: str, value: str) -> object:
    from supervisor_setup.edit import EditError, yaml_entries

    try:
        return yaml_entries.load(value.encode("utf-8"))
    except EditError as error:
        raise ConfigError(
            f"{key}: {value!r} is not a YAML value ({error.what})", hint=f"quote it: {json.dumps(value)}"
        ) from error


def _write(layout: Layout, data: bytes) -> None:
    with locks.run_lock(layout.state):
        before = files.read(layout.config)
        files.check_writable(before)
        backups.save(layout.state, "config", [before])
        try:
            files.make_folders(layout.config.parent)
            written = files.replace(before, data, files.temp_path(before.target, "config"), new_mode=0o644)
        except OSError as error:
            raise UserError(f"{layout.config}: cannot be written ({error.strerror})") from error
    if not written:
        raise UserError(
            f"{layout.config}: was changed by somebody else just now", hint="run the command again"
        )
