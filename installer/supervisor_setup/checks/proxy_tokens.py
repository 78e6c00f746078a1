"""A subscription's token in what starts a proxy: LiteLLM's config, a .env, a unit, a compose file, a key."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor_setup.checks import bounded_text
from supervisor_setup.checks.subscription import TOKEN_START, TOKEN_VARIABLE
from supervisor_setup.checks.variables import assignments
from supervisor_setup.checks.world import World
from supervisor_setup.errors import UserError
from supervisor_setup.values import dataclass

_CONFIGS = (
    "config.yaml",
    "config.yml",
    "litellm.yaml",
    "litellm.yml",
    "litellm_config.yaml",
    "litellm_config.yml",
    "litellm-config.yaml",
    "litellm-config.yml",
    "proxy_config.yaml",
)
_COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
_DOTENV = (".env", "litellm.env", ".litellm.env")
_ETC = Path("/etc/litellm")
_UNITS = "~/.config/systemd/user/*litellm*"
# LiteLLM's own name for the file that it is started with.
_CONFIG_VARIABLE = "CONFIG_FILE_PATH"
_MARKS = ("model_list", "litellm")
_REFERENCE_STARTS = ("os.environ/", "${", "$")
_REFERENCE = r"(?:os\.environ/|\$\{?)([A-Za-z_]\w*)"
# What LiteLLM takes for `anthropic/…` models that name no key.
_DEFAULT_KEY = "ANTHROPIC_API_KEY"


@dataclass(frozen=True, slots=True)
class Found:
    """Where a token was found, and in what."""

    path: Path
    line: int
    what: str


def in_files(world: World) -> Iterator[Found]:
    """Each file of a proxy's that has such a token, or leads to a variable that holds one."""
    for path in _candidates(world):
        text = bounded_text.read(path)
        if text is None or not any(mark in text for mark in _MARKS):
            continue
        if line := bounded_text.line_with(text, TOKEN_START):
            yield Found(path, line, "a Claude subscription's token is in a proxy's config")
        yield from _by_variable(world, path, text)
        yield from _beside(path, text)
    for backend in _backends(world):
        key_file = backend.get("api_key", {}).get("file")
        text = bounded_text.read(Path(key_file)) if key_file else None
        if text is not None and text.strip().startswith(TOKEN_START):
            what = f"a Claude subscription's token is the key of your backend `{backend['name']}`"
            yield Found(Path(key_file), 1, what)


def key_variables(world: World) -> dict[str, str]:
    """The variables whose values the local-models server sends as keys, each with where it sends it."""
    found: dict[str, str] = {}
    for backend in _backends(world):
        if variable := backend.get("api_key", {}).get("env"):
            found.setdefault(variable, f"your backend `{backend['name']}`")
    return found


def _backends(world: World) -> list[Mapping[str, Any]]:
    if isinstance(world.config, UserError):
        return []
    return [backend for backend in world.config.backends if backend.get("enabled", True)]


def _by_variable(world: World, path: Path, text: str) -> Iterator[Found]:
    """The variables that the config refers to, where they are known to hold such a token."""
    for name in dict.fromkeys(re.findall(_REFERENCE, text)):
        values = assignments(world, name)
        if name != TOKEN_VARIABLE and not any(one.value.startswith(TOKEN_START) for one in values):
            continue
        line = bounded_text.line_with(text, *(start + name for start in _REFERENCE_STARTS))
        if line is not None:
            yield Found(path, line, f"{name}, a Claude subscription's token, is given to a proxy")


def _beside(config: Path, text: str) -> Iterator[Found]:
    """A `.env` beside the config whose variable the proxy gets, as far as its config tells."""
    for path in (config.with_name(name) for name in _DOTENV):
        found = bounded_text.read(path)
        line = bounded_text.line_with(found, TOKEN_START) if found else None
        if found is None or line is None:
            continue
        name = found.splitlines()[line - 1].partition("=")[0].split()[-1:]
        read = "env_file" in text or any(one in text for one in name)
        if read or (name == [_DEFAULT_KEY] and "anthropic/" in text):
            yield Found(path, line, "a Claude subscription's token is in what a proxy reads its keys from")


def _candidates(world: World) -> Iterator[Path]:
    home = world.layout.home
    here = dict.fromkeys((world.layout.cwd, world.project_root))
    folders = (
        *here,
        *(folder / "litellm" for folder in here),
        home / ".config" / "litellm",
        home / ".litellm",
        home / "litellm",
        _ETC,
    )
    named = world.environment.get(_CONFIG_VARIABLE)
    yield from dict.fromkeys(
        itertools.chain(
            [world.layout.cwd / named] if named else [],
            (folder / name for folder in folders for name in (*_CONFIGS, *_COMPOSE)),
            (home / name for name in _CONFIGS if "litellm" in name),
            bounded_text.places(world, _UNITS),
            _merged_into(world),
        )
    )


def _merged_into(world: World) -> Iterator[Path]:
    """The files into which `litellm FILE --write` has written."""
    from supervisor_setup import manifest

    for path in sorted((world.layout.state / "manifests").glob("litellm-*.json")):
        text = bounded_text.read(path)
        if text is None:
            continue
        try:
            yield manifest.load(text.encode(), path).root
        except UserError:
            continue
