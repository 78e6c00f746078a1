"""Creating config.yaml and changing single values in it, with everything else of the user's kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor_setup import assets, config, files
from supervisor_setup.artefacts import ABSENT, Address, Group, Kind, file_artefact
from supervisor_setup.edit import EditError
from supervisor_setup.errors import ConfigError
from supervisor_setup.plan import Decision, Operation
from supervisor_setup.values import dataclass

DEFAULT_URLS: Mapping[str, str] = {"litellm": "http://koala:4000", "ollama": "http://koala:11434"}


_VALUE_HINT = "the keys and their values: supervisor-setup config show; a list is written so: '[one, two]'"


@dataclass(frozen=True, slots=True)
class Draft:
    """config.yaml as it is and as it would be."""

    path: Path
    before: bytes | None
    after: bytes

    @property
    def operation(self) -> Operation | None:
        """The step of a plan that writes it; None where nothing changes."""
        if self.before == self.after:
            return None
        decision = Decision.CREATE if self.before is None else Decision.UPDATE
        artefact = file_artefact(Group.CONFIG, self.path, self.after)
        actual = ABSENT if self.before is None else self.before
        return Operation(decision, Address(Kind.FILE, self.path), artefact, actual, None)


def draft(path: Path, urls: Mapping[str, str], server: Mapping[str, str | None] | None = None) -> Draft:
    """config.yaml with the backends' addresses changed; a new commented one where there is none.

    `urls` maps a backend kind (litellm, ollama) to its address, `server` keys of the part of that name to
    their values.

    Raises:
        ConfigError: the file is not valid, or cannot be changed without touching more than the value.
        TargetError: it cannot be read.
    """
    before = files.read(path).data
    after = seed(urls) if before is None else before
    if before is not None:
        for kind, url in urls.items():
            after = _with_url(path, after, kind, url)
    for key, value in (server or {}).items():
        if config.parse(path, after).server["server"][key] != value:
            after = with_value(path, after, ("server", key), value)
    return Draft(path, before, after)


def seed(urls: Mapping[str, str]) -> bytes:
    """A new config.yaml: the defaults, explained."""
    from supervisor_setup import render

    chosen = {**DEFAULT_URLS, **urls}
    return render.render_template(
        assets.templates() / "config.yaml.j2", litellm_url=chosen["litellm"], ollama_url=chosen["ollama"]
    )


def with_value(path: Path, data: bytes, place: tuple[str | int, ...], value: Any) -> bytes:
    """The file with one value changed.

    Raises:
        ConfigError: the change is not valid, or cannot be made without touching more.
    """
    from supervisor_setup.edit import yaml_entries

    try:
        changed = yaml_entries.set_value(data, place, value)
    except EditError as error:
        raise ConfigError(
            f"{path}:{error.line}:{error.column}: {error.what}", hint="change it with an editor"
        ) from error
    try:
        config.parse(path, changed)
    except ConfigError as error:
        # The place in the file that would have been is of no use to anybody.
        what = error.message.partition(": ")[2]
        raise ConfigError(f"{path}: nothing was changed, {what}", hint=_VALUE_HINT) from error
    return changed


def _with_url(path: Path, data: bytes, kind: str, url: str) -> bytes:
    backends = config.parse(path, data).backends
    index = next((number for number, backend in enumerate(backends) if backend["kind"] == kind), None)
    if index is None:
        raise ConfigError(
            f"{path}: has no backend of kind {kind}, so its address cannot be set",
            hint="add one under `backends:` with an editor; for its shape: supervisor-setup config show",
        )
    if backends[index]["url"] == url:
        return data
    from supervisor_setup.edit import yaml_entries

    body = yaml_entries.load(data)
    if isinstance(body, dict) and body.get("backends"):
        return with_value(path, data, ("backends", index, "url"), url)
    changed = [
        dict(backend) | ({"url": url} if number == index else {}) for number, backend in enumerate(backends)
    ]
    return with_value(path, data, ("backends",), changed)
